// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <bpf/libbpf.h>

#include "cmd.h"
#include "heap_census.h"
#include "output.h"
#include "render_census.h"

#define LIMIT_NS (UINT64_C(3600) * 1000000000) /* a bound, not a plan */
#define DEFAULT_TOP 20

struct arguments {
	pid_t pid;
	bool fragmentation, json, force;
	size_t top;
	const char *path; /* NULL: standard output */
};

/* What is open while a target is looked at. */
struct session {
	struct target *target;
	struct memory_reader *reader;
	struct python python;
	struct census_about about;
};

/* --- command line ------------------------------------------------------------------------------------ */

enum { OPTION_FRAGMENTATION = 256, OPTION_TOP, OPTION_JSON, OPTION_FORCE };

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "the process", 1},
	{"fragmentation", OPTION_FRAGMENTATION, NULL, 0,
	 "pools, arenas and size classes instead of types: what is in use, and what is free and kept", 1},
	{"top", OPTION_TOP, "N", 0, "so many types in the table (default 20)", 1},
	{"json", OPTION_JSON, NULL, 0, "everything, for programs; also if FILE ends in .json", 2},
	{"output", 'o', "FILE", 0, "write to FILE instead of standard output", 2},
	{"force", OPTION_FORCE, NULL, 0, "overwrite an existing file", 2},
	{},
};

static const char documentation[] = "Shows what the heap of a running CPython process holds now, by type, "
				    "from outside: the process is not "
				    "stopped, probed or written to, and need not have been recorded.\v"
				    "Examples:\n"
				    "  sudo linger census -p 1234\n"
				    "  sudo linger census -p 1234 --top 100 -o types.txt\n"
				    "  sudo linger census -p 1234 -o types.json\n"
				    "  sudo linger census -p 1234 --fragmentation\n\n"
				    "Exit status: 0 when the census was written, 1 on failure, 2 when this "
				    "process, kernel or user does not "
				    "allow it, or the usage was wrong.";

static bool is_json_path(const char *path)
{
	const char *suffix = strrchr(path, '.');

	return suffix && !strcmp(suffix, ".json");
}

static void finish_arguments(struct argp_state *state, struct arguments *args)
{
	if (!args->pid)
		argp_error(state, "which process? Name it with -p PID");
	if (args->path && is_json_path(args->path))
		args->json = true;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case 'p':
		args->pid = parse_number(state, arg, 1, INT32_MAX, "a process id");
		break;
	case OPTION_FRAGMENTATION:
		args->fragmentation = true;
		break;
	case OPTION_TOP:
		args->top = parse_number(state, arg, 1, INT32_MAX, "a number of types");
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
		finish_arguments(state, args);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- the target -------------------------------------------------------------------------------------- */

static int check_allocator(struct session *session, struct error *error)
{
	enum python_allocator allocator = python__allocator(&session->python, session->reader);

	session->about.is_hooked = allocator == PYTHON_PYMALLOC_HOOKED;
	if (allocator != PYTHON_MALLOC && allocator != PYTHON_MALLOC_HOOKED)
		return 0;
	error__set(error, -EOPNOTSUPP, "failed to count process %d: it has no pymalloc in use",
		   session->about.pid);
	error__hint(error, "it was started with PYTHONMALLOC=malloc or the like");
	return -EOPNOTSUPP;
}

static int open_session(struct session *session, pid_t pid, struct error *error)
{
	int err = target__open(pid, &session->target, error);

	if (!err)
		err = memory_reader__open(pid, &session->reader, error);
	if (!err)
		err = python__inspect(session->target, session->reader, &session->python, error);
	if (!err)
		err = python__check_started(&session->python, session->reader, error);
	if ((err == -EACCES || err == -EPERM) && !error->hint[0])
		error__hint(error, "run linger as root, for instance with sudo");
	session->about.pid = pid;
	session->about.python_version = session->python.version;
	return err ? err : check_allocator(session, error);
}

static void close_session(struct session *session)
{
	python__free(&session->python);
	memory_reader__free(session->reader);
	target__free(session->target);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* --- reports ----------------------------------------------------------------------------------------- */

static int report_types(struct session *session, const struct arguments *args, struct error *error)
{
	double start_s = now_s();
	struct census *census;
	struct heap_torn torn;
	struct output *output;
	int err =
		heap_census__take(session->target, session->reader, &session->python, &census, &torn, error);

	if (err)
		return err;
	session->about.elapsed_s = now_s() - start_s;
	session->about.torn_pools = torn.pools;
	err = output__open(args->path, args->force, &output, error);
	if (!err) {
		FILE *out = output__stream(output);

		err = args->json ? render_census_json(&session->about, census, out)
				 : render_census_text(&session->about, census, args->top, out);
		err = output__finish(output, err, error);
	}
	census__free(census);
	return err;
}

static int add_pool(void *context, uint64_t address, const struct pool_header *pool)
{
	pool_usage__add(context, address, pool);
	return 0;
}

static int report_fragmentation(struct session *session, const struct arguments *args, struct error *error)
{
	double start_s = now_s();
	struct pool_usage usage;
	struct output *output;
	int err;

	pool_usage__start(&usage, session->python.runtime.pool_bytes);
	err = pools__visit(session->target, session->reader, usage.pool_bytes, LIMIT_NS, add_pool, &usage);
	if (err)
		return error__set(error, err, "failed to read the heap of process %d: %s", args->pid,
				  err == -ESRCH ? "it has ended" : strerror(-err));
	pool_usage__finish(&usage);
	session->about.elapsed_s = now_s() - start_s;
	err = output__open(args->path, args->force, &output, error);
	if (err)
		return err;
	err = args->json ? render_usage_json(&session->about, &usage, output__stream(output))
			 : render_usage_text(&session->about, &usage, output__stream(output));
	return output__finish(output, err, error);
}

/* --- the command ------------------------------------------------------------------------------------- */

int cmd_census(int argc, char **argv)
{
	const struct argp argp = {.options = options, .parser = parse_option, .doc = documentation};
	struct arguments args = {.top = DEFAULT_TOP};
	struct session session = {};
	struct error error = {};
	int err;

	argv[0] = "linger census";
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	libbpf_set_print(NULL);
	err = args.path ? output__check(args.path, args.force, &error) : 0;
	if (!err)
		err = open_session(&session, args.pid, &error);
	if (!err)
		err = args.fragmentation ? report_fragmentation(&session, &args, &error)
					 : report_types(&session, &args, &error);
	close_session(&session);
	if (!err)
		return STATUS_OK;
	report_error(&error);
	return error_status(err);
}
