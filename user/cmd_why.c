/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "cmd.h"
#include "holders.h"
#include "look.h"
#include "output.h"
#include "render_why.h"

#define DEFAULT_DEPTH 10
#define MAX_DEPTH 1000

/* --- command line ------------------------------------------------------------------------------------ */

struct format {
	const char *name;
	int (*render)(const struct holders *holders, FILE *out);
};

static const struct format formats[] = {
	{"text", render_why_text},
	{"dot", render_why_dot},
	{"json", render_why_json},
};

#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

struct arguments {
	pid_t pid;
	const char *type; /* NULL: the address */
	uint64_t address;
	uint32_t depth;
	const struct format *format;
	const char *path; /* NULL: standard output */
	bool force;
};

enum { OPTION_DEPTH = 256, OPTION_FORCE };

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "the process", 1},
	{"depth", OPTION_DEPTH, "N", 0, "look for holders of holders so often at most (default 10)", 1},
	{"format", 'f', "FORMAT", 0, "text, dot (for graphviz) or json; default: as FILE ends, else text", 2},
	{"output", 'o', "FILE", 0, "write to FILE instead of standard output", 2},
	{"force", OPTION_FORCE, NULL, 0, "overwrite an existing file", 2},
	{},
};

static const char documentation[] =
	"Shows who holds the objects of a type, or one object, in a running CPython process: the shortest "
	"chains of references from modules and running frames, from outside. The process is not stopped, "
	"probed or written to.\v"
	"TYPE is what 'linger census' prints; its module can be left out where only one type is called "
	"so.\n\n"
	"Examples:\n"
	"  sudo linger why -p 1234 app.Session\n"
	"  sudo linger why -p 1234 0x7f31c2d04a90\n"
	"  sudo linger why -p 1234 app.Session -f dot | dot -Tsvg > why.svg\n"
	"  sudo linger why -p 1234 app.Session -o why.json\n\n"
	"Exit status: 0 when the chains were written, 1 on failure, 2 when this process, kernel or user does "
	"not allow it, or the usage was wrong.";

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < N_FORMATS; i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

static void parse_subject(struct argp_state *state, struct arguments *args, const char *text)
{
	char *end;

	if (args->type || args->address)
		argp_error(state, "'%s' is too much", text);
	if (strncmp(text, "0x", 2) != 0) {
		args->type = text;
		return;
	}
	args->address = strtoull(text, &end, 16);
	if (*end || !args->address || args->address == UINT64_MAX)
		argp_error(state, "'%s' is not an address", text);
}

static void finish_arguments(struct argp_state *state, struct arguments *args)
{
	const char *suffix = args->path ? strrchr(args->path, '.') : NULL;

	if (!args->pid)
		argp_error(state, "which process? Name it with -p PID");
	if (!args->type && !args->address)
		argp_error(state, "which objects? Name a type, or an address that begins with 0x");
	if (!args->format && suffix)
		args->format = find_format(suffix + 1);
	if (!args->format)
		args->format = &formats[0];
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case 'p':
		args->pid = parse_pid(state, arg);
		break;
	case OPTION_DEPTH:
		args->depth = parse_number(state, arg, 1, MAX_DEPTH, "a number of steps");
		break;
	case 'f':
		args->format = find_format(arg);
		if (!args->format)
			argp_error(state, "'%s' is no format: text, dot or json", arg);
		break;
	case 'o':
		args->path = arg;
		break;
	case OPTION_FORCE:
		args->force = true;
		break;
	case ARGP_KEY_ARG:
		parse_subject(state, args, arg);
		break;
	case ARGP_KEY_END:
		finish_arguments(state, args);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- the search -------------------------------------------------------------------------------------- */

static volatile sig_atomic_t is_interrupted;

static void interrupt(int number)
{
	is_interrupted = 1;
}

/* Once; the next one ends linger. */
static void catch_signals(void)
{
	const struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND | SA_RESTART};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void say_progress(uint32_t step, size_t n_sought)
{
	if (isatty(STDERR_FILENO))
		say("step %u: who holds %zu object%s? (Ctrl-C: as far as it has come)", step, n_sought,
		    n_sought == 1 ? "" : "s");
}

static int find_holders(const struct arguments *args, struct look *look, struct holders *ret_holders,
			struct error *error)
{
	const struct holders_query query = {
		.type = args->type,
		.address = args->address,
		.depth = args->depth,
		.is_interrupted = &is_interrupted,
		.progress = say_progress,
	};
	int err = look__open(args->pid, SANDBOX_STACKS, args->path, look, error);
	bool is_hooked;

	if (!err)
		err = look__check_pools(look, &is_hooked, error);
	return err ? err
		   : holders__find(look->target, look->reader, &look->python, look->sampler, &query,
				   ret_holders, error);
}

/* --- the command ------------------------------------------------------------------------------------- */

static int write_holders(const struct arguments *args, const struct holders *holders, struct error *error)
{
	struct output *output;
	int err = output__open(args->path, args->force, &output, error);

	if (err)
		return err;
	return output__finish(output, args->format->render(holders, output__stream(output)), error);
}

/* Only of the process can an error mean that it cannot be read: a file that is not for us is a failure. */
static enum exit_status run(const struct arguments *args, struct error *error)
{
	enum exit_status status = STATUS_FAILURE;
	struct holders holders = {};
	struct look look = {};
	int err;

	if (args->path && output__check(args->path, args->force, error))
		return status;
	err = find_holders(args, &look, &holders, error);
	if (err)
		status = error_status(err);
	else if (!write_holders(args, &holders, error))
		status = STATUS_OK;
	holders__free(&holders);
	look__close(&look);
	return status;
}

int cmd_why(int argc, char **argv)
{
	const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "-p PID TYPE | 0xADDRESS",
		.doc = documentation,
	};
	struct arguments args = {.depth = DEFAULT_DEPTH};
	struct error error = {};
	enum exit_status status;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	libbpf_set_print(NULL);
	catch_signals();
	status = run(&args, &error);
	if (status)
		report_error(&error);
	return status;
}
