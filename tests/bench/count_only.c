// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attaches a program that only counts to the sites that linger would probe, with a return probe where linger
 * has one: count_only [-r] -p PID -d SECONDS. -r: the raw domain's sites, otherwise the object domain's.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/types.h>

#include "count_only.skel.h"
#include "probe_plan.h"
#include "python.h"
#include "raw_allocator.h"
#include "raw_plan.h"

#define MAX_LINKS 2

struct counter {
	struct count_only_bpf *skeleton;
	struct bpf_link *links[MAX_LINKS];
	size_t n_links;
};

/* Adds the place in the file of a link-time address. */
static int add_offset(const struct elf_image *image, uint64_t address, unsigned long *offsets, size_t *n)
{
	uint64_t offset;

	if (elf_image__offset(image, address, &offset))
		return -EFAULT;
	offsets[(*n)++] = offset;
	return 0;
}

static int attach(struct counter *counter, const struct elf_image *image, const unsigned long *offsets,
		  size_t n, bool returns, pid_t pid)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = offsets, .cnt = n, .retprobe = returns);
	struct bpf_link *link;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", elf_image__fd(image));
	link = bpf_program__attach_uprobe_multi(counter->skeleton->progs.count_site, pid, path, NULL, &opts);
	if (!link)
		return -errno;
	counter->links[counter->n_links++] = link;
	return 0;
}

static int attach_object(struct counter *counter, const struct python *python, pid_t pid)
{
	struct probe_plan plan;
	unsigned long *offsets;
	size_t n = 0;
	int err = probe_plan__make(python->image, true, python->code_dealloc, &plan);

	if (err)
		return err;
	offsets = calloc(plan.n_sites, sizeof(*offsets));
	err = offsets ? 0 : -ENOMEM;
	for (size_t i = 0; i < plan.n_sites && !err; i++)
		err = add_offset(python->image, plan.sites[i].address, offsets, &n);
	if (!err)
		err = attach(counter, python->image, offsets, n, false, pid);
	free(offsets);
	probe_plan__free(&plan);
	return err;
}

/* Returns first, as linger does. */
static int attach_raw(struct counter *counter, const struct raw_allocator *allocator, pid_t pid)
{
	unsigned long entries[RAW_MAX_SITES], returns[RAW_MAX_SITES];
	size_t n_entries = 0, n_returns = 0;
	struct raw_plan plan;
	int err = raw_plan__make(allocator->image, &plan);

	if (err)
		return err;
	for (size_t i = 0; i < plan.n_sites && !err; i++) {
		const struct raw_site *site = &plan.sites[i];

		err = add_offset(allocator->image, site->address, entries, &n_entries);
		if (!err && site->returns)
			err = add_offset(allocator->image, site->address, returns, &n_returns);
	}
	if (!err)
		err = attach(counter, allocator->image, returns, n_returns, true, pid);
	return err ?: attach(counter, allocator->image, entries, n_entries, false, pid);
}

static unsigned long long sum_events(const struct count_only_bpf *skeleton)
{
	int n_cpus = libbpf_num_possible_cpus();
	unsigned long long *per_cpu = calloc(n_cpus, sizeof(*per_cpu)), sum = 0;
	__u32 zero = 0;

	if (per_cpu && !bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.events), &zero, per_cpu))
		for (int i = 0; i < n_cpus; i++)
			sum += per_cpu[i];
	free(per_cpu);
	return sum;
}

static int attach_domain(struct counter *counter, bool raw, const struct target *target,
			 struct memory_reader *reader, struct error *error)
{
	struct raw_allocator allocator;
	struct python python;
	pid_t pid = target__pid(target);
	int err = python__inspect(target, reader, &python, error);

	if (err)
		return err;
	if (raw) {
		err = raw_allocator__find(target, &python, reader, &allocator, error);
		if (err)
			return err;
		err = attach_raw(counter, &allocator, pid);
		raw_allocator__free(&allocator);
	} else {
		err = attach_object(counter, &python, pid);
	}
	return err ? error__set(error, err, "failed to attach: %s", strerror(-err)) : 0;
}

static int run(pid_t pid, bool raw, double seconds, struct error *error)
{
	struct counter counter = {.skeleton = count_only_bpf__open_and_load()};
	struct memory_reader *reader;
	struct target *target;
	int err;

	if (!counter.skeleton)
		return error__set(error, -errno, "failed to load the counting program: %s", strerror(errno));
	err = target__open(pid, &target, error);
	if (!err)
		err = memory_reader__open(pid, &reader, error);
	if (!err)
		err = attach_domain(&counter, raw, target, reader, error);
	if (err)
		return err;
	fprintf(stderr, "count_only: counting\n");
	usleep(seconds * 1e6);
	printf("events %llu\n", sum_events(counter.skeleton));
	for (size_t i = 0; i < counter.n_links; i++)
		bpf_link__destroy(counter.links[i]);
	count_only_bpf__destroy(counter.skeleton);
	return 0;
}

int main(int argc, char **argv)
{
	struct error error = {};
	double seconds = 1;
	bool raw = false;
	pid_t pid = 0;
	int option;

	while ((option = getopt(argc, argv, "rp:d:")) != -1) {
		if (option == 'r')
			raw = true;
		else if (option == 'p')
			pid = atoi(optarg);
		else if (option == 'd')
			seconds = atof(optarg);
	}
	if (pid <= 0 || run(pid, raw, seconds, &error)) {
		fprintf(stderr, "count_only: %s\n",
			pid > 0 ? error.message : "usage: count_only [-r] -p PID -d SECONDS");
		return 1;
	}
	return 0;
}
