// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *seed_folder;

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* The first folder that the inputs come from is also where new ones go. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	for (int i = *argc - 1; i > 0; i--)
		if ((*argv)[i][0] != '-')
			seed_folder = (*argv)[i];
	if (fuzz__add_seeds && seed_folder)
		fuzz__add_seeds();
	return 0;
}

/* Where an input is given instead of a folder, to be looked at again, there is no place for seeds. */
void fuzz__add_seed(const void *bytes, size_t n)
{
	static int n_seeds;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/seed-%d", seed_folder, ++n_seeds);
	file = fopen(path, "w");
	if (!file)
		return;
	fwrite(bytes, 1, n, file);
	fclose(file);
}

void fuzz__check(int is_so, const char *what)
{
	if (is_so)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

int fuzz__open_file(const uint8_t *bytes, size_t n, char ret_path[static FUZZ_PATH_BYTES])
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	fuzz__check(fd >= 0 && write(fd, bytes, n) == (ssize_t)n, "a file can be made of the input");
	snprintf(ret_path, FUZZ_PATH_BYTES, "/proc/self/fd/%d", fd);
	return fd;
}
