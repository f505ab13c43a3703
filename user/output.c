// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "special_file.h"

#define MAX_NAMES 1000

struct output {
	char *path;      /* NULL: standard output */
	char *temporary; /* the name under which it is until it is complete; NULL: none */
	bool replaces;   /* it gets its place when it is complete */
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

/* Also a link to nothing: that would not be replaced either. */
static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static int cannot_write(int err, const char *path, struct error *error)
{
	return error__set(error, err, "failed to write '%s': %s", path,
			  err == -ENOMEM ? "out of memory" : strerror(-err));
}

/* A file without a name is gone when linger is, whatever ends it. Some file systems have none. */
static int open_unnamed(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
	int err = copy ? -errno : -ENOMEM;

	free(copy);
	return fd >= 0 ? fd : err;
}

static int open_named(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);

	return fd >= 0 ? fd : -errno;
}

static int name_file(int fd, const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, file, AT_FDCWD, name, AT_SYMLINK_FOLLOW) ? -errno : fd;
}

/* Under the first name beside its place that is free: the file behind fd, or with fd -1 a new one. Its
 * descriptor. */
static int take_name(struct output *output, int fd)
{
	int err = -EEXIST;

	for (unsigned int i = 0; i < MAX_NAMES && err == -EEXIST; i++) {
		char *name;

		if (asprintf(&name, "%s.%d.%u", output->path, getpid(), i) < 0)
			return -ENOMEM;
		err = fd < 0 ? open_named(name) : name_file(fd, name);
		if (err < 0)
			free(name);
		else
			output->temporary = name;
	}
	return err;
}

static int open_file(struct output *output, struct error *error)
{
	int fd = open_unnamed(output->path);

	if (fd == -EOPNOTSUPP || fd == -EISDIR)
		fd = take_name(output, -1);
	if (fd < 0)
		return cannot_write(fd, output->path, error);
	output->replaces = true;
	output->stream = fdopen(fd, "w");
	if (output->stream)
		return 0;
	close(fd);
	return cannot_write(-ENOMEM, output->path, error);
}

int output__check(const char *path, bool force, struct error *error)
{
	char *copy = strdup(path), *directory;
	int err = 0;

	if (!copy)
		return cannot_write(-ENOMEM, path, error);
	directory = dirname(copy);
	if (special_file__is_at(path)) {
		err = special_file__check(path, error);
	} else if (is_directory(path)) {
		err = error__set(error, -EISDIR, "failed to write '%s': it is a directory", path);
	} else if (!force && exists(path)) {
		err = error__set(error, -EEXIST, "failed to write '%s': it exists", path);
		error__hint(error, "choose another name, or overwrite it with --force");
	} else if (access(directory, W_OK | X_OK)) {
		err = cannot_write(-errno, path, error);
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
		if (!output->path)
			err = cannot_write(-ENOMEM, path, error);
		else
			err = special_file__is_at(path) ? special_file__open(path, &output->stream, error)
							: open_file(output, error);
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

	if (!err && output->replaces && !output->temporary) {
		int fd = take_name(output, fileno(stream));

		err = fd < 0 ? fd : 0;
	}
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
	if (output->replaces)
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
