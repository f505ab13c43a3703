/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TARGET_H
#define LINGER_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

/*
 * One process under observation, held by a pidfd, so that a reused pid cannot take its place. Everything
 * below /proc/PID is read through a directory descriptor that fails once the process is gone.
 */
struct target;

struct target_mapping {
	uint64_t start, end;
	uint64_t offset;        /* in the file */
	uint64_t device, inode; /* of the file; inode 0: anonymous */
	bool readable, writable, executable, shared;
	char *path; /* as in /proc/PID/maps; empty if there is none */
};

/* So long mapped files are looked through: there may be any number of them, and of what is in them. */
#define TARGET_FILES_LIMIT_NS UINT64_C(10000000000)

int target__open(pid_t pid, struct target **ret_target, struct error *error);
void target__free(struct target *target);

pid_t target__pid(const struct target *target);
int target__pidfd(const struct target *target);
bool target__is_alive(const struct target *target);

/* The mappings of this moment. 0, -ESRCH, -EACCES, -ENOMEM. */
int target__mappings(const struct target *target, struct target_mapping **ret_mappings, size_t *ret_n);
/* Not in a process that has begun to end, which looks alive for a while: what was just read of it may be too
 * little. */
bool target__has_memory(const struct target *target);
void target__free_mappings(struct target_mapping *mappings, size_t n);

/* Opens the very file that a mapping shows, also when it was deleted or lies in another mount namespace;
 * never another one, and nothing but a regular file. A descriptor or a negative errno. */
int target__open_file(const struct target *target, const struct target_mapping *mapping);

/* Whether its system calls go through a seccomp filter. */
bool target__has_seccomp_filter(const struct target *target);

/* Opens /proc/PID/NAME for reading. A descriptor or a negative errno. */
int target__open_proc(const struct target *target, const char *name);

#endif /* LINGER_TARGET_H */
