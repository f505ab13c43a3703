// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <bpf/libbpf.h>

#include "cmd.h"
#include "kernel.h"
#include "memory_reader.h"
#include "output.h"
#include "python.h"
#include "render_stacks.h"
#include "thread_stacks.h"

/* --- command line ------------------------------------------------------------------------------------ */

struct arguments {
	pid_t pid;
	bool json;
	const char *path; /* NULL: standard output */
	bool force;
};

enum { OPTION_JSON = 256, OPTION_FORCE };

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "the process", 1},
	{"json", OPTION_JSON, NULL, 0, "for programs", 1},
	{"output", 'o', "FILE", 0, "write to FILE and not to standard output", 2},
	{"force", OPTION_FORCE, NULL, 0, "overwrite an existing file", 2},
	{},
};

static const char documentation[] =
	"Shows every thread's Python stack, innermost frame first, from outside: the process is not stopped, "
	"and nothing is written to it. Each stack is as it was at one moment; that of a thread which is too "
	"fast "
	"to be read from outside is taken while a timer of the kernel's interrupts it, for some "
	"microseconds.\v"
	"Examples:\n"
	"  sudo linger stacks -p 1234\n"
	"  sudo linger stacks -p 1234 --json -o stacks.json\n"
	"  sudo linger stacks -p 1234 --json | jq '.threads[] | select(.holds_gil)'\n\n"
	"Exit status: 0 when the stacks were written, 1 on failure, 2 when this process cannot be read or "
	"the "
	"usage was wrong.";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case 'p':
		args->pid = parse_number(state, arg, 1, INT32_MAX, "a process id");
		break;
	case OPTION_JSON:
		args->json = true;
		break;
	case 'o':
		args->path = arg;
		break;
	case OPTION_FORCE:
		args->force = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is too much", arg);
		break;
	case ARGP_KEY_END:
		if (!args->pid)
			argp_error(state, "which process? Name it with -p PID");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- reading ----------------------------------------------------------------------------------------- */

static int check_capabilities(struct error *error)
{
	const char *capability = kernel__missing_capability();

	if (!capability)
		return 0;
	error__set(error, -EPERM, "failed to read stacks: the capability %s is missing", capability);
	error__hint(error, "run linger as root, for instance with sudo");
	return -EPERM;
}

static int read_stacks(pid_t pid, struct thread_stacks *ret_stacks, struct error *error)
{
	struct memory_reader *reader = NULL;
	struct python python = {};
	struct target *target = NULL;
	int err = target__open(pid, &target, error);

	if (!err)
		err = check_capabilities(error);
	if (!err)
		err = memory_reader__open(pid, &reader, error);
	if (!err && !memory_reader__is_bpf(reader))
		say("this kernel has no BPF memory reader (Linux 5.18); reading with process_vm_readv, which "
		    "needs the right to ptrace");
	if (!err)
		err = python__inspect(target, reader, &python, error);
	if (!err)
		err = python__check_started(&python, reader, error);
	if (!err)
		err = thread_stacks__read(target, reader, &python, ret_stacks, error);
	python__free(&python);
	memory_reader__free(reader);
	target__free(target);
	return err;
}

/* --- the command ------------------------------------------------------------------------------------- */

static int write_stacks(const struct arguments *args, const struct thread_stacks *stacks, struct error *error)
{
	struct output *output;
	int err = output__open(args->path, args->force, &output, error);

	if (err)
		return err;
	err = args->json ? render_stacks_json(stacks, output__stream(output))
			 : render_stacks_text(stacks, output__stream(output));
	return output__finish(output, err, error);
}

/* Only of the process can an error mean that it cannot be read: a file that is not for us is a failure. */
static enum exit_status run(const struct arguments *args, struct error *error)
{
	enum exit_status status = STATUS_FAILURE;
	struct thread_stacks stacks = {};
	int err;

	if (args->path && output__check(args->path, args->force, error))
		return status;
	err = read_stacks(args->pid, &stacks, error);
	if (err)
		status = error_status(err);
	else if (!write_stacks(args, &stacks, error))
		status = STATUS_OK;
	thread_stacks__free(&stacks);
	return status;
}

int cmd_stacks(int argc, char **argv)
{
	const struct argp argp = {.options = options, .parser = parse_option, .doc = documentation};
	struct arguments args = {};
	struct error error = {};
	enum exit_status status;

	argv[0] = "linger stacks";
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	libbpf_set_print(NULL);
	status = run(&args, &error);
	if (status)
		report_error(&error);
	return status;
}
