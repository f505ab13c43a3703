/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SANDBOX_H
#define LINGER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What linger gives up once everything is open: whoever finds a fault in how it reads a hostile process gains
 * little by it then. The rest of a command's run needs no more than this.
 */
enum sandbox_rest {
	SANDBOX_REPORT, /* files alone */
	SANDBOX_READ,   /* a target's memory */
	SANDBOX_STACKS, /* the same, and to interrupt its threads */
	SANDBOX_RECORD,
	SANDBOX_RECORD_COMMAND, /* the same, and the command that was started */
};

#define SANDBOX_MAX_OUTPUTS 2

struct sandbox_needs {
	enum sandbox_rest rest;
	const char *outputs[SANDBOX_MAX_OUTPUTS]; /* files that are to be written; NULL: none */
	bool reads_by_ptrace;                     /* process_vm_readv in the place of BPF */
	int command_pidfd;                        /* of SANDBOX_RECORD_COMMAND */
};

/* What became of it: 0 or a negative errno each. A kernel that cannot do it is no reason to do nothing. */
struct sandbox_outcome {
	uint64_t capabilities; /* that are kept */
	int privileges_err, filter_err;
};

/* There is no way back. Before any thread is started. */
struct sandbox_outcome sandbox__enter(const struct sandbox_needs *needs);

/* For a process that shares linger's memory and has only to end in time: or who could write there could do
 * through it what linger itself has given up. */
void sandbox__enter_as_keeper(void);

#endif /* LINGER_SANDBOX_H */
