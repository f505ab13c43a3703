// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include <bpf/libbpf.h>
#include <jansson.h>
#include <linux/types.h>

#include "cmd.h"
#include "kernel.h"
#include "memory_reader.h"
#include "probe_plan.h"
#include "python.h"
#include "raw_allocator.h"
#include "raw_plan.h"
#include "stats_json.h"

/* What the doctor finds; told as text or as JSON. */
struct diagnosis {
	struct utsname kernel;
	struct kernel_features features;
	struct error kernel_error;
	bool kernel_ok;
	pid_t pid; /* 0: no target was given */
	struct error target_error;
	bool target_ok, reads_by_bpf, has_plan;
	struct python python;
	enum python_allocator allocator;
	struct probe_plan plan;
	struct raw_allocator raw_allocator; /* image NULL: not found */
	struct raw_plan raw_plan;
};

/* --- command line ------------------------------------------------------------------------------------ */

struct arguments {
	pid_t pid;
	bool json;
};

enum { OPTION_JSON = 256 };

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "look at this process too", 1},
	{"json", OPTION_JSON, NULL, 0, "for programs, and for reports", 1},
	{},
};

static const char documentation[] = "Tells whether this kernel, this user and this process can be traced, "
				    "what is missing, and what to do about it. "
				    "Nothing is attached.\v"
				    "Examples:\n"
				    "  sudo linger doctor\n"
				    "  sudo linger doctor -p 1234\n"
				    "  sudo linger doctor -p 1234 --json\n\n"
				    "Exit status: 0 when 'linger record' would work, 2 when it would not.";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case 'p':
		args->pid = parse_pid(state, arg);
		break;
	case OPTION_JSON:
		args->json = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is too much", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- diagnosis --------------------------------------------------------------------------------------- */

static int plan_probes(struct diagnosis *d)
{
	int err = raw_plan__make(d->raw_allocator.image, &d->raw_plan);

	if (err)
		return error__set(&d->target_error, -EOPNOTSUPP, "failed to find malloc's code in '%s'",
				  d->raw_allocator.path);
	if (d->allocator == PYTHON_MALLOC || d->allocator == PYTHON_MALLOC_HOOKED)
		return 0;
	err = probe_plan__make(d->python.image, true, d->python.code_dealloc, &d->plan);
	d->has_plan = !err;
	if (err)
		return error__set(&d->target_error, -EOPNOTSUPP, "failed to find pymalloc in '%s'",
				  d->python.path);
	return 0;
}

static int examine_target(struct diagnosis *d)
{
	struct memory_reader *reader = NULL;
	struct target *target;
	int err = target__open(d->pid, &target, &d->target_error);

	if (err)
		return err;
	err = memory_reader__open(d->pid, &reader, &d->target_error);
	if (!err) {
		d->reads_by_bpf = memory_reader__is_bpf(reader);
		err = python__inspect(target, reader, &d->python, &d->target_error);
		if (!err)
			err = python__check_started(&d->python, reader, &d->target_error);
		if (!err)
			d->allocator = python__allocator(&d->python, reader);
	}
	if (!err)
		err = kernel__check_returns(&d->features, target__has_seccomp_filter(target),
					    &d->target_error);
	if (!err)
		err = raw_allocator__find(target, &d->python, reader, &d->raw_allocator, &d->target_error);
	memory_reader__free(reader);
	target__free(target);
	return err ? err : plan_probes(d);
}

static void diagnose(struct diagnosis *d, pid_t pid)
{
	*d = (struct diagnosis){.pid = pid};
	uname(&d->kernel);
	kernel__probe(&d->features);
	d->kernel_ok = !kernel__check(&d->features, &d->kernel_error);
	if (pid)
		d->target_ok = !examine_target(d);
}

static bool is_fit(const struct diagnosis *d)
{
	return d->kernel_ok && (!d->pid || d->target_ok);
}

/* --- text -------------------------------------------------------------------------------------------- */

static const char *mark(const struct feature *feature)
{
	if (feature->untold)
		return "?";
	return feature->present ? "ok" : feature->required ? "MISSING" : "absent";
}

static void print_features(const struct diagnosis *d)
{
	const char *capability = kernel__missing_capability();

	printf("kernel %s %s\n", d->kernel.sysname, d->kernel.release);
	for (int id = 0; id < FEATURES; id++) {
		const struct feature *feature = &d->features.list[id];

		printf("  %-8s %-20s %s\n", mark(feature), feature->name, feature->purpose);
		if (!feature->present && !feature->untold)
			printf("  %-8s %-20s since Linux %s; %s\n", "", "", feature->since, feature->advice);
	}
	printf("user\n  %-8s %-20s %s\n", capability ? "MISSING" : "ok",
	       capability ? capability : "capabilities",
	       capability ? "run linger as root, for instance with sudo"
			  : "loading programs, probing, reading /proc");
}

static void print_target(const struct diagnosis *d)
{
	print_line("process %d", d->pid);
	if (d->python.version[0])
		print_line("  ok       Python %-13s %s, build id %s", d->python.version, d->python.path,
			   elf_image__build_id(d->python.image));
	if (d->target_ok)
		print_line("  ok       allocator            %s", python_allocator__name(d->allocator));
	if (d->has_plan)
		print_line("  ok       probe sites          %zu pop, %zu push, %zu slow path", d->plan.n_pops,
			   d->plan.n_pushes, d->plan.n_slow);
	if (d->target_ok && !d->has_plan)
		print_line("  absent   probe sites          no pymalloc in use: the object domain would be "
			   "empty");
	if (d->target_ok)
		print_line("  ok       malloc               %s, %s, %zu sites", d->raw_allocator.name,
			   d->raw_allocator.path, d->raw_plan.n_sites);
	if (d->target_ok)
		print_line("  ok       reading memory       %s",
			   d->reads_by_bpf ? "through a BPF iterator, whatever ptrace_scope is"
					   : "with process_vm_readv, which needs the right to ptrace");
	if (!d->target_ok)
		print_line("  MISSING  %s", d->target_error.message);
	if (!d->target_ok && d->target_error.hint[0])
		print_line("           %s", d->target_error.hint);
}

static void print_text(const struct diagnosis *d)
{
	print_features(d);
	if (d->pid)
		print_target(d);
	printf("%s\n", !is_fit(d) ? "'linger record' will not work."
		       : d->features.list[FEATURE_UPROBE_MULTI].present
			       ? "'linger record' will work."
			       : "'linger record' will work with '--mode exact' and '--mode mapping'.");
}

/* --- JSON -------------------------------------------------------------------------------------------- */

static json_t *make_features(const struct diagnosis *d)
{
	json_t *list = json_array();

	for (int id = 0; id < FEATURES; id++) {
		const struct feature *f = &d->features.list[id];

		json_array_append_new(list, json_pack("{ss sb sb sb ss ss ss}", "name", f->name, "present",
						      f->present, "untold", f->untold, "required",
						      f->required, "purpose", f->purpose, "since", f->since,
						      "advice", f->advice));
	}
	return list;
}

static json_t *make_target(const struct diagnosis *d)
{
	if (!d->pid)
		return json_null();
	if (!d->target_ok)
		return json_pack("{si sb so so}", "pid", (int)d->pid, "ok", false, "error",
				 stats_json__text(d->target_error.message), "hint",
				 stats_json__text(d->target_error.hint));
	return json_pack("{si sb ss so ss ss sb s{sI sI sI sI} s{ss so si}}", "pid", (int)d->pid, "ok", true,
			 "python", d->python.version, "path", stats_json__text(d->python.path), "build",
			 elf_image__build_id(d->python.image), "allocator",
			 python_allocator__name(d->allocator), "reads_by_bpf", d->reads_by_bpf, "sites",
			 "pop", (json_int_t)d->plan.n_pops, "push", (json_int_t)d->plan.n_pushes, "slow",
			 (json_int_t)d->plan.n_slow, "unlocated", (json_int_t)d->plan.n_unlocated, "raw",
			 "allocator", d->raw_allocator.name, "path", stats_json__text(d->raw_allocator.path),
			 "sites", (int)d->raw_plan.n_sites);
}

static int print_json(const struct diagnosis *d)
{
	json_t *report = json_pack("{sb ss so ss? so}", "ok", is_fit(d), "kernel", d->kernel.release,
				   "features", make_features(d), "missing_capability",
				   kernel__missing_capability(), "target", make_target(d));

	return stats_json__finish(report, stdout);
}

/* --- the command ------------------------------------------------------------------------------------- */

int cmd_doctor(int argc, char **argv)
{
	const struct argp argp = {.options = options, .parser = parse_option, .doc = documentation};
	struct arguments args = {};
	struct diagnosis d;
	int err = 0;
	bool fit;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	libbpf_set_print(NULL);
	diagnose(&d, args.pid);
	if (args.json)
		err = print_json(&d);
	else
		print_text(&d);
	if (err)
		say("failed to write the diagnosis: %s", strerror(-err));
	fit = is_fit(&d);
	probe_plan__free(&d.plan);
	raw_allocator__free(&d.raw_allocator);
	python__free(&d.python);
	return err ? STATUS_FAILURE : fit ? STATUS_OK : STATUS_UNSUPPORTED;
}
