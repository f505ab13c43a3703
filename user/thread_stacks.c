// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "thread_stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack_reader.h"
#include "tasks.h"
#include "thread_states.h"

struct reading {
	const struct python *python;
	struct memory_reader *reader;
	struct stack_reader *stack_reader;
	struct task *tasks;
	size_t n_tasks;
	struct thread_stacks stacks;
};

/* --- one thread -------------------------------------------------------------------------------------- */

/* Frames that are only being set up are left out, as in tracebacks. */
static int resolve_frames(struct reading *reading, const struct python_stack *stack,
			  struct thread_stack *ret_thread)
{
	ret_thread->frames = calloc(stack->n_frames + 1, sizeof(*ret_thread->frames));
	ret_thread->places = calloc(stack->n_frames + 1, sizeof(*ret_thread->places));
	if (!ret_thread->frames || !ret_thread->places)
		return -ENOMEM;
	for (size_t i = 0; i < stack->n_frames; i++) {
		const struct stack_frame *frame = &stack->frames[i];
		const struct code_object *code = code_cache__find(
			&reading->stacks.codes, &reading->python->layout, reading->reader, frame->code);

		if (!code)
			return -ENOMEM;
		if (!code_object__has_started(code, frame->instr))
			continue;
		ret_thread->places[ret_thread->n_frames] = *frame;
		ret_thread->frames[ret_thread->n_frames++] =
			code_object__frame(code, &reading->python->layout, frame->instr);
	}
	return 0;
}

static void add_task(const struct reading *reading, pid_t inner_id, struct thread_stack *thread)
{
	const struct task *task = tasks__find(reading->tasks, reading->n_tasks, inner_id);

	if (!task)
		return;
	thread->native_id = task->id;
	thread->is_running = task->is_running;
	memcpy(thread->name, task->name, sizeof(thread->name));
}

static int read_thread(struct reading *reading, const struct thread_state *state,
		       struct thread_stack *ret_thread)
{
	struct python_stack stack;
	int err;

	add_task(reading, state->native_id, ret_thread);
	err = stack_reader__read(reading->stack_reader, state->address, ret_thread->native_id, &stack);
	if (err && err != -EAGAIN)
		return err;
	ret_thread->thread_id = state->thread_id;
	ret_thread->holds_gil = state->holds_gil;
	ret_thread->is_torn = err;
	reading->stacks.n_torn += ret_thread->is_torn;
	if (ret_thread->is_torn)
		return 0;
	ret_thread->truncated = stack.truncated;
	return resolve_frames(reading, &stack, ret_thread);
}

/* --- all threads ------------------------------------------------------------------------------------- */

static int read_threads(struct reading *reading, const struct thread_state *states, size_t n)
{
	int err = 0;

	reading->stacks.threads = calloc(n + 1, sizeof(*reading->stacks.threads));
	if (!reading->stacks.threads)
		return -ENOMEM;
	for (size_t i = 0; i < n && !err; i++)
		err = read_thread(reading, &states[i], &reading->stacks.threads[reading->stacks.n_threads++]);
	return err;
}

static int list_threads(struct reading *reading, const struct target *target,
			struct thread_state **ret_states, size_t *ret_n, struct error *error)
{
	int err = thread_states__list(reading->python, reading->reader, ret_states, ret_n, error);

	if (err)
		return err;
	err = tasks__list(target, &reading->tasks, &reading->n_tasks);
	if (!err)
		return 0;
	free(*ret_states);
	return error__set(error, err, "failed to list the threads of process %d: %s", target__pid(target),
			  strerror(-err));
}

static int read_stacks(struct reading *reading, const struct target *target, struct error *error)
{
	struct thread_state *states;
	size_t n;
	int err = list_threads(reading, target, &states, &n, error);

	if (!err) {
		err = read_threads(reading, states, n);
		free(states);
		if (err)
			error__set(error, err, "failed to read the stacks of process %d: %s",
				   target__pid(target), strerror(-err));
	}
	if (!err)
		err = async_tasks__read(target, reading->reader, reading->python, &reading->stacks.codes,
					&reading->stacks.tasks, error);
	/* Then it does not matter what failed, or what looks torn. */
	if (!target__has_memory(target))
		return error__set(error, -ESRCH, "failed to read the stacks of process %d: it has just ended",
				  target__pid(target));
	return err;
}

int thread_stacks__read(const struct target *target, struct memory_reader *reader,
			const struct python *python, struct stack_sampler *sampler,
			struct thread_stacks *ret_stacks, struct error *error)
{
	struct reading reading = {
		.python = python,
		.reader = reader,
		.stack_reader = stack_reader__new(reader, python, sampler),
		.stacks.pid = target__pid(target),
	};
	int err = reading.stack_reader ? read_stacks(&reading, target, error)
				       : error__set(error, -ENOMEM, "failed to read stacks: out of memory");

	memcpy(reading.stacks.python_version, python->version, sizeof(python->version));
	stack_reader__free(reading.stack_reader);
	free(reading.tasks);
	if (err)
		thread_stacks__free(&reading.stacks);
	else
		*ret_stacks = reading.stacks;
	return err;
}

int thread_stacks__read_locals(struct thread_stacks *stacks, struct locals_reader *reader)
{
	int err = 0;

	for (size_t i = 0; i < stacks->n_threads && !err; i++) {
		struct thread_stack *thread = &stacks->threads[i];

		err = frame_locals__read_all(reader, thread->places, thread->n_frames, &thread->locals);
	}
	for (size_t i = 0; i < stacks->tasks.n && !err; i++) {
		struct async_task *task = &stacks->tasks.tasks[i];

		err = frame_locals__read_all(reader, task->places, task->n_frames, &task->locals);
	}
	return err;
}

static void free_thread(struct thread_stack *thread)
{
	frame_locals__free_all(thread->locals, thread->n_frames);
	free(thread->places);
	free(thread->frames);
}

void thread_stacks__free(struct thread_stacks *stacks)
{
	for (size_t i = 0; i < stacks->n_threads; i++)
		free_thread(&stacks->threads[i]);
	free(stacks->threads);
	async_tasks__free(&stacks->tasks);
	code_cache__free(&stacks->codes);
	*stacks = (struct thread_stacks){};
}
