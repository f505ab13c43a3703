/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CMD_RECORD_H
#define LINGER_CMD_RECORD_H

#include <stdbool.h>

#include "cli_output.h"
#include "launch.h"
#include "recorder.h"

/* What `linger record` with -p and with a command have in common. */

enum record_mode {
	MODE_SAMPLED,
	MODE_EXACT,
	MODE_MAPPING,
};

struct arguments {
	struct recorder_options recorder;
	char **command;    /* to start and record; NULL: recorder.pid is */
	double duration_s; /* 0: until Ctrl-C */
	struct cli_output output;
	double every_s; /* write an interim profile so often; 0: not */
	const char *stats_path;
	bool verbose;
	enum record_mode mode;
	const char *only_sampled, *only_exact; /* an option that was given and is for that mode; or NULL */
};

/* Ends the program with a sentence when the usage is wrong. */
void record__parse(int argc, char **argv, struct arguments *ret_args);

/* Whether the files to be written can be. 0 or an error with its sentence. */
int record__check_outputs(const struct arguments *args, struct error *error);

/* Blocks the signals that end a recording or, of a command, are passed on to it. A signalfd. */
int record__open_signals(bool of_command);

/* To the end of the recording and its results; the recorder is used up. The launch is NULL for -p. */
int record__see_through(struct recorder *recorder, const struct arguments *args, const struct launch *launch,
			int signals, struct error *error);

/* What the profile left out: noted in the profile for whoever reads it, said with what to do about it to
 * whoever records; in cmd_record_notes.c. */
void record__add_notes(struct profile *profile, const struct recorder_summary *summary);
void record__say_losses(const struct recorder_summary *summary);

/* `linger record COMMAND`, in cmd_record_command.c. Returns an exit status. */
int record__command(const struct arguments *args);

#endif /* LINGER_CMD_RECORD_H */
