// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "special_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool special_file__is_at(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static bool is_ours(const struct stat *st)
{
	return !st->st_uid || st->st_uid == geteuid();
}

/* Whether nobody else can put anything else in the place of a file. */
static bool is_settled(int directory, const char *name)
{
	struct stat parent, file;

	return !fstat(directory, &parent) && !fstatat(directory, name, &file, AT_SYMLINK_NOFOLLOW) &&
	       is_ours(&parent) && is_ours(&file) &&
	       (!(parent.st_mode & (S_IWGRP | S_IWOTH)) || parent.st_mode & S_ISVTX);
}

/* A descriptor of O_PATH; -EPERM: somebody else may have put it there, a pipe of theirs or a link to a disk.
 */
static int find_special(const char *path)
{
	char *copy = strdup(path), *directory = copy ? dirname(copy) : NULL;
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	int parent, place = -EPERM;

	if (!copy)
		return -ENOMEM;
	parent = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (parent < 0)
		return -errno;
	if (is_settled(parent, name)) {
		place = openat(parent, name, O_PATH | O_CLOEXEC);
		place = place < 0 ? -errno : place;
	}
	close(parent);
	return place;
}

static int refuse_special(const char *path, int err, struct error *error)
{
	if (err != -EPERM)
		return error__set(error, err, "failed to open '%s': %s", path, strerror(-err));
	error__set(error, err, "failed to open '%s': it is no regular file, and others can replace it", path);
	error__hint(error, "redirect standard output there if that is meant");
	return err;
}

int special_file__check(const char *path, struct error *error)
{
	int place = find_special(path);

	if (place < 0)
		return refuse_special(path, place, error);
	close(place);
	return 0;
}

/* It is special still: no regular file is truncated. */
static int open_place(int place)
{
	char path[32];
	struct stat st;
	int fd;

	if (fstat(place, &st) || S_ISREG(st.st_mode))
		return -ESTALE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int special_file__open(const char *path, FILE **ret_stream, struct error *error)
{
	int place = find_special(path), fd;
	FILE *stream;

	if (place < 0)
		return refuse_special(path, place, error);
	fd = open_place(place);
	close(place);
	if (fd < 0)
		return refuse_special(path, fd, error);
	stream = fdopen(fd, "w");
	if (!stream) {
		close(fd);
		return refuse_special(path, -ENOMEM, error);
	}
	*ret_stream = stream;
	return 0;
}
