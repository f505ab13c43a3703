// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tracepoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The root directory of a private tracefs. */
static int open_tracefs(void)
{
	int context = syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC), root = -1;

	if (context < 0)
		return -errno;
	if (!syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		root = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (root < 0)
		root = -errno;
	close(context);
	return root;
}

int tracepoint__id(const char *category, const char *name)
{
	char path[256], text[32] = {};
	int root = open_tracefs(), fd, n;

	if (root < 0)
		return root;
	snprintf(path, sizeof(path), "events/%s/%s/id", category, name);
	fd = openat(root, path, O_RDONLY | O_CLOEXEC);
	close(root);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? atoi(text) : -EIO;
}

int tracepoint__open(const char *category, const char *name)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
	};
	int id = tracepoint__id(category, name), fd;

	if (id < 0)
		return id;
	attr.config = id;
	/* The CPU does not matter: the program attached to it runs wherever the tracepoint is hit. */
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
