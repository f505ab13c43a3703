/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 *   verified_insns PID
 *
 * Loads every program as linger itself does for this Python process, in each mode that the kernel can do, and
 * prints how many instructions its verifier walked: `MODE PROGRAM COUNT` (0: before Linux 5.16, which does
 * not tell).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel.h"
#include "recorder.h"
#include "stack_sampler.h"

#define ALL_DOMAINS ((1u << LINGER_DOMAINS) - 1)

/* The programs that this process holds, which are all that it has loaded and not let go of. */
static int print_programs(const char *mode)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!folder)
		return -errno;
	while ((entry = readdir(folder))) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);
		char target[64] = {};

		if (readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1) < 0 ||
		    strcmp(target, "anon_inode:bpf-prog"))
			continue;
		if (!bpf_prog_get_info_by_fd(atoi(entry->d_name), &info, &len))
			printf("%s %s %u\n", mode, info.name, info.verified_insns);
	}
	closedir(folder);
	return 0;
}

static int print_recorder(pid_t pid, bool sampled, struct error *error)
{
	struct recorder_options options = {
		.pid = pid,
		.domains = ALL_DOMAINS,
		.sampled = sampled,
		.sampling = {.overhead = 0.01, .window_max_ns = 20000000},
		.live_max_mib = 1,
	};
	struct recorder *recorder;
	int err = recorder__open(&options, &recorder, error);

	if (err)
		return err;
	err = print_programs(sampled ? "sampled" : "exact");
	recorder__free(recorder);
	return err;
}

/* Its program is loaded when a stack is first asked for; that of this process is not found, and need not be.
 */
static int print_stack_sampler(pid_t pid, struct error *error)
{
	struct memory_reader *reader = NULL;
	struct target *target = NULL;
	struct python python = {};
	static struct python_stack stack;
	struct stack_sampler *sampler;
	int err = target__open(pid, &target, error);

	if (!err)
		err = memory_reader__open(pid, &reader, error);
	if (!err)
		err = python__inspect(target, reader, &python, error);
	memory_reader__free(reader);
	sampler = err ? NULL : stack_sampler__new(&python);
	if (sampler) {
		stack_sampler__read(sampler, getpid(), 0, &stack);
		err = print_programs("stacks");
	}
	stack_sampler__free(sampler);
	python__free(&python);
	target__free(target);
	return err;
}

int main(int argc, char **argv)
{
	struct kernel_features features;
	struct error error = {};
	int err;

	if (argc != 2)
		return 2;
	kernel__probe(&features);
	err = print_recorder(atoi(argv[1]), false, &error);
	if (!err && features.list[FEATURE_UPROBE_MULTI].present)
		err = print_recorder(atoi(argv[1]), true, &error);
	if (!err)
		err = print_stack_sampler(atoi(argv[1]), &error);
	if (err)
		fprintf(stderr, "verified_insns: %s %s\n", strerror(-err), error.message);
	return err ? 1 : 0;
}
