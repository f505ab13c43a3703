/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HOLDERS_H
#define LINGER_HOLDERS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "holder_names.h"
#include "memory_reader.h"
#include "python.h"
#include "target.h"

/* Who holds an object, or the instances of a type: the shortest chains from modules and running frames. */

struct holders_query {
	const char *type; /* NULL: the object at the address */
	uint64_t address;
	uint32_t depth;                              /* so many steps back at most */
	const volatile sig_atomic_t *is_interrupted; /* then what was found so far is all */
	void (*progress)(uint32_t step, size_t n_sought);
};

/* Chains of the same shape. */
struct holders_group {
	enum holder_root root;
	uint64_t n_targets;        /* that are held in this way */
	struct holder_link *links; /* of one of the shortest of them */
	size_t n_links;
	size_t n_left_out; /* links in the middle of it, where there are too many */
};

enum holders_end {
	HOLDERS_COMPLETE, /* nothing was left to look for */
	HOLDERS_TOO_DEEP, /* the holders at the given depth are held, too */
	HOLDERS_INTERRUPTED,
};

struct holders {
	pid_t pid;
	const char *python_version;
	char *type;
	uint64_t address;             /* 0: the instances of the type */
	uint64_t n_instances;         /* there are so many in the heap */
	uint64_t n_targets;           /* that were looked at */
	uint64_t n_unheld;            /* without any chain */
	struct holders_group *groups; /* most targets first, then the shortest chain */
	size_t n_groups;
	size_t n_more_groups; /* which are left out */
	uint32_t n_steps;
	enum holders_end end;
	struct holder_losses losses;
	double elapsed_s;
};

/* 0 or a negative errno with its sentence; -ENOENT: there is no such type or object. */
int holders__find(const struct target *target, struct memory_reader *reader, const struct python *python,
		  struct stack_sampler *sampler, const struct holders_query *query,
		  struct holders *ret_holders, struct error *error);
void holders__free(struct holders *holders);

#endif /* LINGER_HOLDERS_H */
