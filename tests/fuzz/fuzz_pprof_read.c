// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"
#include "gzip.h"
#include "pprof_read.h"
#include "render.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char path[FUZZ_PATH_BYTES];
	struct pprof_content content;
	struct error error;
	int fd = fuzz__open_file(bytes, n, path);

	if (!pprof_read__file(path, (1u << LINGER_DOMAINS) - 1, &content, &error)) {
		fuzz__check(content.values, "a profile has values");
		profile__free(content.profile);
	}
	close(fd);
	return 0;
}

/* Not compressed, so that parts of it can change. */
static void add_seed(const char *path)
{
	unsigned char *bytes;
	size_t n;

	if (gzip__read(path, 1 << 20, &bytes, &n))
		return;
	fuzz__add_seed(bytes, n);
	free(bytes);
}

void fuzz__add_seeds(void)
{
	const struct profile_frame frames[] = {
		{.function = "main", .file = "/a.py", .line = 3, .first_line = 1},
		{.function = "\xd0\xb8", .file = "/b.py", .line = 70000},
	};
	const struct profile_estimate estimate = {.survivors = 4, .newest_ms = 17};
	const uint64_t values[PROFILE_VALUES] = {4096, 4, 8192, 8};
	char path[] = "/tmp/linger-fuzz-XXXXXX";
	struct profile *profile = profile__new();
	FILE *out = fdopen(mkstemp(path), "w");

	if (!profile || !out)
		return;
	profile__add(profile, LINGER_DOMAIN_MAPPING, "thread", frames, 2, values);
	profile__add_estimate(profile, LINGER_DOMAIN_OBJECT, "thread", frames, 1, values, &estimate);
	profile__add_note(profile, "a note");
	profile__add_object(profile, "/usr/bin/python3", "0123456789abcdef");
	profile__set_time(profile, 1, 2);
	render_pprof.render(profile, PROFILE_INUSE_SPACE, out);
	fclose(out);
	add_seed(path);
	unlink(path);
	profile__free(profile);
}
