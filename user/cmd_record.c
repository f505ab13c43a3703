// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "cli_output.h"
#include "cmd.h"
#include "cmd_record.h"
#include "drops.h"
#include "output.h"
#include "recorder.h"
#include "render_common.h"
#include "stats_json.h"

#define TICK_MS 200
#define DEFAULT_LIVE_MAX_MIB 2048

/* --- command line ------------------------------------------------------------------------------------ */

enum { OPTION_MODE = 256, OPTION_STATS, OPTION_LIVE_MAX };

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "the process to record", 1},
	{"duration", 'd', "SECONDS", 0,
	 "record for so long; without it until Ctrl-C or until the process ends. A COMMAND runs on "
	 "afterwards, and "
	 "linger waits for it",
	 1},
	{"stats", OPTION_STATS, "FILE", 0, "write totals, losses and costs to FILE, as JSON", 2},
	{"mode", OPTION_MODE, "MODE", 0,
	 "exact (the default: every event; slows a busy process many times over) or mapping (system calls "
	 "only)",
	 3},
	{"live-max", OPTION_LIVE_MAX, "MIB", 0,
	 "room for the blocks in so much of the heap (default 2048 MiB); the kernel memory for it, a little "
	 "more than half, is "
	 "taken as blocks are seen, and what finds no room is counted as dropped",
	 3},
	{"verbose", 'v', NULL, 0, "say more on stderr", 4},
	{},
};

static const char documentation[] =
	"Records which Python stacks allocated the memory that is still alive: in a process that runs (-p), "
	"or in "
	"COMMAND, which is started and recorded from its first allocation to its end.\v"
	"Examples:\n"
	"  sudo linger record -o heap.svg -- python3 script.py --its-option\n"
	"  sudo linger record -p 1234 -d 10 -o heap.svg\n"
	"  sudo linger record -p 1234 -d 10 -f text --domain object\n"
	"  sudo linger record -p 1234 --mode mapping -o mappings.folded\n"
	"  sudo linger record -p 1234 -d 10 -o heap.pb.gz\n"
	"  sudo linger record -p $(pgrep -of uvicorn) -d 5 --stats stats.json | flamegraph.pl --color mem > "
	"heap.svg\n\n"
	"Exit status: 0 when a profile was written (also after Ctrl-C or when the process has ended), 1 on "
	"failure, "
	"2 when this process, kernel or user cannot be traced, or the usage was wrong. With COMMAND: its own "
	"exit status, 128+N when signal N ended it; where that is 0 and linger failed, linger's; 127 when "
	"there "
	"is no such command, 126 when it cannot be executed.";

static const char arguments_documentation[] = "-p PID\n[--] COMMAND [ARGUMENT...]";

static long parse_number(struct argp_state *state, const char *text, long min, long max, const char *what)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max)
		argp_error(state, "'%s' is not %s", text, what);
	return value;
}

static double parse_duration(struct argp_state *state, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0) || value > 1e9)
		argp_error(state, "'%s' is not a number of seconds", text);
	return value;
}

static bool parse_mode(struct argp_state *state, const char *text)
{
	if (strcmp(text, "exact") && strcmp(text, "mapping"))
		argp_error(state, "'%s' is no mode; there are exact and mapping", text);
	return !strcmp(text, "mapping");
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
	if (args->output.path && args->stats_path && !strcmp(args->output.path, args->stats_path))
		argp_error(state, "the profile and --stats cannot both go to '%s'", args->stats_path);
	if (args->mapping_mode) {
		if (domains && domains != 1u << LINGER_DOMAIN_MAPPING)
			argp_error(state, "--mode mapping records the mapping domain only");
		domains = 1u << LINGER_DOMAIN_MAPPING;
	}
	args->recorder.domains = domains ? domains : CLI_ALL_DOMAINS;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->output;
		break;
	case 'p':
		args->recorder.pid = parse_number(state, arg, 1, INT32_MAX, "a process id");
		break;
	case 'd':
		args->duration_s = parse_duration(state, arg);
		break;
	case 'v':
		args->verbose = true;
		break;
	case OPTION_MODE:
		args->mapping_mode = parse_mode(state, arg);
		break;
	case OPTION_STATS:
		args->stats_path = arg;
		break;
	case OPTION_LIVE_MAX:
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

/* --- talk -------------------------------------------------------------------------------------------- */

static void announce(const struct recorder *recorder, const struct arguments *args)
{
	struct recorder_summary s;

	if (recorder__summary(recorder, &s))
		return;
	fprintf(stderr, "linger: recording process %d (Python %s)%s\n", s.pid, s.python_version,
		args->command          ? " from its start"
		: args->duration_s > 0 ? ""
				       : "; Ctrl-C ends it and writes the profile");
	if (s.reads_by_ptrace)
		fprintf(stderr, "linger: this kernel has no BPF memory reader (Linux 5.18); reading with "
				"process_vm_readv, which needs the right to ptrace\n");
	if (!args->verbose)
		return;
	fprintf(stderr, "linger: %s, build id %s\n", s.python_path, s.build_id[0] ? s.build_id : "none");
	if (s.raw_allocator->image)
		fprintf(stderr, "linger: malloc is that of %s (%s), %zu sites\n", s.raw_allocator->path,
			s.raw_allocator->name, s.raw_plan->n_sites);
	fprintf(stderr,
		"linger: %zu pop, %zu push and %zu slow path sites; attached in %.0f ms; kernel maps hold "
		"%s\n",
		s.n_pops, s.n_pushes, s.n_slow, s.attach_ms,
		render_bytes(s.kernel_bytes, (char[RENDER_NUMBER_BYTES]){}));
}

/* Which allocator serves the process, if that needs saying. False while it is not known. */
static bool announce_allocator(const struct recorder *recorder, const struct arguments *args)
{
	struct recorder_summary s;

	if (recorder__summary(recorder, &s) || !s.allocator_is_known)
		return false;
	if (args->verbose)
		fprintf(stderr, "linger: allocator %s\n", s.allocator);
	if (!s.allocator_is_pymalloc)
		fprintf(stderr,
			"linger: the process runs with PYTHONMALLOC=malloc (%s): pymalloc serves nothing, "
			"the "
			"object domain will be empty\n",
			s.allocator);
	else if (strcmp(s.allocator, "pymalloc"))
		fprintf(stderr,
			"linger: the process has %s (PYTHONMALLOC=debug, -X dev or tracemalloc): block sizes "
			"include what the hooks add\n",
			s.allocator);
	return true;
}

static uint64_t sum_dropped(const struct linger_counters *c)
{
	uint64_t sum = 0;

	for (int reason = 0; reason < LINGER_DROP_REASONS; reason++)
		sum += c->dropped[reason];
	return sum;
}

struct status {
	uint64_t last_events;
	double last_s;
	bool shown;
};

static void print_status(struct status *status, const struct recorder *recorder)
{
	struct recorder_summary s;
	uint64_t events = 0, live = 0, dropped = 0;
	char coverage[32] = "";

	if (recorder__summary(recorder, &s) || s.elapsed_s - status->last_s < 0.5)
		return;
	for (int domain = 0; domain < LINGER_DOMAINS; domain++) {
		events += s.totals[domain].counters.seen_allocs + s.totals[domain].counters.seen_frees;
		dropped += sum_dropped(&s.totals[domain].counters);
	}
	live = s.totals[s.domains & 1 ? LINGER_DOMAIN_OBJECT : LINGER_DOMAIN_MAPPING].live_bytes;
	if (s.coverage >= 0)
		snprintf(coverage, sizeof(coverage), "  coverage %.2f %%", s.coverage * 100);
	fprintf(stderr, "\r\033[K%.0f s  %s events/s  %s live  %" PRIu64 " dropped%s", s.elapsed_s,
		render_count((events - status->last_events) / (s.elapsed_s - status->last_s),
			     (char[RENDER_NUMBER_BYTES]){}),
		render_bytes(live, (char[RENDER_NUMBER_BYTES]){}), dropped, coverage);
	status->last_events = events;
	status->last_s = s.elapsed_s;
	status->shown = true;
}

/* Everything that the profile left out, with what to do about it. */
static void print_losses(const struct recorder_summary *s)
{
	for (int domain = 0; domain < LINGER_DOMAINS; domain++) {
		const struct linger_counters *c = &s->totals[domain].counters;

		for (int reason = 0; reason < LINGER_DROP_REASONS; reason++)
			if (c->dropped[reason])
				fprintf(stderr, "linger: %s: %llu events dropped (%s): %s\nhint: %s\n",
					linger_domain__name(domain), c->dropped[reason], drop__name(reason),
					drop__help(reason), drop__hint(reason));
		if (c->lost_stacks)
			fprintf(stderr,
				"linger: %s: %llu blocks are shown as [stack table full]: too many different "
				"stacks\n",
				linger_domain__name(domain), c->lost_stacks);
		if (c->lost_names)
			fprintf(stderr,
				"linger: %s: %llu frames are shown as [unknown]: too many different "
				"functions\n",
				linger_domain__name(domain), c->lost_names);
		if (c->dropped_frees)
			fprintf(stderr,
				"linger: %s: %llu removals dropped: what they freed still counts as live\n",
				linger_domain__name(domain), c->dropped_frees);
		if (c->skipped)
			fprintf(stderr, "linger: %s: the kernel let %llu calls of any process pass unseen\n",
				linger_domain__name(domain), c->skipped);
		if (c->missed_frees)
			fprintf(stderr, "linger: %s: %llu frees were missed and found out later\n",
				linger_domain__name(domain), c->missed_frees);
	}
	if (s->forks)
		fprintf(stderr,
			"linger: the process forked %u %s; its children are not recorded, but were slowed by "
			"the same probes\n",
			s->forks, s->forks == 1 ? "time" : "times");
	if (s->coverage >= 0 && s->coverage < 0.995)
		fprintf(stderr,
			"linger: the probes saw only %.1f %% of the allocations\n"
			"hint: please report this build: 'linger doctor -p PID --json' describes it\n",
			s->coverage * 100);
}

/* --- notes in the profile ---------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3))) add_note(struct profile *profile, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	profile__add_note(profile, text);
}

static void add_domain_note(struct profile *profile, enum linger_domain domain, const struct domain_totals *t)
{
	const struct linger_counters *c = &t->counters;

	add_note(profile,
		 "%s: %llu allocations seen = %" PRIu64 " recorded + %" PRIu64
		 " dropped; %llu frees seen, %llu of "
		 "them of older blocks; live %" PRIu64 " blocks, %s",
		 linger_domain__name(domain), c->seen_allocs, t->alloc_blocks, sum_dropped(c), c->seen_frees,
		 c->unmatched_frees, t->live_blocks,
		 render_bytes(t->live_bytes, (char[RENDER_NUMBER_BYTES]){}));
	for (int reason = 0; reason < LINGER_DROP_REASONS; reason++)
		if (c->dropped[reason])
			add_note(profile, "%s: %llu dropped (%s): %s", linger_domain__name(domain),
				 c->dropped[reason], drop__name(reason), drop__help(reason));
}

static void add_notes(struct profile *profile, const struct recorder_summary *s)
{
	add_note(profile, "process %d, Python %s, recorded for %.1f s%s", s->pid, s->python_version,
		 s->elapsed_s,
		 s->target_execed      ? ", until it became another program"
		 : s->target_finalized ? ", until its interpreter shut down"
		 : s->target_ended     ? ", until it ended"
				       : "");
	for (int domain = 0; domain < LINGER_DOMAINS; domain++)
		if (s->domains >> domain & 1)
			add_domain_note(profile, domain, &s->totals[domain]);
	if (s->domains >> LINGER_DOMAIN_RAW & 1 && s->raw_plan->leaves_out_new)
		add_note(profile, "raw: what C++'s operator new of %s gave out is not recorded",
			 s->raw_allocator->path);
	if (!(s->domains >> LINGER_DOMAIN_OBJECT & 1))
		return;
	if (s->coverage < 0)
		add_note(profile, "coverage: not measured (the process ended before its heap could be "
				  "counted again, or the heap "
				  "takes too long to count)");
	else
		add_note(profile,
			 "coverage: %.3f %% of the allocations (the heap grew by %" PRId64
			 " blocks by its own count)",
			 s->coverage * 100, s->heap_growth_blocks);
}

/* --- results ----------------------------------------------------------------------------------------- */

static int write_stats(const struct arguments *args, const struct recorder_summary *summary,
		       struct error *error)
{
	struct output *output;
	int err = output__open(args->stats_path, args->output.force, &output, error);

	if (err)
		return err;
	return output__finish(output, stats_json__write(summary, output__stream(output)), error);
}

static int write_results(const struct arguments *args, const struct recorder *recorder, struct error *error)
{
	struct profile *profile = profile__new();
	struct recorder_summary summary;
	int err = profile ? recorder__summary(recorder, &summary) : -ENOMEM, stats_err = 0;

	if (!err)
		err = recorder__profile(recorder, profile);
	if (err) {
		profile__free(profile);
		return error__set(error, err, "failed to read the profile: %s", strerror(-err));
	}
	add_notes(profile, &summary);
	print_losses(&summary);
	err = cli_output__write(&args->output, profile, error);
	profile__free(profile);
	if (args->stats_path) {
		struct error other;

		stats_err = write_stats(args, &summary, err ? &other : error);
	}
	if (!err && args->output.path)
		fprintf(stderr, "linger: wrote %s\n", args->output.path);
	if (args->verbose)
		fprintf(stderr, "linger: detached in %.0f ms\n", summary.detach_ms);
	return err ? err : stats_err;
}

/* --- running ----------------------------------------------------------------------------------------- */

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static const int passed_on[] = {SIGQUIT, SIGUSR1, SIGUSR2};

/*
 * Ctrl-C and a polite kill end the recording; they are read here and interrupt nothing. A command that was
 * started gets these and others passed on.
 */
int record__open_signals(bool of_command)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	for (size_t i = 0; of_command && i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&set, passed_on[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* From here on a second Ctrl-C means it: nothing is left to lose but the writing. */
static void release_signals(int signals)
{
	struct signalfd_siginfo info;
	sigset_t set;

	while (read(signals, &info, sizeof(info)) > 0)
		;
	sigfillset(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void run(struct recorder *recorder, const struct arguments *args, const struct launch *launch,
		int signals)
{
	double end = args->duration_s > 0 ? seconds_now() + args->duration_s : 1e18;
	bool interactive = isatty(STDERR_FILENO) && !launch; /* the terminal is the command's own */
	bool allocator_told = false;
	struct status status = {};

	for (;;) {
		struct pollfd fds[] = {
			{.fd = signals, .events = POLLIN},
			{.fd = recorder__pidfd(recorder), .events = POLLIN},
		};
		double left_ms = (end - seconds_now()) * 1000;

		allocator_told = allocator_told || announce_allocator(recorder, args);
		if (left_ms <= 0 || poll(fds, 2, left_ms < TICK_MS ? (int)left_ms + 1 : TICK_MS) < 0)
			break;
		if (launch)
			launch__forward(launch, signals);
		if ((fds[0].revents && !launch) || recorder__tick(recorder))
			break;
		if (interactive)
			print_status(&status, recorder);
	}
	if (status.shown)
		fprintf(stderr, "\r\033[K");
	if (!launch || launch__has_ended(launch))
		release_signals(signals);
}

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, args);
}

int record__check_outputs(const struct arguments *args, struct error *error)
{
	int err = cli_output__check(&args->output, error);

	if (!err && args->stats_path)
		err = output__check(args->stats_path, args->output.force, error);
	return err;
}

int record__see_through(struct recorder *recorder, const struct arguments *args, const struct launch *launch,
			int signals, struct error *error)
{
	int err;

	announce(recorder, args);
	run(recorder, args, launch, signals);
	recorder__stop(recorder);
	err = write_results(args, recorder, error);
	recorder__free(recorder);
	return err;
}

static int record(const struct arguments *args, struct error *error)
{
	struct recorder *recorder;
	int signals = record__open_signals(false), err = record__check_outputs(args, error);

	if (!err)
		err = recorder__open(&args->recorder, &recorder, error);
	if (!err)
		err = record__see_through(recorder, args, NULL, signals, error);
	close(signals);
	return err;
}

int cmd_record(int argc, char **argv)
{
	const struct argp_child children[] = {{.argp = &cli_output_argp}, {}};
	const struct argp argp = {.options = options,
				  .parser = parse_option,
				  .args_doc = arguments_documentation,
				  .doc = documentation,
				  .children = children};
	struct arguments args = {.recorder.live_max_mib = DEFAULT_LIVE_MAX_MIB};
	struct error error = {};
	int err;

	argv[0] = "linger record";
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &args);
	libbpf_set_print(args.verbose ? print_libbpf : NULL);
	if (args.command)
		return record__command(&args);
	err = record(&args, &error);
	if (!err)
		return STATUS_OK;
	report_error(&error);
	return error_status(err);
}
