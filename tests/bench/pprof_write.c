// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writes a profile of N distinct stacks of 25 frames in pprof's format and reads it back: pprof_write N FILE
 * prints the seconds of both, and the largest resident size of writing, the profile itself included. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "pprof_read.h"
#include "profile.h"
#include "render.h"

#define FRAMES 25
#define FUNCTIONS 5000 /* of a large program, with some lines each */
#define FILES 400
#define LINES 8

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static double resident_mib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss / 1024.0;
}

/* The outer frames vary little, as in a real program; the number of the stack is in the inner ones. */
static void add_stack(struct profile *profile, unsigned int i)
{
	static char names[FRAMES][48], files[FRAMES][48];
	struct profile_frame frames[FRAMES];

	for (unsigned int j = 0; j < FRAMES; j++) {
		unsigned int choice = j < 20 ? i >> (2 + 20 - j) : i >> 4 * (24 - j);
		unsigned int function = (choice * 31 + j * 197) % FUNCTIONS;

		snprintf(names[j], sizeof(names[j]), "Handler%u.method_%u", function % 700, function);
		snprintf(files[j], sizeof(files[j]), "/srv/application/package/module_%u.py",
			 function % FILES);
		frames[j] = (struct profile_frame){names[j], files[j], function % 900 + choice % LINES,
						   function % 900};
	}
	if (profile__add(profile, LINGER_DOMAIN_OBJECT, i % 4 ? "worker" : "MainThread", frames, FRAMES,
			 (uint64_t[]){i * 48ull, i, i * 96ull, i * 2ull}))
		exit(1);
}

static int write_profile(const struct profile *profile, const char *path)
{
	FILE *out = fopen(path, "w");
	int err = out ? render_pprof.render(profile, PROFILE_INUSE_SPACE, out) : -1;

	return out && !fclose(out) ? err : -1;
}

int main(int argc, char **argv)
{
	unsigned int n = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	struct profile *profile = profile__new();
	double start, written, mib;
	struct pprof_content content;
	struct error error;

	if (!n || !profile)
		return 2;
	for (unsigned int i = 0; i < n; i++)
		add_stack(profile, i);
	start = now_s();
	if (profile__n_samples(profile) != n || write_profile(profile, argv[2]))
		return 1;
	written = now_s();
	mib = resident_mib();
	profile__free(profile);
	if (pprof_read__file(argv[2], 1u << LINGER_DOMAIN_OBJECT, &content, &error) ||
	    profile__n_samples(content.profile) != n)
		return 1;
	printf("%.3f %.3f %.1f\n", written - start, now_s() - written, mib);
	profile__free(content.profile);
	return 0;
}
