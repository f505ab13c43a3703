// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
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
#include "privileges.h"
#include "recorder.h"
#include "render_common.h"
#include "sandbox.h"
#include "stats_json.h"

#define NEVER 1e18 /* seconds */
#define STATUS_S 0.5

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* --- talk -------------------------------------------------------------------------------------------- */

static void announce_sandbox(const struct sandbox_outcome *sandbox)
{
	say("capabilities from now on: %s%s; system calls %s",
	    privileges__describe(sandbox->capabilities, (char[PRIVILEGES_TEXT_BYTES]){}),
	    sandbox->privileges_err ? " (others could not be given up)" : "",
	    sandbox->filter_err ? "not filtered, which this kernel cannot do" : "filtered");
}

static void announce(const struct recorder *recorder, const struct arguments *args,
		     const struct sandbox_outcome *sandbox)
{
	struct recorder_summary s;

	if (recorder__summary(recorder, &s))
		return;
	say("recording process %d (Python %s)%s", s.pid, s.python_version,
	    args->command          ? " from its start"
	    : args->duration_s > 0 ? ""
				   : "; Ctrl-C ends it and writes the profile");
	if (s.reads_by_ptrace)
		say("this kernel has no BPF memory reader (Linux 5.18); reading with process_vm_readv, which "
		    "needs the right to ptrace");
	if (s.raw_error) {
		say("without the raw domain: %s", s.raw_error->message);
		say_hint("%s", s.raw_error->hint);
	}
	if (!args->verbose)
		return;
	say("%s, build id %s", s.python_path, s.build_id[0] ? s.build_id : "none");
	if (s.raw_allocator->image)
		say("malloc is that of %s (%s), %zu sites", s.raw_allocator->path, s.raw_allocator->name,
		    s.raw_plan->n_sites);
	if (s.domains >> LINGER_DOMAIN_OBJECT & 1)
		say("pymalloc has %zu pop, %zu push and %zu slow path sites", s.n_pops, s.n_pushes, s.n_slow);
	say("attached in %.0f ms; kernel maps hold %s", s.attach_ms,
	    render_bytes(s.kernel_bytes, (char[RENDER_NUMBER_BYTES]){}));
	announce_sandbox(sandbox);
}

/* Which allocator serves the process, if that needs saying. False while it is not known. */
static bool announce_allocator(const struct recorder *recorder, const struct arguments *args)
{
	struct recorder_summary s;

	if (recorder__summary(recorder, &s) || !s.allocator_is_known)
		return false;
	if (args->verbose)
		say("allocator %s", s.allocator);
	if (!s.allocator_is_pymalloc && s.domains >> LINGER_DOMAIN_OBJECT & 1)
		say("the process runs with PYTHONMALLOC=malloc (%s): pymalloc serves nothing, the object "
		    "domain will be empty",
		    s.allocator);
	else if (s.allocator_is_pymalloc && strcmp(s.allocator, "pymalloc"))
		say("the process has %s (PYTHONMALLOC=debug, -X dev or tracemalloc): block sizes include "
		    "what the hooks add",
		    s.allocator);
	return true;
}

/* At once: whoever records may be able to do something about it. */
static bool announce_failure(const struct recorder *recorder)
{
	const struct error *failure = recorder__window_failure(recorder);

	if (failure)
		say("a window failed: %s", failure->message);
	if (failure && failure->hint[0])
		say_hint("%s", failure->hint);
	return failure;
}

struct status {
	uint64_t last_events;
	double last_s; /* of the recording */
	double next_s;
	bool shown;
};

static void print_sampled(const struct recorder_summary *s)
{
	const struct sampler_totals *t = &s->sampler;

	fprintf(stderr,
		"\r\033[K%.0f s  %" PRIu64
		" windows, %.0f ms attached  %s events  cost %.2f %%  samples %" PRIu64 " alive, %" PRIu64
		" dead, %" PRIu64 " lost",
		s->elapsed_s, t->windows, t->attached_ns / 1e6,
		render_count(t->hits, (char[RENDER_NUMBER_BYTES]){}), t->recent_cost * 100,
		t->verdicts[VERDICT_ALIVE], t->verdicts[VERDICT_FREED], sampler_totals__lost(t));
}

static void print_exact(struct status *status, const struct recorder_summary *s)
{
	uint64_t events = 0, live = 0, dropped = 0;
	char coverage[32] = "";

	for (int domain = 0; domain < LINGER_DOMAINS; domain++) {
		events += s->totals[domain].counters.seen_allocs + s->totals[domain].counters.seen_frees;
		dropped += drop__sum(&s->totals[domain].counters);
	}
	/* Domains are not added up: the first of those that are recorded stands for all. */
	live = s->totals[__builtin_ctz(s->domains)].live_bytes;
	if (s->coverage >= 0)
		snprintf(coverage, sizeof(coverage), "  coverage %.2f %%", s->coverage * 100);
	fprintf(stderr, "\r\033[K%.0f s  %s events/s  %s live  %" PRIu64 " dropped%s", s->elapsed_s,
		render_count((events - status->last_events) / (s->elapsed_s - status->last_s),
			     (char[RENDER_NUMBER_BYTES]){}),
		render_bytes(live, (char[RENDER_NUMBER_BYTES]){}), dropped, coverage);
	status->last_events = events;
}

static void print_status(struct status *status, const struct recorder *recorder)
{
	struct recorder_summary s;

	if (seconds_now() < status->next_s || recorder__summary(recorder, &s))
		return;
	if (s.sampled)
		print_sampled(&s);
	else
		print_exact(status, &s);
	status->last_s = s.elapsed_s;
	status->next_s = seconds_now() + STATUS_S;
	status->shown = true;
}

/* --- results ----------------------------------------------------------------------------------------- */

static int write_stats(const struct arguments *args, const struct recorder_summary *summary,
		       const struct profile *profile, struct error *error)
{
	struct output *output;
	int err = output__open(args->stats_path, args->output.force, &output, error);

	if (err)
		return err;
	return output__finish(output, stats_json__write(summary, profile, output__stream(output)), error);
}

/* What the domains hold and allocated is what the estimates add up to, not what windows happened to see. */
static void take_estimates(struct recorder_summary *summary, const struct profile *profile)
{
	for (int domain = 0; domain < LINGER_DOMAIN_MAPPING; domain++) {
		struct domain_totals *totals = &summary->totals[domain];

		totals->live_bytes = profile__total(profile, domain, PROFILE_INUSE_SPACE);
		totals->live_blocks = profile__total(profile, domain, PROFILE_INUSE_OBJECTS);
		totals->alloc_bytes = profile__total(profile, domain, PROFILE_ALLOC_SPACE);
		totals->alloc_blocks = profile__total(profile, domain, PROFILE_ALLOC_OBJECTS);
	}
}

static int read_profile(const struct recorder *recorder, struct recorder_summary *ret_summary,
			struct profile **ret_profile, struct error *error)
{
	struct profile *profile = profile__new();
	int err = profile ? recorder__summary(recorder, ret_summary) : -ENOMEM;

	if (!err)
		err = recorder__profile(recorder, profile);
	if (err) {
		profile__free(profile);
		return error__set(error, err, "failed to read the profile: %s", strerror(-err));
	}
	if (ret_summary->sampled)
		take_estimates(ret_summary, profile);
	record__add_notes(profile, ret_summary);
	*ret_profile = profile;
	return 0;
}

static int write_results(const struct arguments *args, const struct recorder *recorder, struct error *error)
{
	struct recorder_summary summary;
	struct profile *profile;
	int err = read_profile(recorder, &summary, &profile, error), stats_err = 0;

	if (err)
		return err;
	record__say_losses(&summary);
	err = cli_output__write(&args->output, profile, error);
	if (args->stats_path) {
		struct error other;

		stats_err = write_stats(args, &summary, profile, err ? &other : error);
	}
	profile__free(profile);
	if (!err && args->output.path)
		say("wrote %s", args->output.path);
	if (args->verbose)
		say("detached in %.0f ms", summary.detach_ms);
	return err ? err : stats_err;
}

/* --- interim profiles -------------------------------------------------------------------------------- */

/* Profiles that are written while the recording goes on. */
struct interim {
	unsigned int n; /* written so far */
	double next_s;  /* when the next one is due */
};

/* heap.pb.gz -> heap.3.pb.gz; the format's ending stays the ending. NULL when memory is short. */
static char *interim_path(const struct cli_output *output, unsigned int n)
{
	const char *suffix = output->renderer->suffix;
	size_t len = strlen(output->path), suffix_len = strlen(suffix);
	char *path;

	if (len <= suffix_len || strcmp(output->path + len - suffix_len, suffix)) {
		suffix = "";
		suffix_len = 0;
	}
	if (asprintf(&path, "%.*s.%u%s", (int)(len - suffix_len), output->path, n, suffix) < 0)
		return NULL;
	return path;
}

static int write_interim(const struct arguments *args, const struct recorder *recorder, unsigned int n,
			 struct error *error)
{
	struct cli_output output = args->output;
	struct recorder_summary summary;
	struct profile *profile;
	char *path = interim_path(&args->output, n);
	int err = path ? read_profile(recorder, &summary, &profile, error)
		       : error__set(error, -ENOMEM, "failed to write a profile: out of memory");

	if (!err) {
		output.path = path;
		err = cli_output__write(&output, profile, error);
		profile__free(profile);
	}
	if (!err)
		say("wrote %s; the recording goes on", path);
	free(path);
	return err;
}

/* Writes one if it is due. What goes wrong is said; the recording is worth more than this profile. */
static void take_interim(struct interim *interim, const struct arguments *args, struct recorder *recorder)
{
	struct error error = {};

	if (seconds_now() < interim->next_s)
		return;
	interim->next_s = args->every_s ? seconds_now() + args->every_s : NEVER;
	if (!args->output.path) {
		say("no profile for SIGUSR1: there is no file to write it to");
		say_hint("start the recording with -o FILE");
		return;
	}
	recorder__take_stock(recorder);
	if (write_interim(args, recorder, ++interim->n, &error))
		report_error(&error);
}

/* --- running ----------------------------------------------------------------------------------------- */

static const int passed_on[] = {SIGQUIT, SIGUSR2};

static bool is_ignored(int number)
{
	struct sigaction action;

	return !sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN;
}

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
	/* nohup means it: the recording outlives the terminal. */
	if (!is_ignored(SIGHUP))
		sigaddset(&set, SIGHUP);
	for (size_t i = 0; of_command && i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&set, passed_on[i]);
	/* For an interim profile; of a command it is the command's. */
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void pass_over(int number)
{
}

/*
 * From here on a second Ctrl-C means it: nothing is left to lose but the writing. If the recording has ended
 * by itself, the first is yet to come.
 */
static void release_signals(int signals, bool interrupted)
{
	static const int first[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction once = {.sa_handler = pass_over, .sa_flags = SA_RESETHAND | SA_RESTART};
	struct signalfd_siginfo info;
	sigset_t set;

	while (read(signals, &info, sizeof(info)) > 0)
		interrupted = interrupted || info.ssi_signo != SIGUSR1;
	for (size_t i = 0; !interrupted && i < sizeof(first) / sizeof(first[0]); i++)
		if (!is_ignored(first[i]))
			sigaction(first[i], &once, NULL);
	sigfillset(&set);
	sigdelset(&set, SIGUSR1); /* wants a profile, which is on its way */
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Whether a signal has come that ends the recording; SIGUSR1 makes an interim profile due. */
static bool has_ended(int signals, struct interim *interim)
{
	struct signalfd_siginfo info;
	bool ended = false;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			interim->next_s = 0;
		else
			ended = true;
	}
	return ended;
}

static void run(struct recorder *recorder, const struct arguments *args, const struct launch *launch,
		int signals)
{
	double end = args->duration_s > 0 ? seconds_now() + args->duration_s : NEVER;
	struct interim interim = {.next_s = args->every_s ? seconds_now() + args->every_s : NEVER};
	bool interactive = isatty(STDERR_FILENO) && !launch; /* the terminal is the command's own */
	bool allocator_told = false, failure_told = false, interrupted = false;
	struct status status = {};

	for (;;) {
		struct pollfd fds[] = {
			{.fd = signals, .events = POLLIN},
			{.fd = recorder__pidfd(recorder), .events = POLLIN},
		};
		double left_ms = (end - seconds_now()) * 1000;
		int wait_ms = recorder__wait_ms(recorder);

		allocator_told = allocator_told || announce_allocator(recorder, args);
		failure_told = failure_told || announce_failure(recorder);
		if (left_ms <= 0 || poll(fds, 2, left_ms < wait_ms ? (int)left_ms + 1 : wait_ms) < 0)
			break;
		if (launch)
			launch__forward(launch, signals);
		interrupted = !launch && has_ended(signals, &interim);
		if (interrupted || recorder__tick(recorder))
			break;
		take_interim(&interim, args, recorder);
		if (interactive)
			print_status(&status, recorder);
	}
	if (status.shown)
		fprintf(stderr, "\r\033[K");
	if (!launch || launch__has_ended(launch))
		release_signals(signals, interrupted);
}

static int __attribute__((format(printf, 2, 0)))
print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
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

static struct sandbox_outcome enter_sandbox(const struct recorder *recorder, const struct arguments *args,
					    const struct launch *launch)
{
	const struct sandbox_needs needs = {
		.rest = launch ? SANDBOX_RECORD_COMMAND : SANDBOX_RECORD,
		.outputs = {args->output.path, args->stats_path},
		.reads_by_ptrace = recorder__reads_by_ptrace(recorder),
		.command_pidfd = launch ? launch__pidfd(launch) : -1,
	};

	return sandbox__enter(&needs);
}

int record__see_through(struct recorder *recorder, const struct arguments *args, const struct launch *launch,
			int signals, struct error *error)
{
	struct sandbox_outcome sandbox = enter_sandbox(recorder, args, launch);
	int err;

	announce(recorder, args, &sandbox);
	run(recorder, args, launch, signals);
	recorder__stop(recorder);
	err = write_results(args, recorder, error);
	recorder__free(recorder);
	return err;
}

/* Only the recorder's errors can mean that something cannot be traced: a file that is not for us is a
 * failure. */
static enum exit_status record(const struct arguments *args, struct error *error)
{
	enum exit_status status = STATUS_FAILURE;
	struct recorder *recorder;
	int signals = record__open_signals(false), err;

	if (!record__check_outputs(args, error)) {
		err = recorder__open(&args->recorder, &recorder, error);
		if (err)
			status = error_status(err);
		else if (!record__see_through(recorder, args, NULL, signals, error))
			status = STATUS_OK;
	}
	close(signals);
	return status;
}

int cmd_record(int argc, char **argv)
{
	struct arguments args;
	struct error error = {};
	enum exit_status status;

	record__parse(argc, argv, &args);
	libbpf_set_print(args.verbose ? print_libbpf : NULL);
	if (args.command)
		return record__command(&args);
	status = record(&args, &error);
	if (status)
		report_error(&error);
	return status;
}
