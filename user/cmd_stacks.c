// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "cmd.h"
#include "frame_locals.h"
#include "look.h"
#include "output.h"
#include "preview.h"
#include "referents.h"
#include "render_stacks.h"
#include "thread_stacks.h"

/* --- command line ------------------------------------------------------------------------------------ */

struct arguments {
	struct look_options look;
	bool locals, show_all;
};

enum { OPTION_LOCALS = 256, OPTION_NO_REDACT };

static const struct argp_option options[] = {
	{"locals", OPTION_LOCALS, NULL, 0, "each frame's local variables: name, type, short preview", 1},
	{"no-redact", OPTION_NO_REDACT, NULL, 0,
	 "with --locals: show the beginning of long str and bytes too (default: of those over 16 characters "
	 "only the length)",
	 1},
	{},
};

static const char documentation[] =
	"Shows every thread's Python stack, innermost frame first, and the tasks of asyncio with what they "
	"wait for, from outside: the process is not stopped, and nothing is written to it. Each stack is as "
	"it was at one moment; that of a thread which is too fast to be read from outside is taken while a "
	"timer of the kernel's interrupts it, for some microseconds.\v"
	"Examples:\n"
	"  sudo linger stacks -p 1234\n"
	"  sudo linger stacks -p 1234 --locals\n"
	"  sudo linger stacks -p 1234 --json -o stacks.json\n"
	"  sudo linger stacks -p 1234 --json | jq '.threads[] | select(.holds_gil)'\n"
	"  sudo linger stacks -p 1234 --json | jq '.tasks[] | select(.state == \"waiting\")'\n\n"
	"Exit status: 0 when the stacks were written, 1 on failure, 2 when this process cannot be read or "
	"the "
	"usage was wrong.";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->look;
		break;
	case OPTION_LOCALS:
		args->locals = true;
		break;
	case OPTION_NO_REDACT:
		args->show_all = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is too much", arg);
		break;
	case ARGP_KEY_END:
		look_options__want_pid(&args->look, state);
		if (args->show_all && !args->locals)
			argp_error(state, "--no-redact goes with --locals");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- the command ------------------------------------------------------------------------------------- */

static int read_locals(struct look *look, bool redact, struct thread_stacks *stacks, struct error *error)
{
	struct locals_reader reader = {.reader = look->reader, .python = &look->python};
	struct previewer previewer;
	int err = referents__new(look->reader, &look->python, &reader.referents);

	if (!err) {
		previewer = previewer__make(look->reader, &look->python, referents__shapes(reader.referents),
					    redact);
		reader.previewer = &previewer;
		err = thread_stacks__read_locals(stacks, &reader);
	}
	referents__free(reader.referents);
	if (err == -EOPNOTSUPP)
		return error__set(error, err, "failed to read local variables: Python %s is older than 3.8",
				  look->python.version);
	return err ? error__set(error, err, "failed to read local variables: %s", strerror(-err)) : 0;
}

static int read_stacks(const struct arguments *args, struct thread_stacks *ret_stacks, struct error *error)
{
	struct look look = {};
	int err = look__open(args->look.pid, SANDBOX_STACKS, args->look.path, &look, error);

	if (!err)
		err = thread_stacks__read(look.target, look.reader, &look.python, look.sampler, ret_stacks,
					  error);
	if (!err && args->locals)
		err = read_locals(&look, !args->show_all, ret_stacks, error);
	look__close(&look);
	return err;
}

static int write_stacks(const struct look_options *look, const struct thread_stacks *stacks,
			struct error *error)
{
	struct output *output;
	int err = output__open(look->path, look->force, &output, error);

	if (err)
		return err;
	err = look->json ? render_stacks_json(stacks, output__stream(output))
			 : render_stacks_text(stacks, output__stream(output));
	return output__finish(output, err, error);
}

/* Only of the process can an error mean that it cannot be read: a file that is not for us is a failure. */
static enum exit_status run(const struct arguments *args, struct error *error)
{
	enum exit_status status = STATUS_FAILURE;
	struct thread_stacks stacks = {};
	int err;

	if (look_options__check_path(&args->look, error))
		return status;
	err = read_stacks(args, &stacks, error);
	if (err)
		status = error_status(err);
	else if (!write_stacks(&args->look, &stacks, error))
		status = STATUS_OK;
	thread_stacks__free(&stacks);
	return status;
}

int cmd_stacks(int argc, char **argv)
{
	const struct argp_child children[] = {{.argp = &look_argp}, {}};
	const struct argp argp = {
		.options = options, .parser = parse_option, .doc = documentation, .children = children};
	struct arguments args = {};
	struct error error = {};
	enum exit_status status;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	libbpf_set_print(NULL);
	status = run(&args, &error);
	if (status)
		report_error(&error);
	return status;
}
