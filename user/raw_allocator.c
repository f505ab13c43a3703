// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "raw_allocator.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* A symbol that each library defines and no other does. The C libraries come last: one that replaces them may
 * offer their symbols too. */
static const struct {
	const char *symbol, *name;
} signatures[] = {
	{"mallctl", "jemalloc"},           {"tc_version", "tcmalloc"}, {"mi_version", "mimalloc"},
	{"gnu_get_libc_version", "glibc"}, {"__dls2b", "musl"},
};

static const char *identify(const struct elf_image *image)
{
	uint64_t address;

	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (!elf_image__symbol(image, signatures[i].symbol, &address, NULL))
			return signatures[i].name;
	return "unknown";
}

static bool defines_family(const struct elf_image *image)
{
	uint64_t address;

	return !elf_image__symbol(image, "malloc", &address, NULL) &&
	       !elf_image__symbol(image, "calloc", &address, NULL) &&
	       !elf_image__symbol(image, "realloc", &address, NULL) &&
	       !elf_image__symbol(image, "free", &address, NULL);
}

/* A file, if it defines the malloc family; takes over fd. 0, -ENOENT, -ENOMEM. */
static int open_file(int fd, const char *path, struct raw_allocator *ret_allocator)
{
	struct raw_allocator found = {};
	int err;

	if (fd < 0)
		return -ENOENT;
	err = elf_image__open(fd, &found.image);
	if (err)
		return err == -ENOMEM ? err : -ENOENT;
	if (!defines_family(found.image)) {
		elf_image__free(found.image);
		return -ENOENT;
	}
	found.name = identify(found.image);
	found.path = strdup(path);
	if (!found.path) {
		elf_image__free(found.image);
		return -ENOMEM;
	}
	*ret_allocator = found;
	return 0;
}

static int open_candidate(const struct target *target, const struct target_mapping *mapping,
			  struct raw_allocator *ret_allocator)
{
	return open_file(target__open_file(target, mapping), mapping->path, ret_allocator);
}

static bool is_code(const struct target_mapping *mapping)
{
	return mapping->executable && mapping->inode;
}

/* Where the interpreter's calls of malloc go. */
static int find_by_reference(const struct target *target, const struct python *python,
			     struct memory_reader *reader, const struct target_mapping *mappings, size_t n,
			     struct raw_allocator *ret_allocator)
{
	uint64_t slot, function;

	if (elf_image__import(python->image, "malloc", &slot) ||
	    memory_reader__read(reader, python->bias + slot, &function, sizeof(function)))
		return -ENOENT;
	for (size_t i = 0; i < n; i++)
		if (is_code(&mappings[i]) &&
		    function - mappings[i].start < mappings[i].end - mappings[i].start)
			return open_candidate(target, &mappings[i], ret_allocator);
	return -ENOENT;
}

static bool is_c_library(const struct raw_allocator *allocator)
{
	return !strcmp(allocator->name, "glibc") || !strcmp(allocator->name, "musl") ||
	       !strcmp(allocator->name, "unknown");
}

/* The program itself and preloaded libraries come before the C library, and the dynamic linker, whose own
 * malloc is for its beginnings, after it. */
static int find_by_order(const struct target *target, const struct target_mapping *mappings, size_t n,
			 struct raw_allocator *ret_allocator)
{
	uint64_t end_ns = now_ns() + TARGET_FILES_LIMIT_NS;
	struct raw_allocator found = {};

	for (size_t i = 0; i < n && now_ns() < end_ns; i++) {
		struct raw_allocator candidate;
		int err = is_code(&mappings[i]) ? open_candidate(target, &mappings[i], &candidate) : -ENOENT;

		if (err == -ENOENT)
			continue;
		if (err) {
			raw_allocator__free(&found);
			return err;
		}
		if (found.path && (!is_c_library(&found) || !strcmp(candidate.name, "unknown"))) {
			raw_allocator__free(&candidate);
			continue;
		}
		raw_allocator__free(&found);
		found = candidate;
	}
	if (!found.path)
		return -ENOENT;
	*ret_allocator = found;
	return 0;
}

static int read_mappings(const struct target *target, struct target_mapping **ret_mappings, size_t *ret_n,
			 struct error *error)
{
	int err = target__mappings(target, ret_mappings, ret_n);

	if (err)
		error__set(error, err, "failed to read the mappings of process %d: %s", target__pid(target),
			   strerror(-err));
	return err;
}

int raw_allocator__find(const struct target *target, const struct python *python,
			struct memory_reader *reader, struct raw_allocator *ret_allocator,
			struct error *error)
{
	struct target_mapping *mappings;
	size_t n;
	int err = read_mappings(target, &mappings, &n, error);

	if (err)
		return err;
	err = find_by_reference(target, python, reader, mappings, n, ret_allocator);
	if (err == -ENOENT)
		err = find_by_order(target, mappings, n, ret_allocator);
	target__free_mappings(mappings, n);
	if (!err)
		return 0;
	if (err != -ENOENT)
		return error__set(error, err, "failed to find malloc in process %d: %s", target__pid(target),
				  strerror(-err));
	error__set(error, -EOPNOTSUPP, "failed to find malloc in process %d: no mapped file defines it",
		   target__pid(target));
	error__hint(error, "'--domain object,mapping' records without it");
	return -EOPNOTSUPP;
}

static bool is_dynamic_linker(const struct elf_image *image)
{
	uint64_t address;

	return !elf_image__symbol(image, "_rtld_global", &address, NULL);
}

static int open_coming(int file, struct raw_allocator *ret_allocator)
{
	char link[64], path[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = 0;
	return open_file(fcntl(file, F_DUPFD_CLOEXEC, 0), path, ret_allocator);
}

/* What is mapped by now comes before the C library for the dynamic linker too. */
int raw_allocator__find_at_start(const struct target *target, int libc_file,
				 struct raw_allocator *ret_allocator, struct error *error)
{
	struct raw_allocator earlier = {};
	struct target_mapping *mappings;
	size_t n;
	int err = read_mappings(target, &mappings, &n, error);

	if (err)
		return err;
	err = find_by_order(target, mappings, n, &earlier);
	target__free_mappings(mappings, n);
	if (!err && !is_dynamic_linker(earlier.image)) {
		*ret_allocator = earlier;
		return 0;
	}
	raw_allocator__free(&earlier);
	err = open_coming(libc_file, ret_allocator);
	if (err)
		return error__set(error, err, "failed to read the C library of process %d: %s",
				  target__pid(target), strerror(-err));
	return 0;
}

void raw_allocator__free(struct raw_allocator *allocator)
{
	elf_image__free(allocator->image);
	free(allocator->path);
	*allocator = (struct raw_allocator){};
}
