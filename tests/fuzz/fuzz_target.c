// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The files of /proc that say what a target has mapped and what it is: their names are the target's. */
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"
#include "target.h"

static const uint8_t *content; /* NULL: the real files */
static size_t content_bytes;

/* What the target's module calls. */
int openat(int folder, const char *name, int flags, ...)
{
	char path[FUZZ_PATH_BYTES];
	int fd;

	if (!content)
		return syscall(SYS_openat, folder, name, flags);
	fd = fuzz__open_file(content, content_bytes, path);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void read_mappings(const struct target *target)
{
	struct target_mapping *mappings;
	size_t n;

	if (target__mappings(target, &mappings, &n))
		return;
	for (size_t i = 0; i < n; i++)
		fuzz__check(strlen(mappings[i].path) <= content_bytes, "a path is part of a line");
	target__free_mappings(mappings, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct target *target;
	struct error error;

	content = NULL;
	if (!target)
		fuzz__check(!target__open(getpid(), &target, &error), "this process can be a target");
	content = bytes;
	content_bytes = n;
	read_mappings(target);
	target__has_seccomp_filter(target);
	content = NULL;
	return 0;
}

void fuzz__add_seeds(void)
{
	static const char mappings[] =
		"7f0000000000-7f0000001000 r-xp 00001000 fe:01 1234   /usr/bin/python3\n"
		"7f0000002000-7f0000003000 rw-p 00000000 00:00 0 \n"
		"7f0000004000-7f0000005000 rw-s 00000000 00:05 7 /memfd:a b\\012c (deleted)\n"
		"7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0                [stack]\n";
	static const char status[] = "Name:\tpython3\nState:\tR (running)\nSeccomp:\t2\n";

	fuzz__add_seed(mappings, strlen(mappings));
	fuzz__add_seed(status, strlen(status));
}
