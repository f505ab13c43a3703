// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 *   mapped_files COUNT FILE...
 *
 * Maps each file so many times as if it were code, says "ready" and waits for the end of its standard input.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char byte;

	for (int i = 2; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);

		for (int n = atoi(argv[1]); n > 0; n--)
			if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
				return 1;
		close(fd);
	}
	puts("ready");
	fflush(stdout);
	return read(STDIN_FILENO, &byte, 1) < 0;
}
