// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "render_stacks.h"

#include <errno.h>
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

static void put_thread(const struct thread_stack *thread, FILE *out)
{
	put_header(thread, out);
	if (thread->is_torn)
		put_pseudo_frame("[torn]", out);
	else if (!thread->n_frames)
		put_pseudo_frame("[no Python frame]", out);
	for (size_t i = 0; i < thread->n_frames; i++) {
		fputs("  ", out);
		render_frame(out, &thread->frames[i], render_put_utf8);
		putc('\n', out);
	}
	if (thread->truncated)
		put_pseudo_frame("[truncated]", out);
	putc('\n', out);
}

int render_stacks_text(const struct thread_stacks *stacks, FILE *out)
{
	for (size_t i = 0; i < stacks->n_threads; i++)
		put_thread(&stacks->threads[i], out);
	fprintf(out, "note: process %d, Python %s: %zu %s, %zu torn\n", stacks->pid, stacks->python_version,
		stacks->n_threads, stacks->n_threads == 1 ? "stack" : "stacks", stacks->n_torn);
	return render_finish(out);
}

/* --- JSON -------------------------------------------------------------------------------------------- */

static json_t *make_frames(const struct thread_stack *thread)
{
	json_t *frames = json_array();

	for (size_t i = 0; i < thread->n_frames; i++)
		json_array_append_new(frames, stats_json__frame(&thread->frames[i]));
	return frames;
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
			 make_frames(thread));
}

int render_stacks_json(const struct thread_stacks *stacks, FILE *out)
{
	json_t *threads = json_array(), *report;
	int err;

	for (size_t i = 0; i < stacks->n_threads; i++)
		json_array_append_new(threads, make_thread(&stacks->threads[i]));
	report = json_pack("{si ss sI so}", "pid", (int)stacks->pid, "python", stacks->python_version, "torn",
			   (json_int_t)stacks->n_torn, "threads", threads);
	if (!report)
		return -ENOMEM;
	err = json_dumpf(report, out, JSON_INDENT(2)) || fputc('\n', out) == EOF ? -EIO : 0;
	json_decref(report);
	return err;
}
