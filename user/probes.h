/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PROBES_H
#define LINGER_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <bpf/libbpf.h>

#include "elf_image.h"
#include "keeper.h"

/* What holds programs at their places: closing a link takes the program out, and so does a keeper's end. */
#define MAX_LINKS 4096
#define MAX_KEEPERS 8
struct links {
	struct bpf_link *list[MAX_LINKS];
	uint16_t places[MAX_LINKS]; /* of probes that were attached singly: see late_place() */
	size_t n;
	struct keeper keepers[MAX_KEEPERS];
	size_t n_keepers;
};

/* Takes over a link. 0, -E2BIG, or for NULL what errno says. */
int links__add(struct links *links, struct bpf_link *link);

/* 0, or -EOWNERDEAD: probes were gone before, because their keeper was killed. */
int links__close(struct links *links);

/*
 * The same for links whose closing waits for grace periods of the kernel, one link after the other: this does
 * not wait. Those that are hit most go first, by what the programs go on counting in late_hits (of struct
 * trace_state, shared with them).
 */
void links__close_slow(struct links *links, const __u32 *late_hits);

/* Probes of one program in one file. Zeroed but for the first fields it is empty. */
struct probe_set {
	struct bpf_program *program;
	const struct elf_image *image;
	bool returns;           /* on the functions' returns */
	unsigned long *offsets; /* in the file */
	__u64 *cookies;
	size_t n, capacity;
	int err; /* the first that adding a probe met */
};

/* A link-time address of the image; errors are kept until attaching. */
void probe_set__add(struct probe_set *set, uint64_t address, __u64 cookie);
void probe_set__free(struct probe_set *set);

/* With one link for all (uprobe_multi). An empty set is attached already. 0 or a negative errno. */
int probe_set__attach(const struct probe_set *set, pid_t pid, struct links *links);

/* One perf event per probe, for kernels before 6.6; their links are slow to close. */
int probe_set__attach_singly(const struct probe_set *set, pid_t pid, struct links *slow_links);

#endif /* LINGER_PROBES_H */
