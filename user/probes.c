// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "probes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace.h"

#define COUNTING_US 20000 /* before the first of the slow links is closed */

/* --- links ------------------------------------------------------------------------------------------- */

int links__add(struct links *links, struct bpf_link *link)
{
	if (!link)
		return -errno;
	if (links->n == MAX_LINKS) {
		bpf_link__destroy(link);
		return -E2BIG;
	}
	links->list[links->n++] = link;
	return 0;
}

/*
 * The keepers all at once: once the probes of one are out it waits some 40 ms for a grace period of the
 * kernel, and the target would pay for those of the others meanwhile.
 */
int links__close(struct links *links)
{
	int err = 0;

	for (size_t i = 0; i < links->n_keepers; i++)
		keeper__release(&links->keepers[i]);
	while (links->n)
		bpf_link__destroy(links->list[--links->n]);
	while (links->n_keepers)
		if (!keeper__wait(&links->keepers[--links->n_keepers]))
			err = -EOWNERDEAD;
	return err;
}

static bool holds(const struct links *links, int fd)
{
	for (size_t i = 0; i < links->n; i++)
		if (bpf_link__fd(links->list[i]) == fd)
			return true;
	return false;
}

/* Closes all descriptors but this one and those of the links. */
static void close_others(const struct links *links, int kept)
{
	int last = kept;

	for (size_t i = 0; i < links->n; i++)
		last = bpf_link__fd(links->list[i]) > last ? bpf_link__fd(links->list[i]) : last;
	for (int fd = 0; fd < last; fd++)
		if (fd != kept && !holds(links, fd))
			close(fd);
	close_range(last + 1, UINT_MAX, 0);
}

static size_t find_hottest(const struct links *links, const __u32 *late_hits)
{
	size_t hottest = 0;

	for (size_t i = 1; i < links->n; i++)
		if (late_hits[links->places[i]] > late_hits[links->places[hottest]])
			hottest = i;
	return hottest;
}

/*
 * Takes a tenth of a second or two for each. Nearly all that the target pays goes with the first few, as hits
 * are very unequal; the others are counted on meanwhile.
 */
static void close_hottest_first(struct links *links, const __u32 *late_hits)
{
	usleep(COUNTING_US);
	while (links->n) {
		size_t i = find_hottest(links, late_hits);

		close(bpf_link__fd(links->list[i]));
		links->n--;
		links->list[i] = links->list[links->n];
		links->places[i] = links->places[links->n];
	}
}

/* What the process that outlives us does: it waits until we have closed our own descriptors of the links. */
static void __attribute__((noreturn)) keep_links(struct links *links, int released, const __u32 *late_hits)
{
	char nothing;

	close_others(links, released);
	while (read(released, &nothing, 1) > 0)
		;
	close_hottest_first(links, late_hits);
	_exit(0);
}

/*
 * The programs return at once by now and nobody depends on when it is over, so a process that holds the links
 * does the waiting. It is a child's child, so that nobody has to wait for it in turn, and keeps no other
 * descriptor, or the reader of a pipe, or who wants a lock, would wait too.
 */
void links__close_slow(struct links *links, const __u32 *late_hits)
{
	int released[2] = {-1, -1};
	pid_t child = pipe2(released, O_CLOEXEC) ? -1 : fork();

	if (child == 0) {
		if (fork())
			_exit(0);
		keep_links(links, released[0], late_hits);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
	while (links->n)
		bpf_link__destroy(links->list[--links->n]);
	close(released[0]);
	close(released[1]);
}

/* --- sets of probes ---------------------------------------------------------------------------------- */

static int probe_set__grow(struct probe_set *set)
{
	size_t capacity = set->capacity ? set->capacity * 2 : 64;
	unsigned long *offsets = reallocarray(set->offsets, capacity, sizeof(*offsets));
	__u64 *cookies = reallocarray(set->cookies, capacity, sizeof(*cookies));

	set->offsets = offsets ?: set->offsets;
	set->cookies = cookies ?: set->cookies;
	if (!offsets || !cookies)
		return -ENOMEM;
	set->capacity = capacity;
	return 0;
}

void probe_set__add(struct probe_set *set, uint64_t address, __u64 cookie)
{
	uint64_t offset;

	if (!set->err && set->n == set->capacity)
		set->err = probe_set__grow(set);
	if (!set->err)
		set->err = elf_image__offset(set->image, address, &offset);
	if (set->err)
		return;
	set->offsets[set->n] = offset;
	set->cookies[set->n++] = cookie;
}

void probe_set__free(struct probe_set *set)
{
	free(set->offsets);
	free(set->cookies);
	set->offsets = NULL;
	set->cookies = NULL;
	set->n = set->capacity = 0;
}

/* The probed file by descriptor: the same in every mount namespace, whatever its name means by now. */
static void probe_path(const struct probe_set *set, char path[64])
{
	snprintf(path, 64, "/proc/self/fd/%d", elf_image__fd(set->image));
}

struct attachment {
	const struct probe_set *set;
	pid_t pid;
};

static int attach_multi(const void *arg)
{
	const struct attachment *attachment = arg;
	const struct probe_set *set = attachment->set;
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = set->offsets, .cookies = set->cookies,
		    .cnt = set->n, .retprobe = set->returns);
	struct bpf_link *link;
	char path[64];

	probe_path(set, path);
	link = bpf_program__attach_uprobe_multi(set->program, attachment->pid, path, NULL, &opts);
	return link ? bpf_link__fd(link) : -errno;
}

int probe_set__attach(const struct probe_set *set, pid_t pid, struct links *links)
{
	struct attachment attachment = {.set = set, .pid = pid};
	int err = set->err;

	if (err || !set->n)
		return err;
	if (links->n_keepers == MAX_KEEPERS)
		return -E2BIG;
	err = keeper__start(attach_multi, &attachment, &links->keepers[links->n_keepers]);
	if (!err)
		links->n_keepers++;
	return err;
}

int probe_set__attach_singly(const struct probe_set *set, pid_t pid, struct links *slow_links)
{
	char path[64];
	int err = set->err;

	if (err || !set->n)
		return err;
	probe_path(set, path);
	for (size_t i = 0; i < set->n && !err; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = set->cookies[i], .retprobe = set->returns);

		err = links__add(slow_links, bpf_program__attach_uprobe_opts(set->program, pid, path,
									     set->offsets[i], &opts));
		if (!err)
			slow_links->places[slow_links->n - 1] = late_place(set->offsets[i]);
	}
	return err;
}
