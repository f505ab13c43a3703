// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A program that becomes a Python interpreter late: it loads LIBRARY when it reads a line, and runs the rest
 * of its arguments. What a server with Python plug-ins looks like that loads them on demand.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

/* Byte for byte: what follows belongs to the interpreter. */
static int read_line(void)
{
	char byte = 0;

	while (byte != '\n')
		if (read(STDIN_FILENO, &byte, 1) != 1)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	int (*run)(int argc, char **argv);
	void *library;

	if (argc < 3)
		return argc < 2 || !dlopen(argv[1], RTLD_LAZY);
	if (write(STDOUT_FILENO, "waiting\n", 8) != 8 || read_line())
		return 1;
	library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
	run = library ? (int (*)(int, char **))dlsym(library, "Py_BytesMain") : NULL;
	if (!run) {
		fprintf(stderr, "late: %s\n", dlerror());
		return 1;
	}
	return run(argc - 1, argv + 1);
}
