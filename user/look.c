// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "look.h"

#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "kernel.h"
#include "output.h"

/* --- options ----------------------------------------------------------------------------------------- */

enum { OPTION_JSON = 512, OPTION_FORCE };

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "the process", 1},
	{"json", OPTION_JSON, NULL, 0, "everything, for programs; also if FILE ends in .json", 2},
	{"output", 'o', "FILE", 0, "write to FILE instead of standard output", 2},
	{"force", OPTION_FORCE, NULL, 0, "overwrite an existing file", 2},
	{},
};

static bool is_json_path(const char *path)
{
	const char *suffix = strrchr(path, '.');

	return suffix && !strcmp(suffix, ".json");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct look_options *look = state->input;

	switch (key) {
	case 'p':
		look->pid = parse_pid(state, arg);
		break;
	case OPTION_JSON:
		look->json = true;
		break;
	case 'o':
		look->path = arg;
		look->json |= is_json_path(arg);
		break;
	case OPTION_FORCE:
		look->force = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp look_argp = {.options = options, .parser = parse_option};

void look_options__want_pid(const struct look_options *look, struct argp_state *state)
{
	if (!look->pid)
		argp_error(state, "which process? Name it with -p PID");
}

int look_options__check_path(const struct look_options *look, struct error *error)
{
	return look->path ? output__check(look->path, look->force, error) : 0;
}

/* --- the process ------------------------------------------------------------------------------------- */

static int check_capabilities(pid_t pid, struct error *error)
{
	const char *capability = kernel__missing_capability();

	if (!capability)
		return 0;
	error__set(error, -EPERM, "failed to read process %d: the capability %s is missing", pid, capability);
	error__hint(error, "run linger as root, for instance with sudo");
	return -EPERM;
}

static int open_process(pid_t pid, struct look *ret_look, struct error *error)
{
	int err = target__open(pid, &ret_look->target, error);

	if (!err)
		err = check_capabilities(pid, error);
	if (!err)
		err = memory_reader__open(pid, &ret_look->reader, error);
	if (!err && !memory_reader__is_bpf(ret_look->reader))
		say("this kernel has no BPF memory reader (Linux 5.18); reading with process_vm_readv, which "
		    "needs the right to ptrace");
	if (!err)
		err = python__inspect(ret_look->target, ret_look->reader, &ret_look->python, error);
	if (!err)
		err = python__check_started(&ret_look->python, ret_look->reader, error);
	if ((err == -EACCES || err == -EPERM) && !error->hint[0])
		error__hint(error, "run linger as root, for instance with sudo");
	return err;
}

int look__open(pid_t pid, enum sandbox_rest rest, const char *output, struct look *ret_look,
	       struct error *error)
{
	int err = open_process(pid, ret_look, error);

	if (err)
		return err;
	if (rest == SANDBOX_STACKS)
		ret_look->sampler = stack_sampler__new(&ret_look->python);
	if (rest == SANDBOX_STACKS && !ret_look->sampler)
		return error__set(error, -ENOMEM, "failed to read process %d: out of memory", pid);
	sandbox__enter(&(struct sandbox_needs){
		.rest = rest,
		.outputs = {output},
		.reads_by_ptrace = !memory_reader__is_bpf(ret_look->reader),
	});
	return 0;
}

int look__check_pools(const struct look *look, bool *ret_is_hooked, struct error *error)
{
	enum python_allocator allocator = python__allocator(&look->python, look->reader);

	*ret_is_hooked = allocator == PYTHON_PYMALLOC_HOOKED;
	if (allocator != PYTHON_MALLOC && allocator != PYTHON_MALLOC_HOOKED)
		return 0;
	error__set(error, -EOPNOTSUPP, "failed to read the heap of process %d: it has no pymalloc in use",
		   target__pid(look->target));
	error__hint(error, "it was started with PYTHONMALLOC=malloc or the like");
	return -EOPNOTSUPP;
}

void look__close(struct look *look)
{
	stack_sampler__free(look->sampler);
	python__free(&look->python);
	memory_reader__free(look->reader);
	target__free(look->target);
}
