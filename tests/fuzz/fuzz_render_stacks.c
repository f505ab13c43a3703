// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is written of threads, tasks and objects: their names, frames, local variables and previews. */
#include <string.h>

#include "check.h"
#include "fake_profile.h"
#include "fuzz.h"
#include "render_get.h"
#include "render_stacks.h"

#define MAX_LOCALS 4
#define MAX_THREADS 4
#define MAX_TASKS 4

static struct preview make_preview(struct input *input)
{
	return (struct preview){
		.type = input__text(input),
		.text = input__text(input),
		.has_length = input__below(input, 2),
		.length = input__number(input),
	};
}

static struct frame_locals make_frame_locals(struct input *input)
{
	struct frame_locals locals = {.is_torn = input__below(input, 2)};

	if (locals.is_torn)
		return locals;
	locals.n = input__below(input, MAX_LOCALS);
	locals.locals = input__array(input, locals.n, sizeof(*locals.locals));
	for (size_t i = 0; i < locals.n; i++) {
		locals.locals[i].name = input__text(input);
		if (input__below(input, 4))
			locals.locals[i].preview = make_preview(input);
	}
	return locals;
}

/* Of each frame, or of none. */
static struct frame_locals *make_locals(struct input *input, size_t n)
{
	struct frame_locals *locals = input__array(input, n, sizeof(*locals));

	if (!input__below(input, 2))
		return NULL;
	for (size_t i = 0; i < n; i++)
		locals[i] = make_frame_locals(input);
	return locals;
}

static struct thread_stack make_thread(struct input *input)
{
	struct thread_stack thread = {
		.thread_id = input__number(input),
		.native_id = input__number(input),
		.is_running = input__below(input, 2),
		.holds_gil = input__below(input, 2),
		.is_torn = input__below(input, 2),
		.truncated = input__below(input, 2),
	};

	strncpy(thread.name, input__text(input), sizeof(thread.name) - 1);
	thread.frames = fake_profile__frames(input, &thread.n_frames);
	thread.locals = make_locals(input, thread.n_frames);
	return thread;
}

static struct async_task make_task(struct input *input)
{
	struct async_task task = {
		.address = input__number(input),
		.name = input__optional_text(input),
		.state = input__below(input, ASYNC_RUNNING + 1),
		.is_torn = input__below(input, 2),
		.truncated = input__below(input, 2),
		.future = input__number(input),
		.future_type = input__optional_text(input),
		.future_name = input__optional_text(input),
	};

	task.frames = fake_profile__frames(input, &task.n_frames);
	task.locals = make_locals(input, task.n_frames);
	return task;
}

static struct thread_stacks make_stacks(struct input *input)
{
	struct thread_stacks stacks = {
		.pid = input__number(input),
		.python_version = "3.11.2",
		.n_threads = input__below(input, MAX_THREADS),
		.n_torn = input__number(input),
		.tasks =
			{
				.n = input__below(input, MAX_TASKS),
				.n_torn = input__number(input),
				.n_left_out = input__number(input),
				.n_unread_blocks = input__number(input),
				.no_pools = input__below(input, 2),
			},
	};

	stacks.threads = input__array(input, stacks.n_threads, sizeof(*stacks.threads));
	stacks.tasks.tasks = input__array(input, stacks.tasks.n, sizeof(*stacks.tasks.tasks));
	for (size_t i = 0; i < stacks.n_threads; i++)
		stacks.threads[i] = make_thread(input);
	for (size_t i = 0; i < stacks.tasks.n; i++)
		stacks.tasks.tasks[i] = make_task(input);
	return stacks;
}

static void check_stacks(struct input *input)
{
	struct thread_stacks stacks = make_stacks(input);
	struct page page;

	page__open(&page);
	page__finish(&page, render_stacks_text(&stacks, page.out));
	check__text(&page);
	page__free(&page);
	page__open(&page);
	page__finish(&page, render_stacks_json(&stacks, page.out));
	check__json(&page);
	page__free(&page);
}

static void check_object(struct input *input)
{
	struct found_object found = {
		.name = input__text(input),
		.address = input__number(input),
		.size_bytes = input__number(input),
		.preview = make_preview(input),
	};
	struct page page;

	page__open(&page);
	page__finish(&page, render_get_text(&found, page.out));
	check__text(&page);
	page__free(&page);
	page__open(&page);
	page__finish(&page, render_get_json(&found, page.out));
	check__json(&page);
	page__free(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, n};

	check_object(&input);
	check_stacks(&input);
	input__free(&input);
	return 0;
}

void fuzz__add_seeds(void)
{
	input__add_seed();
}
