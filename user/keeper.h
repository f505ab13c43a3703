/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_KEEPER_H
#define LINGER_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * A process that attaches probes, keeps them, and takes them out by ending.
 *
 * To put a breakpoint into a process or to take one out the kernel gets hold of a page of it, which it
 * refuses to do for a thread that is about to be killed. Then it says "failed to unregister, leaking uprobe",
 * and the breakpoints stay in the target for as long as it runs: a SIGKILL, or a second Ctrl-C, in the
 * milliseconds of detaching would leave hundreds of them. While a process ends no signal reaches it any more.
 * So a probe is taken out by the end of the process that keeps it, which ends when linger closes its end of a
 * socket or is gone itself.
 *
 * What remains is a SIGKILL for that process while it attaches. It has its own session, so that it does not
 * share in what is meant for linger or for the terminal's processes, and blocks what can be blocked.
 */
struct keeper {
	pid_t pid;
	int line;    /* the socket */
	void *stack; /* it shares linger's memory: copying that would cost more than the probes */
};

/* attach returns the descriptor of a link, or a negative errno, which is returned; as is -EOWNERDEAD when the
 * process was killed meanwhile. */
int keeper__start(int (*attach)(const void *arg), const void *arg, struct keeper *ret_keeper);

/* Lets it end. */
void keeper__release(struct keeper *keeper);

/* Until it has ended, and the probes with it. False: it had been killed before. */
bool keeper__wait(struct keeper *keeper);

#endif /* LINGER_KEEPER_H */
