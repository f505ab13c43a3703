// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <bpf/libbpf.h>

#include "clock.h"
#include "cmd.h"
#include "heap_census.h"
#include "look.h"
#include "output.h"
#include "pprof_read.h"
#include "render_census.h"

#define DEFAULT_TOP 20
#define MAX_SECONDS (366L * 24 * 3600)
#define TOLERANCE_S 0.1 /* of -d, so that the last census is not left out */

struct arguments {
	struct look_options look;
	bool fragmentation, diff;
	enum census_by by;
	const char *recording;    /* NULL: none */
	long every_s, duration_s; /* 0: once; without end */
	size_t top;
	const char *files[2]; /* of --diff */
	size_t n_files;
};

/* What is open while a target is looked at. */
struct subject {
	struct look look;
	struct census_about about;
};

/* --- command line ------------------------------------------------------------------------------------ */

enum {
	OPTION_BY = 256,
	OPTION_WITH,
	OPTION_FRAGMENTATION,
	OPTION_EVERY,
	OPTION_DIFF,
	OPTION_TOP,
};

static const struct argp_option options[] = {
	{"by", OPTION_BY, "type|class|module", 0,
	 "one row for each type (the default), for each class and exception, or for each module", 1},
	{"with", OPTION_WITH, "FILE.pb.gz", 0,
	 "a sampled recording of this process: below each type the lines that its instances come from", 1},
	{"fragmentation", OPTION_FRAGMENTATION, NULL, 0,
	 "pools, arenas and size classes instead of types: what is in use, and what is free and kept", 1},
	{"every", OPTION_EVERY, "SECONDS", 0, "again and again: what has grown since the first census", 1},
	{"duration", 'd', "SECONDS", 0, "with --every: for so long (default: until Ctrl-C)", 1},
	{"diff", OPTION_DIFF, NULL, 0, "what grew and what shrank from one saved census to another", 1},
	{"top", OPTION_TOP, "N", 0, "so many types in the table (default 20)", 1},
	{},
};

static const char documentation[] = "Shows what the heap of a running CPython process holds now, by type, "
				    "from outside: the process is not "
				    "stopped, probed or written to, and need not have been recorded.\v"
				    "Examples:\n"
				    "  sudo linger census -p 1234\n"
				    "  sudo linger census -p 1234 --by module\n"
				    "  sudo linger census -p 1234 --with heap.pb.gz\n"
				    "  sudo linger census -p 1234 --every 10 -d 60\n"
				    "  sudo linger census -p 1234 -o before.json\n"
				    "  linger census --diff before.json after.json\n"
				    "  sudo linger census -p 1234 --top 100 -o types.txt\n"
				    "  sudo linger census -p 1234 --fragmentation\n\n"
				    "Exit status: 0 when the census was written, 1 on failure, 2 when this "
				    "process, kernel or user does not "
				    "allow it, or the usage was wrong.";

static enum census_by parse_by(struct argp_state *state, const char *text)
{
	if (!strcmp(text, "class"))
		return CENSUS_BY_CLASS;
	if (!strcmp(text, "module"))
		return CENSUS_BY_MODULE;
	if (strcmp(text, "type"))
		argp_error(state, "--by %s: it is type, class or module", text);
	return CENSUS_BY_TYPE;
}

static void finish_arguments(struct argp_state *state, struct arguments *args)
{
	if (args->diff ? args->n_files != 2 : args->n_files)
		argp_error(state, "--diff compares two files: BEFORE.json AFTER.json");
	if (args->diff && args->look.pid)
		argp_error(state, "--diff compares files, not a process");
	if (!args->diff)
		look_options__want_pid(&args->look, state);
	if ((args->diff || args->every_s) && (args->look.json || args->fragmentation))
		argp_error(state, "%s is a table of types", args->diff ? "--diff" : "--every");
	if (args->by && (args->diff || args->fragmentation))
		argp_error(state, "--by is for a census of a process by type");
	if (args->recording && (args->by || args->diff || args->every_s || args->fragmentation))
		argp_error(state, "--with is for a census by type");
	if (args->every_s && args->look.path)
		argp_error(state, "--every writes to standard output");
	if (args->duration_s && !args->every_s)
		argp_error(state, "-d goes with --every");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->look;
		break;
	case OPTION_BY:
		args->by = parse_by(state, arg);
		break;
	case OPTION_WITH:
		args->recording = arg;
		break;
	case OPTION_FRAGMENTATION:
		args->fragmentation = true;
		break;
	case OPTION_EVERY:
		args->every_s = parse_number(state, arg, 1, MAX_SECONDS, "a number of seconds");
		break;
	case 'd':
		args->duration_s = parse_number(state, arg, 1, MAX_SECONDS, "a number of seconds");
		break;
	case OPTION_DIFF:
		args->diff = true;
		break;
	case OPTION_TOP:
		args->top = parse_number(state, arg, 1, INT32_MAX, "a number of types");
		break;
	case ARGP_KEY_ARG:
		if (args->n_files == 2)
			argp_error(state, "'%s' is too much", arg);
		args->files[args->n_files++] = arg;
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

static int open_subject(struct subject *subject, pid_t pid, const char *output, struct error *error)
{
	int err = look__open(pid, SANDBOX_READ, output, &subject->look, error);

	subject->about.pid = pid;
	subject->about.python_version = subject->look.python.version;
	return err ? err : look__check_pools(&subject->look, &subject->about.is_hooked, error);
}

/* To the millisecond: people read it. */
static double clock_s(clockid_t clock)
{
	uint64_t time_ms = clock_ns(clock) / 1000000;

	return time_ms / 1e3;
}

static double now_s(void)
{
	return clock_s(CLOCK_MONOTONIC);
}

/* --- reports ----------------------------------------------------------------------------------------- */

static struct reading_cost cost_since(const struct memory_reader *reader, struct reading_cost before)
{
	struct reading_cost now = memory_reader__cost(reader);

	return (struct reading_cost){now.bytes - before.bytes, now.ns - before.ns};
}

static int take(struct subject *subject, struct census **ret_census, struct error *error)
{
	struct reading_cost before = memory_reader__cost(subject->look.reader);
	double start_s = now_s();
	struct heap_losses losses;
	int err = heap_census__take(subject->look.target, subject->look.reader, &subject->look.python,
				    subject->about.by, ret_census, &losses, error);

	subject->about.time_s = clock_s(CLOCK_REALTIME);
	subject->about.elapsed_s = now_s() - start_s;
	subject->about.reading = cost_since(subject->look.reader, before);
	if (!err) {
		subject->about.torn_pools = losses.torn.pools;
		subject->about.torn_links = losses.torn.links;
		subject->about.torn_owners = losses.owners;
	}
	return err;
}

static int report_types(struct subject *subject, const struct arguments *args, struct error *error)
{
	struct census *census;
	struct output *output;
	int err = take(subject, &census, error);

	if (err)
		return err;
	err = output__open(args->look.path, args->look.force, &output, error);
	if (!err) {
		FILE *out = output__stream(output);

		err = args->look.json ? render_census_json(&subject->about, census, out)
				      : render_census_text(&subject->about, census, args->top, out);
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

static int report_fragmentation(struct subject *subject, const struct arguments *args, struct error *error)
{
	struct reading_cost before = memory_reader__cost(subject->look.reader);
	double start_s = now_s();
	struct pool_usage usage;
	struct output *output;
	int err;

	pool_usage__start(&usage, subject->look.python.runtime.pool_bytes);
	err = pools__visit(subject->look.target, subject->look.reader, usage.pool_bytes, POOLS_LIMIT_NS,
			   add_pool, &usage);
	if (err)
		return error__set(error, err, "failed to read the heap of process %d: %s", args->look.pid,
				  err == -ESRCH ? "it has ended" : strerror(-err));
	pool_usage__finish(&usage);
	subject->about.time_s = clock_s(CLOCK_REALTIME);
	subject->about.elapsed_s = now_s() - start_s;
	subject->about.reading = cost_since(subject->look.reader, before);
	err = output__open(args->look.path, args->look.force, &output, error);
	if (err)
		return err;
	err = args->look.json ? render_usage_json(&subject->about, &usage, output__stream(output))
			      : render_usage_text(&subject->about, &usage, output__stream(output));
	return output__finish(output, err, error);
}

/* --- what grows -------------------------------------------------------------------------------------- */

static int report_diff(struct census_rows *before, struct census_rows *after, const struct arguments *args,
		       struct error *error)
{
	struct census_diff diff;
	struct output *output;
	int err = census_diff__make(before, after, &diff);

	if (err)
		return error__set(error, err, "failed to compare: out of memory");
	err = output__open(args->look.path, args->look.force, &output, error);
	if (!err) {
		err = render_census_diff(&diff, args->top, output__stream(output));
		err = output__finish(output, err, error);
	}
	census_diff__free(&diff);
	return err;
}

static int diff_files(const struct arguments *args, struct error *error)
{
	struct census_rows before = {0}, after = {0};
	int err;

	sandbox__enter(&(struct sandbox_needs){.rest = SANDBOX_REPORT, .outputs = {args->look.path}});
	err = census_rows__read(args->files[0], &before, error);
	if (!err)
		err = census_rows__read(args->files[1], &after, error);
	if (!err)
		err = report_diff(&before, &after, args, error);
	census_rows__free(&before);
	census_rows__free(&after);
	return err;
}

static int take_rows(struct subject *subject, struct census_rows *ret_rows, struct error *error)
{
	struct census *census;
	int err = take(subject, &census, error);

	if (err)
		return err;
	err = census_rows__from(census, ret_rows);
	census__free(census);
	if (err)
		return error__set(error, err, "failed to compare: out of memory");
	ret_rows->time_s = now_s();
	return 0;
}

/* False when a signal says that it is enough. */
static bool wait_until(double then_s, const sigset_t *signals)
{
	double left_s = fmax(then_s - now_s(), 0);
	struct timespec left = {.tv_sec = left_s, .tv_nsec = (left_s - (time_t)left_s) * 1e9};

	return sigtimedwait(signals, NULL, &left) < 0;
}

static int compare_now(struct subject *subject, struct census_rows *first, const struct arguments *args,
		       struct error *error)
{
	struct census_rows rows = {0};
	int err = take_rows(subject, &rows, error);

	if (!err)
		err = report_diff(first, &rows, args, error);
	census_rows__free(&rows);
	return err;
}

static int compare_often(struct subject *subject, struct census_rows *first, const struct arguments *args,
			 struct error *error)
{
	double end_s = args->duration_s ? first->time_s + args->duration_s + TOLERANCE_S : INFINITY;
	double next_s = first->time_s + args->every_s;
	sigset_t signals;
	int err = 0;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	while (!err && next_s <= end_s && wait_until(next_s, &signals)) {
		err = compare_now(subject, first, args, error);
		next_s = fmax(next_s + args->every_s, now_s()); /* a large heap may take longer */
	}
	return err;
}

static int watch(struct subject *subject, const struct arguments *args, struct error *error)
{
	struct census_rows first = {0};
	int err = take_rows(subject, &first, error);

	if (err)
		return err;
	err = compare_often(subject, &first, args, error);
	census_rows__free(&first);
	if (err != -ESRCH)
		return err;
	say("process %d has ended", args->look.pid); /* which is no failure of ours */
	return 0;
}

/* --- the command ------------------------------------------------------------------------------------- */

/* Read before the process is: a file that is not for us should cost nothing. */
static int read_recording(const char *path, struct type_stacks **ret_stacks, struct error *error)
{
	struct pprof_content content;
	int err = pprof_read__file(path, 1u << LINGER_DOMAIN_OBJECT, &content, error);

	if (err)
		return err;
	err = type_stacks__new(content.profile, ret_stacks);
	profile__free(content.profile);
	if (err == -ENODATA) {
		error__set(error, err, "failed to use '%s': it does not say of which types its blocks are",
			   path);
		error__hint(error, "'linger record -p PID -d 60 -o FILE.pb.gz' makes one that does");
	} else if (err) {
		error__set(error, err, "failed to use '%s': out of memory", path);
	}
	return err;
}

static int report_target(const struct arguments *args, struct error *error)
{
	struct subject subject = {.about = {.by = args->by, .stacks_path = args->recording}};
	struct type_stacks *stacks = NULL;
	int err = args->recording ? read_recording(args->recording, &stacks, error) : 0;

	subject.about.stacks = stacks;
	if (!err)
		err = open_subject(&subject, args->look.pid, args->look.path, error);
	if (!err && args->fragmentation)
		err = report_fragmentation(&subject, args, error);
	else if (!err)
		err = args->every_s ? watch(&subject, args, error) : report_types(&subject, args, error);
	look__close(&subject.look);
	type_stacks__free(stacks);
	return err;
}

int cmd_census(int argc, char **argv)
{
	const struct argp_child children[] = {{.argp = &look_argp}, {}};
	const struct argp argp = {
		.options = options,
		.children = children,
		.parser = parse_option,
		.args_doc = "-p PID\n--diff BEFORE.json AFTER.json",
		.doc = documentation,
	};
	struct arguments args = {.top = DEFAULT_TOP};
	struct error error = {};
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	libbpf_set_print(NULL);
	err = look_options__check_path(&args.look, &error);
	if (!err)
		err = args.diff ? diff_files(&args, &error) : report_target(&args, &error);
	if (!err)
		return STATUS_OK;
	report_error(&error);
	return error_status(err);
}
