// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tasks.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"

#define MAX_TASKS 65536

static FILE *open_file(const struct target *target, pid_t id, const char *name)
{
	char path[64];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "task/%d/%s", id, name);
	fd = target__open_proc(target, path);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* "NSpid:" lists the ids from our pid namespace inwards. */
static void parse_status(const char *line, struct task *task)
{
	const char *last;
	char state;

	if (sscanf(line, "State: %c", &state) == 1)
		task->is_running = state == 'R';
	if (strncmp(line, "NSpid:", strlen("NSpid:")))
		return;
	last = strrchr(line, '\t');
	task->inner_id = last ? atoi(last + 1) : task->id;
}

/* False if it has ended. */
static bool read_task(const struct target *target, struct task *task)
{
	FILE *status = open_file(target, task->id, "status"), *name = open_file(target, task->id, "comm");
	char line[256];

	while (status && fgets(line, sizeof(line), status))
		parse_status(line, task);
	if (name)
		task->name[fread(task->name, 1, sizeof(task->name) - 1, name)] = 0;
	task->name[strcspn(task->name, "\n")] = 0;
	if (status)
		fclose(status);
	if (name)
		fclose(name);
	return task->inner_id;
}

static int read_tasks(const struct target *target, DIR *directory, struct task **tasks, size_t *n)
{
	size_t capacity = 0;

	for (struct dirent *entry; *n < MAX_TASKS && (entry = readdir(directory));) {
		struct task task = {.id = atoi(entry->d_name)};
		struct task *grown = array__grow(*tasks, *n, &capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*tasks = grown;
		if (task.id > 0 && read_task(target, &task))
			(*tasks)[(*n)++] = task;
	}
	return *n ? 0 : -ESRCH;
}

static int compare_inner_ids(const void *a, const void *b)
{
	const struct task *x = a, *y = b;

	return (x->inner_id > y->inner_id) - (x->inner_id < y->inner_id);
}

int tasks__list(const struct target *target, struct task **ret_tasks, size_t *ret_n)
{
	int fd = target__open_proc(target, "task"), err;
	struct task *tasks = NULL;
	DIR *directory;
	size_t n = 0;

	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return -ENOMEM;
	}
	err = read_tasks(target, directory, &tasks, &n);
	closedir(directory);
	if (err) {
		free(tasks);
		return err;
	}
	qsort(tasks, n, sizeof(*tasks), compare_inner_ids);
	*ret_tasks = tasks;
	*ret_n = n;
	return 0;
}

const struct task *tasks__find(const struct task *tasks, size_t n, pid_t inner_id)
{
	const struct task wanted = {.inner_id = inner_id};

	return bsearch(&wanted, tasks, n, sizeof(*tasks), compare_inner_ids);
}
