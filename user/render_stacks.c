// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "render_stacks.h"

#include <inttypes.h>

#include <jansson.h>

#include "render_common.h"
#include "stats_json.h"

/* --- text -------------------------------------------------------------------------------------------- */

static const char *run_state(const struct thread_stack *thread)
{
	return thread->is_running ? "running" : "idle";
}

static void put_header(const struct thread_stack *thread, FILE *out)
{
	fprintf(out, "Thread 0x%016" PRIx64, thread->thread_id);
	if (thread->native_id) {
		fputs(" \"", out);
		render_string(out, thread->name, render_put_utf8);
		fprintf(out, "\" (native id %d, %s%s)\n", thread->native_id, run_state(thread),
			thread->holds_gil ? ", holds the GIL" : "");
	} else {
		fprintf(out, " (native id not known%s)\n", thread->holds_gil ? ", holds the GIL" : "");
	}
}

static void put_pseudo_frame(const char *name, FILE *out)
{
	fprintf(out, "  %s\n", name);
}

/* A value that was changing has no text. */
static void put_local(const struct frame_local *local, FILE *out)
{
	fputs("      ", out);
	render_string(out, local->name, render_put_utf8);
	if (local->preview.text) {
		fputs(": ", out);
		render_string(out, local->preview.type, render_put_utf8);
		fputs(" = ", out);
		render_string(out, local->preview.text, render_put_utf8);
	} else {
		fputs(" [torn]", out);
	}
	putc('\n', out);
}

static void put_locals(const struct frame_locals *locals, FILE *out)
{
	if (locals->is_torn)
		fputs("      [torn]\n", out);
	for (size_t i = 0; i < locals->n; i++)
		put_local(&locals->locals[i], out);
}

static void put_frames(const struct profile_frame *frames, const struct frame_locals *locals, size_t n,
		       bool truncated, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		fputs("  ", out);
		render_frame(out, &frames[i], render_put_utf8);
		putc('\n', out);
		if (locals)
			put_locals(&locals[i], out);
	}
	if (truncated)
		put_pseudo_frame("[truncated]", out);
	putc('\n', out);
}

static void put_thread(const struct thread_stack *thread, FILE *out)
{
	put_header(thread, out);
	if (thread->is_torn)
		put_pseudo_frame("[torn]", out);
	else if (!thread->n_frames)
		put_pseudo_frame("[no Python frame]", out);
	put_frames(thread->frames, thread->locals, thread->n_frames, thread->truncated, out);
}

static const char *state_name(enum async_state state)
{
	static const char *const names[] = {
		[ASYNC_READY] = "ready",
		[ASYNC_WAITING] = "waiting",
		[ASYNC_RUNNING] = "running",
	};

	return names[state];
}

static void put_name(const char *name, FILE *out)
{
	putc('"', out);
	render_string(out, name ? name : "[unknown]", render_put_utf8);
	putc('"', out);
}

static void put_future(const struct async_task *task, FILE *out)
{
	fputs(" for ", out);
	render_string(out, task->future_type ? task->future_type : "[unknown]", render_put_utf8);
	putc(' ', out);
	if (task->future_name)
		put_name(task->future_name, out);
	else
		fprintf(out, "at 0x%" PRIx64, task->future);
}

static void put_task(const struct async_task *task, FILE *out)
{
	if (task->is_torn) {
		fprintf(out, "Task at 0x%" PRIx64 "\n", task->address);
		put_pseudo_frame("[torn]", out);
	} else {
		fputs("Task ", out);
		put_name(task->name, out);
		fprintf(out, " (%s", state_name(task->state));
		if (task->future)
			put_future(task, out);
		fputs(")\n", out);
	}
	put_frames(task->frames, task->locals, task->n_frames, task->truncated, out);
}

static void put_task_note(const struct async_tasks *tasks, FILE *out)
{
	if (tasks->no_pools)
		fputs("; its asyncio tasks are not known, it uses no pymalloc", out);
	if (tasks->n)
		fprintf(out, "; %zu asyncio %s, %zu torn", tasks->n, tasks->n == 1 ? "task" : "tasks",
			tasks->n_torn);
	if (tasks->n_left_out)
		fprintf(out, "; %zu more tasks are left out", tasks->n_left_out);
	if (tasks->n_unread_blocks)
		fprintf(out, "; %" PRIu64 " blocks of the heap changed too fast to look for tasks in them",
			tasks->n_unread_blocks);
}

int render_stacks_text(const struct thread_stacks *stacks, FILE *out)
{
	for (size_t i = 0; i < stacks->n_threads; i++)
		put_thread(&stacks->threads[i], out);
	for (size_t i = 0; i < stacks->tasks.n; i++)
		put_task(&stacks->tasks.tasks[i], out);
	fprintf(out, "note: process %d, Python %s: %zu %s, %zu torn", stacks->pid, stacks->python_version,
		stacks->n_threads, stacks->n_threads == 1 ? "stack" : "stacks", stacks->n_torn);
	put_task_note(&stacks->tasks, out);
	putc('\n', out);
	return render_finish(out);
}

/* --- JSON -------------------------------------------------------------------------------------------- */

static json_t *make_local(const struct frame_local *local)
{
	const struct preview *preview = &local->preview;

	if (!preview->text)
		return json_pack("{so sn sn sn}", "name", stats_json__text(local->name), "type", "length",
				 "preview");
	return json_pack("{so so so so}", "name", stats_json__text(local->name), "type",
			 stats_json__text(preview->type), "length",
			 preview->has_length ? json_integer((json_int_t)preview->length) : json_null(),
			 "preview", stats_json__text(preview->text));
}

/* null: the frame has ended meanwhile */
static json_t *make_locals(const struct frame_locals *locals)
{
	json_t *list = locals->is_torn ? json_null() : json_array();

	for (size_t i = 0; i < locals->n; i++)
		json_array_append_new(list, make_local(&locals->locals[i]));
	return list;
}

static json_t *make_frame(const struct profile_frame *frame, const struct frame_locals *locals)
{
	json_t *made = stats_json__frame(frame);

	if (locals)
		json_object_set_new(made, "locals", make_locals(locals));
	return made;
}

static json_t *make_frames(const struct profile_frame *frames, const struct frame_locals *locals, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, make_frame(&frames[i], locals ? &locals[i] : NULL));
	return list;
}

/* What is not known of a thread is null. */
static json_t *make_thread(const struct thread_stack *thread)
{
	bool known = thread->native_id;

	return json_pack("{sI so so so sb sb sb so}", "thread_id", (json_int_t)thread->thread_id, "native_id",
			 known ? json_integer(thread->native_id) : json_null(), "name",
			 known ? stats_json__text(thread->name) : json_null(), "state",
			 known ? json_string(run_state(thread)) : json_null(), "holds_gil", thread->holds_gil,
			 "torn", thread->is_torn, "truncated", thread->truncated, "frames",
			 make_frames(thread->frames, thread->locals, thread->n_frames));
}

static json_t *text_or_null(const char *text)
{
	return text ? stats_json__text(text) : json_null();
}

static json_t *make_future(const struct async_task *task)
{
	char address[32];

	if (!task->future)
		return json_null();
	snprintf(address, sizeof(address), "0x%" PRIx64, task->future);
	return json_pack("{ss so so}", "address", address, "type", text_or_null(task->future_type), "name",
			 text_or_null(task->future_name));
}

static json_t *make_task(const struct async_task *task)
{
	char address[32];

	snprintf(address, sizeof(address), "0x%" PRIx64, task->address);
	return json_pack("{ss so so sb sb so so}", "address", address, "name", text_or_null(task->name),
			 "state", task->is_torn ? json_null() : json_string(state_name(task->state)), "torn",
			 task->is_torn, "truncated", task->truncated, "waits_for", make_future(task),
			 "frames", make_frames(task->frames, task->locals, task->n_frames));
}

static json_t *make_tasks(const struct async_tasks *tasks)
{
	json_t *list = tasks->no_pools ? json_null() : json_array();

	for (size_t i = 0; i < tasks->n; i++)
		json_array_append_new(list, make_task(&tasks->tasks[i]));
	return list;
}

static json_t *make_report(const struct thread_stacks *stacks)
{
	json_t *threads = json_array();

	for (size_t i = 0; i < stacks->n_threads; i++)
		json_array_append_new(threads, make_thread(&stacks->threads[i]));
	return json_pack("{si ss sI so sI sI sI so}", "pid", (int)stacks->pid, "python",
			 stacks->python_version, "torn", (json_int_t)stacks->n_torn, "threads", threads,
			 "torn_tasks", (json_int_t)stacks->tasks.n_torn, "left_out_tasks",
			 (json_int_t)stacks->tasks.n_left_out, "unread_blocks",
			 (json_int_t)stacks->tasks.n_unread_blocks, "tasks", make_tasks(&stacks->tasks));
}

int render_stacks_json(const struct thread_stacks *stacks, FILE *out)
{
	return stats_json__finish(make_report(stacks), out);
}
