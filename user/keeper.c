// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "keeper.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

#define STACK_BYTES (256 * 1024)

/* Where the process has what it keeps; every other descriptor is closed, or who waits for the end of a pipe
 * or for a lock would wait for it too. */
enum { LINK_FD, LINE_FD, FIRST_OTHER_FD };

struct start {
	int (*attach)(const void *arg);
	const void *arg;
	int line;
};

/* Once it has told how it went, linger goes on in the same memory: nothing is done here then but system
 * calls. */
static int keep(void *arg)
{
	const struct start *start = arg;
	int line = start->line, link, err;
	sigset_t all;
	char byte;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "linger-probes");
	link = start->attach(start->arg);
	err = link < 0 ? link : 0;
	sandbox__enter_as_keeper();
	if (!err && (dup2(link, LINK_FD) < 0 || dup2(line, LINE_FD) < 0))
		err = -errno;
	if (!err) {
		close_range(FIRST_OTHER_FD, UINT_MAX, 0);
		line = LINE_FD;
	}
	if (send(line, &err, sizeof(err), MSG_NOSIGNAL) == sizeof(err) && !err)
		recv(line, &byte, 1, 0);
	_exit(0);
}

static int await_start(struct keeper *keeper)
{
	int err;
	ssize_t n;

	do
		n = read(keeper->line, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	return n == sizeof(err) ? err : -EOWNERDEAD;
}

static int start(struct start *start, struct keeper *keeper)
{
	keeper->stack = malloc(STACK_BYTES);
	if (!keeper->stack)
		return -ENOMEM;
	keeper->pid = clone(keep, (char *)keeper->stack + STACK_BYTES, CLONE_VM | SIGCHLD, start);
	if (keeper->pid >= 0)
		return 0;
	free(keeper->stack);
	return -errno;
}

int keeper__start(int (*attach)(const void *arg), const void *arg, struct keeper *ret_keeper)
{
	struct keeper keeper;
	int line[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line))
		return -errno;
	keeper.line = line[0];
	err = start(&(struct start){.attach = attach, .arg = arg, .line = line[1]}, &keeper);
	close(line[1]);
	if (err) {
		close(line[0]);
		return err;
	}
	err = await_start(&keeper);
	if (err) {
		keeper__release(&keeper);
		keeper__wait(&keeper);
		return err;
	}
	*ret_keeper = keeper;
	return 0;
}

void keeper__release(struct keeper *keeper)
{
	close(keeper->line);
}

bool keeper__wait(struct keeper *keeper)
{
	int status = 0;

	while (waitpid(keeper->pid, &status, 0) < 0 && errno == EINTR)
		;
	free(keeper->stack);
	return WIFEXITED(status);
}
