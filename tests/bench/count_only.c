// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Attaches a program that only counts to the sites that linger would probe: count_only -p PID -d SECONDS. */
#include <errno.h>
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

static int attach(struct count_only_bpf *skeleton, const struct python *python, const struct probe_plan *plan,
		  pid_t pid)
{
	unsigned long *offsets = calloc(plan->n_sites, sizeof(*offsets));
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = offsets, .cnt = plan->n_sites);
	char path[64];

	if (!offsets)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_sites; i++) {
		uint64_t offset;

		if (elf_image__offset(python->image, plan->sites[i].address, &offset))
			return -EFAULT;
		offsets[i] = offset;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", elf_image__fd(python->image));
	skeleton->links.count_site =
		bpf_program__attach_uprobe_multi(skeleton->progs.count_site, pid, path, NULL, &opts);
	free(offsets);
	return skeleton->links.count_site ? 0 : -errno;
}

static unsigned long long sum_events(const struct count_only_bpf *skeleton)
{
	int n_cpus = libbpf_num_possible_cpus();
	unsigned long long per_cpu[n_cpus], sum = 0;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.events), &zero, per_cpu))
		return 0;
	for (int i = 0; i < n_cpus; i++)
		sum += per_cpu[i];
	return sum;
}

static int run(pid_t pid, double seconds, struct error *error)
{
	struct count_only_bpf *skeleton = count_only_bpf__open_and_load();
	struct memory_reader *reader;
	struct target *target;
	struct python python;
	struct probe_plan plan;
	int err;

	if (!skeleton)
		return error__set(error, -errno, "failed to load the counting program: %s", strerror(errno));
	err = target__open(pid, &target, error);
	if (!err)
		err = memory_reader__open(pid, &reader, error);
	if (!err)
		err = python__inspect(target, reader, &python, error);
	if (err)
		return err;
	err = probe_plan__make(python.image, true, python.code_dealloc, &plan);
	if (!err)
		err = attach(skeleton, &python, &plan, pid);
	if (err)
		return error__set(error, err, "failed to attach: %s", strerror(-err));
	fprintf(stderr, "count_only: counting at %zu sites\n", plan.n_sites);
	usleep(seconds * 1e6);
	printf("events %llu\n", sum_events(skeleton));
	count_only_bpf__destroy(skeleton);
	return 0;
}

int main(int argc, char **argv)
{
	struct error error = {};
	double seconds = 1;
	pid_t pid = 0;
	int option;

	while ((option = getopt(argc, argv, "p:d:")) != -1) {
		if (option == 'p')
			pid = atoi(optarg);
		else if (option == 'd')
			seconds = atof(optarg);
	}
	if (pid <= 0 || run(pid, seconds, &error)) {
		fprintf(stderr, "count_only: %s\n",
			pid > 0 ? error.message : "usage: count_only -p PID -d SECONDS");
		return 1;
	}
	return 0;
}
