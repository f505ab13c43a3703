/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_MEMORY_READER_H
#define LINGER_MEMORY_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

/*
 * Reads a target's memory from outside, without stopping it and without ptrace rights: through a BPF task
 * iterator (Linux 5.18), else through process_vm_readv. The target runs on meanwhile; what is read may be
 * half changed.
 */
struct memory_reader;

struct memory_request {
	uint64_t address;
	void *to;
	uint32_t bytes; /* at most READER_MAX_BYTES (reader.h) */
	int error;      /* 0 or a negative errno, set by the reader */
};

int memory_reader__open(pid_t pid, struct memory_reader **ret_reader, struct error *error);
void memory_reader__free(struct memory_reader *reader);

/* Whether the BPF iterator serves; if not, reading needs the right to ptrace the target. */
bool memory_reader__is_bpf(const struct memory_reader *reader);

/* The target's thread group id in the initial pid namespace, as the BPF programs see it. */
uint32_t memory_reader__tgid(const struct memory_reader *reader);

/* What was read so far, and how long that took. */
struct reading_cost {
	uint64_t bytes;
	uint64_t ns;
};
struct reading_cost memory_reader__cost(const struct memory_reader *reader);

/* Reads one range of any length. 0, -EFAULT, -ESRCH. */
int memory_reader__read(struct memory_reader *reader, uint64_t address, void *to, size_t bytes);

/* Reads many ranges, in their order; each reports its own error. Cheapest when sorted by address. 0, or
 * -ESRCH if the target is gone. */
int memory_reader__read_many(struct memory_reader *reader, struct memory_request *requests, size_t n);

#endif /* LINGER_MEMORY_READER_H */
