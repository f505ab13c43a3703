// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
	char *path; /* NULL: standard output */
	char *temporary;
	bool force;
	FILE *stream;
};

static void free_output(struct output *output)
{
	free(output->path);
	free(output->temporary);
	free(output);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* Devices and pipes cannot be replaced by a renamed file: they are written to directly. */
static bool is_special(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* Also a link to nothing: that would not be replaced either. */
static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
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

static int check_special(const char *path, struct error *error)
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

static int open_special(struct output *output, struct error *error)
{
	int place = find_special(output->path), fd;

	if (place < 0)
		return refuse_special(output->path, place, error);
	fd = open_place(place);
	close(place);
	if (fd < 0)
		return refuse_special(output->path, fd, error);
	output->stream = fdopen(fd, "w");
	return output->stream ? 0 : refuse_special(output->path, -ENOMEM, error);
}

static int open_temporary(struct output *output, struct error *error)
{
	const char *path = output->path;
	mode_t mask;
	int fd;

	if (is_special(path))
		return open_special(output, error);
	if (asprintf(&output->temporary, "%s.XXXXXX", path) < 0) {
		output->temporary = NULL;
		return error__set(error, -ENOMEM, "failed to write '%s': out of memory", path);
	}
	fd = mkostemp(output->temporary, O_CLOEXEC);
	if (fd < 0) {
		free(output->temporary);
		output->temporary = NULL;
		return error__set(error, -errno, "failed to write '%s': %s", path, strerror(errno));
	}
	mask = umask(0);
	umask(mask);
	fchmod(fd, 0666 & ~mask);
	output->stream = fdopen(fd, "w");
	return output->stream ? 0 : error__set(error, -ENOMEM, "failed to write '%s': out of memory", path);
}

int output__check(const char *path, bool force, struct error *error)
{
	char *copy = strdup(path), *directory;
	int err = 0;

	if (!copy)
		return error__set(error, -ENOMEM, "failed to write '%s': out of memory", path);
	directory = dirname(copy);
	if (is_special(path)) {
		err = check_special(path, error);
	} else if (is_directory(path)) {
		err = error__set(error, -EISDIR, "failed to write '%s': it is a directory", path);
	} else if (!force && exists(path)) {
		err = error__set(error, -EEXIST, "failed to write '%s': it exists", path);
		error__hint(error, "choose another name, or overwrite it with --force");
	} else if (access(directory, W_OK | X_OK)) {
		err = error__set(error, -errno, "failed to write '%s': %s", path, strerror(errno));
	}
	free(copy);
	return err;
}

int output__open(const char *path, bool force, struct output **ret_output, struct error *error)
{
	struct output *output = calloc(1, sizeof(*output));
	int err = 0;

	if (!output)
		return error__set(error, -ENOMEM, "failed to write: out of memory");
	output->force = force;
	output->stream = stdout;
	if (path) {
		output->stream = NULL;
		output->path = strdup(path);
		err = output->path ? open_temporary(output, error)
				   : error__set(error, -ENOMEM, "failed to write '%s': out of memory", path);
	}
	if (err) {
		output__abandon(output);
		return err;
	}
	*ret_output = output;
	return 0;
}

FILE *output__stream(struct output *output)
{
	return output->stream;
}

void output__abandon(struct output *output)
{
	if (!output)
		return;
	if (output->path && output->stream)
		fclose(output->stream);
	if (output->temporary)
		unlink(output->temporary);
	free_output(output);
}

static int close_stream(struct output *output)
{
	FILE *stream = output->stream;
	/* An earlier write may have failed, with an errno that is long gone. */
	int err = fflush(stream) ? -errno : ferror(stream) ? -EIO : 0;

	if (output->path) {
		output->stream = NULL;
		if (fclose(stream) && !err)
			err = -errno;
	}
	return err;
}

static int move_in_place(struct output *output)
{
	unsigned int flags = output->force ? 0 : RENAME_NOREPLACE;

	if (!renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->path, flags))
		return 0;
	/* Some file systems cannot promise not to replace; that was checked when the file was opened. */
	if (errno == EINVAL && !rename(output->temporary, output->path))
		return 0;
	return -errno;
}

/* Whatever is in the way now, a recording cannot be made again. */
static int fail_to_move(struct output *output, int err, struct error *error)
{
	error__set(error, err, "failed to write '%s': %s", output->path,
		   err == -EEXIST ? "it exists by now" : strerror(-err));
	if (exists(output->temporary))
		error__hint(error, "what was to be written is in '%s'", output->temporary);
	free_output(output);
	return err;
}

static int fail(struct output *output, int err, struct error *error)
{
	error__set(error, err, "failed to write '%s': %s", output->path ? output->path : "standard output",
		   strerror(-err));
	output__abandon(output);
	return err;
}

int output__commit(struct output *output, struct error *error)
{
	int err = close_stream(output);

	if (err)
		return fail(output, err, error);
	if (output->temporary)
		err = move_in_place(output);
	if (err)
		return fail_to_move(output, err, error);
	free_output(output);
	return 0;
}

int output__finish(struct output *output, int err, struct error *error)
{
	return err ? fail(output, err, error) : output__commit(output, error);
}
