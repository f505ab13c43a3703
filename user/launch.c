// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gate.h"

/* So long a command may take to become a Python interpreter; meanwhile every opening of libc on the machine
 * takes a little longer. */
#define PATIENCE_MS 30000

struct launch {
	const char *name;
	pid_t pid;
	int pidfd;
	int go;      /* pipe: a byte lets the child execute the command */
	int failure; /* pipe: the errno of an exec that failed */
	struct gate *gate;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* --- starting ---------------------------------------------------------------------------------------- */

static _Noreturn void become(char *const *command, int go, int failure)
{
	char order;
	int err;

	if (read(go, &order, 1) != 1)
		_exit(1); /* linger has ended, and said why */
	execvp(command[0], command);
	err = errno;
	if (write(failure, &err, sizeof(err)) < 0)
		_exit(1);
	_exit(1);
}

/* Before linger changes anything that a child inherits, signals above all. */
static int fork_child(struct launch *launch, char *const *command)
{
	int go[2], failure[2];

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(failure, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return -errno;
	}
	launch->pid = fork();
	if (launch->pid == 0) {
		close(go[1]);
		become(command, go[0], failure[1]);
	}
	close(go[0]);
	close(failure[1]);
	launch->go = go[1];
	launch->failure = failure[0];
	if (launch->pid < 0)
		return -errno;
	launch->pidfd = syscall(SYS_pidfd_open, launch->pid, 0);
	return launch->pidfd < 0 ? -errno : 0;
}

int launch__new(char *const *command, struct launch **ret_launch, struct error *error)
{
	struct launch *launch = calloc(1, sizeof(*launch));
	int err;

	if (!launch)
		return error__set(error, -ENOMEM, "failed to run '%s': out of memory", command[0]);
	launch->name = command[0];
	launch->pid = launch->pidfd = launch->go = launch->failure = -1;
	err = fork_child(launch, command);
	if (err)
		error__set(error, err, "failed to run '%s': %s", command[0], strerror(-err));
	else
		err = gate__open(launch->pid, command + 1, &launch->gate, error);
	if (err) {
		launch__free(launch);
		return err;
	}
	*ret_launch = launch;
	return 0;
}

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void launch__free(struct launch *launch)
{
	if (!launch)
		return;
	gate__free(launch->gate);
	close_if_open(&launch->go); /* a child that still waits ends */
	close_if_open(&launch->failure);
	close_if_open(&launch->pidfd);
	if (launch->pid > 0)
		waitpid(launch->pid, NULL, 0);
	free(launch);
}

int launch__run(struct launch *launch, struct error *error)
{
	int err = 0;

	if (write(launch->go, "", 1) != 1)
		return error__set(error, -errno, "failed to run '%s': %s", launch->name, strerror(errno));
	/* Ends when exec has closed the other end. */
	if (read(launch->failure, &err, sizeof(err)) != sizeof(err))
		return 0;
	return error__set(error, -err, "failed to run '%s': %s", launch->name, strerror(err));
}

/* --- signals and the end ----------------------------------------------------------------------------- */

/*
 * A terminal sends Ctrl-C and its like to all of the group in the foreground, so the command has it already;
 * what somebody has sent to linger alone is meant for the command.
 */
void launch__forward(const struct launch *launch, int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_code != SI_KERNEL)
			syscall(SYS_pidfd_send_signal, launch->pidfd, (int)info.ssi_signo, NULL, 0);
}

int launch__pidfd(const struct launch *launch)
{
	return launch->pidfd;
}

bool launch__has_ended(const struct launch *launch)
{
	struct pollfd pollfd = {.fd = launch->pidfd, .events = POLLIN};

	return poll(&pollfd, 1, 0) == 1;
}

int launch__wait(struct launch *launch, int signals)
{
	struct pollfd fds[] = {
		{.fd = signals, .events = POLLIN},
		{.fd = launch->pidfd, .events = POLLIN},
	};
	int status = 0;

	while (!launch__has_ended(launch)) {
		poll(fds, 2, -1);
		launch__forward(launch, signals);
	}
	waitpid(launch->pid, &status, 0);
	launch->pid = -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- at the gate ------------------------------------------------------------------------------------- */

static int ended_unseen(const struct launch *launch, struct error *error)
{
	error__set(error, -EOPNOTSUPP, "failed to record '%s': it ended and was never seen to start Python",
		   launch->name);
	error__hint(error,
		    "COMMAND itself has to become Python, with the C library that linger uses: no static "
		    "or musl program, no child process; those can be recorded with -p");
	return -EOPNOTSUPP;
}

static int out_of_patience(const struct launch *launch, struct error *error)
{
	error__set(error, -EOPNOTSUPP,
		   "failed to record '%s': it did not start Python within %d s; it runs on", launch->name,
		   PATIENCE_MS / 1000);
	error__hint(error, "record it with -p when it has");
	return -EOPNOTSUPP;
}

/* Somebody has come to the gate: 0, -ENOEXEC (not Python, and let through), other errors. */
static int try_recording(struct launch *launch, const struct recorder_options *options,
			 struct recorder **ret_recorder, struct error *error)
{
	struct recorder_options here = *options;
	int err = gate__arrived(launch->gate, &here.libc_file);

	if (err)
		return error__set(error, err, "failed to record '%s': linger's gate was taken away",
				  launch->name);
	err = recorder__open(&here, ret_recorder, error);
	close(here.libc_file);
	if (err == -ENOEXEC)
		gate__let_through(launch->gate);
	return err;
}

static int await_python(struct launch *launch, int signals, const struct recorder_options *options,
			struct recorder **ret_recorder, struct error *error)
{
	struct pollfd fds[] = {
		{.fd = signals, .events = POLLIN},
		{.fd = gate__fd(launch->gate), .events = POLLIN},
		{.fd = launch->pidfd, .events = POLLIN},
	};
	int64_t end = now_ms() + PATIENCE_MS;
	int err = -ENOEXEC;

	while (err == -ENOEXEC) {
		int64_t left = end - now_ms();

		if (left <= 0 || poll(fds, 3, left) == 0)
			return out_of_patience(launch, error);
		launch__forward(launch, signals);
		if (launch__has_ended(launch))
			return ended_unseen(launch, error);
		if (fds[1].revents)
			err = try_recording(launch, options, ret_recorder, error);
	}
	return err;
}

int launch__record(struct launch *launch, int signals, const struct recorder_options *options,
		   struct recorder **ret_recorder, struct error *error)
{
	struct recorder_options mine = *options;
	int err;

	mine.pid = launch->pid;
	err = await_python(launch, signals, &mine, ret_recorder, error);
	gate__free(launch->gate);
	launch->gate = NULL;
	return err;
}
