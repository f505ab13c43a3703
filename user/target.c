// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "regular_file.h"

#define MAX_MAPPINGS (1u << 20)
#define MAX_PATH_BYTES (64u << 20) /* of all; the names of what is mapped after that are not kept */

struct target {
	pid_t pid;
	int pidfd;
	int proc_fd; /* /proc/PID */
};

static bool is_kernel_thread(const struct target *target)
{
	char path[1];

	return readlinkat(target->proc_fd, "exe", path, sizeof(path)) < 0 && errno == ENOENT;
}

static int open_target(struct target *target, struct error *error)
{
	char path[32];

	target->pidfd = syscall(SYS_pidfd_open, target->pid, 0);
	if (target->pidfd < 0 && errno == ENOSYS)
		return error__set(error, -ENOSYS,
				  "failed to open process %d: this kernel has no pidfd_open (Linux 5.3)",
				  target->pid);
	if (target->pidfd < 0) {
		error__set(error, -ESRCH, "failed to open process %d: %s", target->pid,
			   errno == ESRCH ? "no such process" : strerror(errno));
		error__hint(error, "'pgrep -a python' lists the Python processes of this machine");
		return -ESRCH;
	}
	snprintf(path, sizeof(path), "/proc/%d", target->pid);
	target->proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target->proc_fd < 0 || !target__is_alive(target))
		return error__set(error, -ESRCH, "failed to open process %d: it has just ended", target->pid);
	if (is_kernel_thread(target)) {
		error__set(error, -EOPNOTSUPP, "failed to open process %d: it is a kernel thread",
			   target->pid);
		error__hint(error, "'pgrep -a python' lists the Python processes of this machine");
		return -EOPNOTSUPP;
	}
	return 0;
}

int target__open(pid_t pid, struct target **ret_target, struct error *error)
{
	struct target *target = calloc(1, sizeof(*target));
	int err;

	if (!target)
		return error__set(error, -ENOMEM, "failed to open process %d: out of memory", pid);
	target->pid = pid;
	target->pidfd = target->proc_fd = -1;
	err = open_target(target, error);
	if (err) {
		target__free(target);
		return err;
	}
	*ret_target = target;
	return 0;
}

void target__free(struct target *target)
{
	if (!target)
		return;
	if (target->pidfd >= 0)
		close(target->pidfd);
	if (target->proc_fd >= 0)
		close(target->proc_fd);
	free(target);
}

pid_t target__pid(const struct target *target)
{
	return target->pid;
}

int target__pidfd(const struct target *target)
{
	return target->pidfd;
}

bool target__is_alive(const struct target *target)
{
	struct pollfd pollfd = {.fd = target->pidfd, .events = POLLIN};

	return poll(&pollfd, 1, 0) == 0;
}

int target__open_proc(const struct target *target, const char *name)
{
	int fd = openat(target->proc_fd, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool target__has_seccomp_filter(const struct target *target)
{
	int fd = target__open_proc(target, "status"), mode = 0;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char line[256];

	if (!file && fd >= 0)
		close(fd);
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Seccomp: %d", &mode) == 1)
			break;
	if (file)
		fclose(file);
	return mode == SECCOMP_MODE_FILTER;
}

/* --- mappings ---------------------------------------------------------------------------------------- */

/* Takes the path's length off what is left for paths. */
static bool parse_mapping(char *line, size_t *path_bytes_left, struct target_mapping *ret_mapping)
{
	struct target_mapping m = {};
	unsigned int major, minor;
	const char *path;
	char perms[5];
	int path_at = 0;

	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &m.start, &m.end,
		   perms, &m.offset, &major, &minor, &m.inode, &path_at) < 7)
		return false;
	m.device = makedev(major, minor);
	m.readable = perms[0] == 'r';
	m.writable = perms[1] == 'w';
	m.executable = perms[2] == 'x';
	m.shared = perms[3] == 's';
	path = path_at ? line + path_at : "";
	if (strlen(path) > *path_bytes_left)
		path = "";
	*path_bytes_left -= strlen(path);
	m.path = strdup(path);
	*ret_mapping = m;
	return m.path;
}

static int read_mappings(FILE *file, struct target_mapping **ret_mappings, size_t *ret_n)
{
	struct target_mapping *mappings = NULL, *grown;
	size_t n = 0, capacity = 0, line_size = 0, path_bytes_left = MAX_PATH_BYTES;
	char *line = NULL;
	int err = 0;

	while (n < MAX_MAPPINGS && getline(&line, &line_size, file) > 0) {
		if (n == capacity) {
			capacity = capacity ? capacity * 2 : 256;
			grown = reallocarray(mappings, capacity, sizeof(*mappings));
			if (!grown) {
				err = -ENOMEM;
				break;
			}
			mappings = grown;
		}
		n += parse_mapping(line, &path_bytes_left, &mappings[n]);
	}
	free(line);
	if (err) {
		target__free_mappings(mappings, n);
		return err;
	}
	*ret_mappings = mappings;
	*ret_n = n;
	return 0;
}

int target__mappings(const struct target *target, struct target_mapping **ret_mappings, size_t *ret_n)
{
	int fd = target__open_proc(target, "maps"), err;
	FILE *file;

	if (fd < 0)
		return fd;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	err = read_mappings(file, ret_mappings, ret_n);
	fclose(file);
	return err;
}

bool target__has_memory(const struct target *target)
{
	int fd = target__open_proc(target, "maps");
	char byte;
	bool has = fd >= 0 && read(fd, &byte, 1) == 1;

	if (fd >= 0)
		close(fd);
	return has;
}

void target__free_mappings(struct target_mapping *mappings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(mappings[i].path);
	free(mappings);
}

/* --- files ------------------------------------------------------------------------------------------- */

/* Through the kernel's own link to the mapped file: right in every mount namespace, and for deleted files. */
static int open_map_file(const struct target *target, const struct target_mapping *mapping)
{
	char name[64];
	int place, fd;

	snprintf(name, sizeof(name), "map_files/%" PRIx64 "-%" PRIx64, mapping->start, mapping->end);
	place = openat(target->proc_fd, name, O_PATH | O_CLOEXEC);
	if (place < 0)
		return -errno;
	fd = regular_file__open(place);
	close(place);
	return fd;
}

/* By name, below the target's root; the kernel names files without links. For those who may not use
 * map_files.
 */
static int open_by_path(const struct target *target, const struct target_mapping *mapping)
{
	int root = openat(target->proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (root < 0)
		return -errno;
	fd = regular_file__open_below(root, mapping->path, RESOLVE_NO_SYMLINKS);
	close(root);
	return fd;
}

static bool is_same_file(const struct target_mapping *a, const struct target_mapping *b)
{
	return a->device == b->device && a->inode == b->inode;
}

/* Whether what is mapped there, here, is the file of the target's mapping. */
static bool shows_file(uint64_t address, const struct target_mapping *mapping)
{
	FILE *file = fopen("/proc/self/maps", "re");
	struct target_mapping *own;
	bool is_same = false;
	size_t n;

	if (!file)
		return false;
	if (!read_mappings(file, &own, &n)) {
		for (size_t i = 0; i < n && !is_same; i++)
			is_same = address - own[i].start < own[i].end - own[i].start &&
				  is_same_file(&own[i], mapping);
		target__free_mappings(own, n);
	}
	fclose(file);
	return is_same;
}

/*
 * The target may have put another file into the place meanwhile. Where a file system numbers its devices by
 * itself (btrfs, overlayfs), stat says something else than maps; so the file is mapped here too, and the
 * kernel names both in the same way.
 */
static bool is_mapped_file(int fd, const struct target_mapping *mapping)
{
	void *memory = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE, fd, 0);
	bool is_same;

	if (memory == MAP_FAILED)
		return false;
	is_same = shows_file((uintptr_t)memory, mapping);
	munmap(memory, 1);
	return is_same;
}

int target__open_file(const struct target *target, const struct target_mapping *mapping)
{
	int fd = open_map_file(target, mapping);

	if (fd < 0)
		fd = open_by_path(target, mapping);
	if (fd < 0 || is_mapped_file(fd, mapping))
		return fd;
	close(fd);
	return -ESTALE;
}
