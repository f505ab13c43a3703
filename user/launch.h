/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_LAUNCH_H
#define LINGER_LAUNCH_H

#include <stdbool.h>

#include "error.h"
#include "recorder.h"

/*
 * A command that linger starts, so that it is recorded from its first allocation. It is never killed: what
 * fails about the recording leaves it running.
 */
struct launch;

/* Forks; the child waits for launch__run. 0 or a negative errno. */
int launch__new(char *const *command, struct launch **ret_launch, struct error *error);
void launch__free(struct launch *launch);

/* Becomes the command. -ENOENT: there is none; other errors: it cannot be executed. */
int launch__run(struct launch *launch, struct error *error);

/*
 * Waits until the command is a Python interpreter about to start, and opens a recording of it; then it goes
 * on. An error comes with a sentence, and the command goes on unrecorded. `signals` is a signalfd.
 */
int launch__record(struct launch *launch, int signals, const struct recorder_options *options,
		   struct recorder **ret_recorder, struct error *error);

/* Passes on what has arrived at a signalfd, but for what the terminal has sent to the command as well. */
void launch__forward(const struct launch *launch, int signals);

int launch__pidfd(const struct launch *launch);
bool launch__has_ended(const struct launch *launch);

/* Waits for the command to end, passing on signals. Its exit status as shells have it: 128+N for signal N. */
int launch__wait(struct launch *launch, int signals);

#endif /* LINGER_LAUNCH_H */
