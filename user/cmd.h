/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CMD_H
#define LINGER_CMD_H

#include <argp.h>
#include <sys/types.h>

#include "error.h"

/* Exit statuses of linger, as linger.8 documents them. */
enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILURE = 1,
	STATUS_UNSUPPORTED = 2, /* this target, this kernel or this user; also wrong usage */
	/* As env(1) has them. */
	STATUS_CANNOT_EXECUTE = 126,
	STATUS_NO_COMMAND = 127,
};

/* One subcommand; argv[0] is "linger NAME". Returns an exit status. */
struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int cmd_record(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_census(int argc, char **argv);
int cmd_stacks(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* An argument of an option: a whole number from min to max; "'TEXT' is not WHAT" ends linger. */
long parse_number(struct argp_state *state, const char *text, long min, long max, const char *what);
pid_t parse_pid(struct argp_state *state, const char *text);

/*
 * A line each: "linger: ..." and "hint: ..." on stderr, and one on stdout. Paths and names of the target may
 * be in them; they are cleaned as in all outputs.
 */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says the message and the hint. */
void report_error(const struct error *error);

/* The exit status that a module's error calls for. */
enum exit_status error_status(int err);

#endif /* LINGER_CMD_H */
