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
		if (thread->locals)
			put_locals(&thread->locals[i], out);
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

static json_t *make_frame(const struct thread_stack *thread, size_t i)
{
	json_t *frame = stats_json__frame(&thread->frames[i]);

	if (thread->locals)
		json_object_set_new(frame, "locals", make_locals(&thread->locals[i]));
	return frame;
}

static json_t *make_frames(const struct thread_stack *thread)
{
	json_t *frames = json_array();

	for (size_t i = 0; i < thread->n_frames; i++)
		json_array_append_new(frames, make_frame(thread, i));
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
