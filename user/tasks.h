/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TASKS_H
#define LINGER_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/types.h>

#include "target.h"
#include "trace.h"

/* A thread as the kernel knows it. */
struct task {
	pid_t id;       /* in our pid namespace */
	pid_t inner_id; /* in the target's own: what gettid() tells it */
	bool is_running;
	char name[LINGER_THREAD_NAME_BYTES];
};

/* The threads of this moment, for free(). 0, -ESRCH, -EACCES, -ENOMEM. */
int tasks__list(const struct target *target, struct task **ret_tasks, size_t *ret_n);

/* The task with this id in the target's own pid namespace, or NULL. */
const struct task *tasks__find(const struct task *tasks, size_t n, pid_t inner_id);

#endif /* LINGER_TASKS_H */
