// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_record.h"

/* Reports linger's own failures at once, and waits for the command whatever becomes of the recording. */
static int accompany(struct launch *launch, const struct arguments *args, int signals)
{
	struct recorder *recorder;
	struct error error = {};
	int err = launch__record(launch, signals, &args->recorder, &recorder, &error), status;
	enum exit_status mine = err ? error_status(err) : STATUS_OK;

	if (!err && record__see_through(recorder, args, launch, signals, &error))
		mine = STATUS_FAILURE;
	if (mine)
		report_error(&error);
	else if (!launch__has_ended(launch))
		say("the program runs on; linger waits for it, to pass on its exit status");
	status = launch__wait(launch, signals);
	return status ? status : (int)mine;
}

static int run_command(struct launch *launch, const struct arguments *args)
{
	int signals = record__open_signals(true), status;
	struct error error = {};
	int err = launch__run(launch, &error);

	if (err) {
		report_error(&error);
		status = err == -ENOENT ? STATUS_NO_COMMAND : STATUS_CANNOT_EXECUTE;
	} else {
		status = accompany(launch, args, signals);
	}
	close(signals);
	return status;
}

int record__command(const struct arguments *args)
{
	struct error error = {};
	struct launch *launch;
	int err, status;

	if (record__check_outputs(args, &error)) {
		report_error(&error);
		return STATUS_FAILURE;
	}
	err = recorder__check(&args->recorder, &error);
	if (!err)
		err = launch__new(args->command, &launch, &error);
	if (err) {
		report_error(&error);
		return error_status(err);
	}
	status = run_command(launch, args);
	launch__free(launch);
	return status;
}
