// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "cmd_record.h"

#define DEFAULT_LIVE_MAX_MIB 2048
#define DEFAULT_OVERHEAD_PERCENT 1.0
#define DEFAULT_WINDOW_MAX_MS 20
#define DEFAULT_MIN_AGE_S 10

enum {
	OPTION_MODE = 256,
	OPTION_STATS,
	OPTION_LIVE_MAX,
	OPTION_EVERY,
	OPTION_OVERHEAD,
	OPTION_WINDOW_MAX,
	OPTION_MIN_AGE,
	OPTION_OLDER,
};

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "the process to record", 1},
	{"duration", 'd', "SECONDS", 0,
	 "record for so long; without it until Ctrl-C or until the process ends. A COMMAND runs on "
	 "afterwards, and "
	 "linger waits for it",
	 1},
	{"every", OPTION_EVERY, "SECONDS", 0,
	 "write the profile so far every SECONDS, beside the FILE of -o: heap.svg, then heap.1.svg, "
	 "heap.2.svg and so on",
	 2},
	{"stats", OPTION_STATS, "FILE", 0, "write totals, losses and costs to FILE, as JSON", 2},
	{"mode", OPTION_MODE, "MODE", 0,
	 "sampled (the default: short windows within a budget, for as long as you like), exact (every event; "
	 "slows a busy process many times over: for seconds) or mapping (system calls only)",
	 3},
	{"overhead", OPTION_OVERHEAD, "PERCENT", 0,
	 "sampled mode: what the recording may cost, of the process's time, over any ten seconds: 0.1 to 100 "
	 "(default 1)",
	 3},
	{"window-max", OPTION_WINDOW_MAX, "MS", 0,
	 "sampled mode: the longest window, 1 to 100 milliseconds (default 20): requests that meet one wait "
	 "as "
	 "long",
	 3},
	{"min-age", OPTION_MIN_AGE, "SECONDS", 0,
	 "sampled mode: what survived for less is shown apart (default 10)", 3},
	{"older", OPTION_OLDER, "SECONDS", 0, "sampled mode: only what survived for longer", 3},
	{"live-max", OPTION_LIVE_MAX, "MIB", 0,
	 "exact mode: room for the blocks in so much of the heap (default 2048 MiB); the kernel memory for "
	 "it, a little "
	 "more than half, is taken as blocks are seen; what finds no room is counted as dropped",
	 3},
	{"verbose", 'v', NULL, 0, "say more on standard error", 4},
	{},
};

static const char documentation[] =
	"Records which Python stacks allocated the memory that is still alive: in a process that runs (-p), "
	"or in COMMAND, which is started and recorded from its first allocation to its end.\v"
	"Examples:\n"
	"  sudo linger record -p 1234 -d 60 -o heap.svg\n"
	"  sudo linger record -p 1234 -d 60 -f text --domain object\n"
	"  sudo linger record -p 1234 --every 600 -o heap.pb.gz     (or send SIGUSR1)\n"
	"  sudo linger record -p 1234 --mode exact -d 5 -o heap.pb.gz\n"
	"  sudo linger record -p 1234 --mode mapping -o mappings.folded\n"
	"  sudo linger record -p 1234 -d 60 | flamegraph.pl > heap.svg\n"
	"  sudo linger record --mode exact -o heap.svg -- python3 script.py\n\n"
	"Exit status: 0 when a profile was written (also after Ctrl-C or when the process has ended), 1 on "
	"failure, "
	"2 when this process, kernel or user cannot be traced, or the usage was wrong. With COMMAND: its own "
	"exit status, 128+N when signal N ended it; where that is 0 and linger failed, linger's; 127 when "
	"there "
	"is no such command, 126 when it cannot be executed.";

static const char arguments_documentation[] = "-p PID\n-o FILE [--] COMMAND [ARGUMENT...]";

static double parse_duration(struct argp_state *state, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0) || value > 1e9)
		argp_error(state, "'%s' is not a number of seconds", text);
	return value;
}

/* A number in a range; what: "a percentage", say. */
static double parse_real(struct argp_state *state, const char *text, double min, double max, const char *what)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= min && value <= max))
		argp_error(state, "'%s' is not %s from %g to %g", text, what, min, max);
	return value;
}

static enum record_mode parse_mode(struct argp_state *state, const char *text)
{
	static const char *const names[] = {
		[MODE_SAMPLED] = "sampled", [MODE_EXACT] = "exact", [MODE_MAPPING] = "mapping"};

	for (size_t mode = 0; mode < sizeof(names) / sizeof(names[0]); mode++)
		if (!strcmp(text, names[mode]))
			return mode;
	argp_error(state, "'%s' is no mode; there are sampled, exact and mapping", text);
	return MODE_SAMPLED;
}

static void finish_arguments(struct argp_state *state, struct arguments *args)
{
	uint32_t domains = args->output.domains;

	if (!args->recorder.pid && !args->command)
		argp_error(state, "which process? Give its number with -p, or a command to start");
	if (args->recorder.pid && args->command)
		argp_error(state, "either -p or a command: '%s' is too much", args->command[0]);
	if (args->command && !args->output.path)
		argp_error(state, "where to? Standard output is the command's own: add -o FILE");
	if (args->every_s && !args->output.path)
		argp_error(state, "--every writes a file each time: add -o FILE");
	if (args->output.path && args->stats_path && !strcmp(args->output.path, args->stats_path))
		argp_error(state, "the profile and --stats cannot both go to '%s'", args->stats_path);
	if (args->mode == MODE_MAPPING) {
		if (domains && domains != 1u << LINGER_DOMAIN_MAPPING)
			argp_error(state, "--mode mapping records the mapping domain only");
		domains = 1u << LINGER_DOMAIN_MAPPING;
	}
	if (args->mode != MODE_SAMPLED && args->only_sampled)
		argp_error(state, "%s is for --mode sampled", args->only_sampled);
	if (args->mode == MODE_SAMPLED && args->only_exact)
		argp_error(state, "%s is for --mode exact", args->only_exact);
	args->recorder.domains = domains ? domains : CLI_ALL_DOMAINS;
	args->recorder.raw_may_miss = !domains && args->mode == MODE_SAMPLED;
	/* Mappings are few: every one of them is recorded. */
	args->recorder.sampled =
		args->mode == MODE_SAMPLED && args->recorder.domains != 1u << LINGER_DOMAIN_MAPPING;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->output;
		break;
	case 'p':
		args->recorder.pid = parse_pid(state, arg);
		break;
	case 'd':
		args->duration_s = parse_duration(state, arg);
		break;
	case 'v':
		args->verbose = true;
		break;
	case OPTION_MODE:
		args->mode = parse_mode(state, arg);
		break;
	case OPTION_OVERHEAD:
		args->only_sampled = "--overhead";
		args->recorder.sampling.overhead = parse_real(state, arg, 0.1, 100, "a percentage") / 100;
		break;
	case OPTION_WINDOW_MAX:
		args->only_sampled = "--window-max";
		args->recorder.sampling.window_max_ns =
			parse_number(state, arg, 1, 100, "a number of milliseconds from 1 to 100") *
			1000000ull;
		break;
	case OPTION_MIN_AGE:
		args->only_sampled = "--min-age";
		args->recorder.sampling.min_age_ns =
			parse_real(state, arg, 0, 1e9, "a number of seconds") * 1e9;
		break;
	case OPTION_OLDER:
		args->only_sampled = "--older";
		args->recorder.sampling.older_ns =
			parse_real(state, arg, 0, 1e9, "a number of seconds") * 1e9;
		break;
	case OPTION_EVERY:
		args->every_s = parse_duration(state, arg);
		break;
	case OPTION_STATS:
		args->stats_path = arg;
		break;
	case OPTION_LIVE_MAX:
		args->only_exact = "--live-max";
		args->recorder.live_max_mib = parse_number(state, arg, 1, 1 << 20, "a number of MiB");
		break;
	case ARGP_KEY_ARG:
		args->command = &state->argv[state->next - 1];
		args->recorder.at_start = true;
		state->next = state->argc;
		break;
	case ARGP_KEY_END:
		finish_arguments(state, args);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

void record__parse(int argc, char **argv, struct arguments *ret_args)
{
	const struct argp_child children[] = {{.argp = &cli_output_argp}, {}};
	const struct argp argp = {.options = options,
				  .parser = parse_option,
				  .args_doc = arguments_documentation,
				  .doc = documentation,
				  .children = children};
	struct arguments args = {
		.recorder.live_max_mib = DEFAULT_LIVE_MAX_MIB,
		.recorder.sampling.overhead = DEFAULT_OVERHEAD_PERCENT / 100,
		.recorder.sampling.window_max_ns = DEFAULT_WINDOW_MAX_MS * 1000000ull,
		.recorder.sampling.min_age_ns = DEFAULT_MIN_AGE_S * 1000000000ull,
	};

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &args);
	*ret_args = args;
}
