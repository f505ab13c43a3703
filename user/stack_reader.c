// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A thread at rest is easy: many readings of its frames, a microsecond or so apart, are all the same, and so
 * is what the thread state names as the innermost frame before and after each. One that runs calls and
 * returns many million times a second; what is found by following its frames from outside is a mixture of
 * many moments. Its stack is taken while a timer interrupts it (user/stack_sampler.h). Which of the two a
 * thread is nobody knows before: one that waits for the GIL is at rest, and runs a moment later. So both are
 * tried by turns.
 */
#include "stack_reader.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

#define ATTEMPTS 20 /* some two hundred milliseconds */
#define MAX_SNAPSHOTS 16
#define MIN_SNAPSHOTS 4
#define MAX_PIECES 1024
#define PAGE_BYTES 4096u

/* Which frame is the innermost, as the thread state says. */
struct stack_head {
	uint64_t first; /* the pointer in the thread state */
	uint64_t frame; /* the pointer in the _PyCFrame; without one not used */
};

struct stack_reader {
	struct memory_reader *reader;
	struct stack_sampler *sampler;
	const struct py_layout *py;
	struct frame_extent extent;
	uint32_t piece_bytes;
	uint64_t thread_state;
	uint64_t cframe;             /* address of the _PyCFrame that is looked at */
	uint64_t pieces[MAX_PIECES]; /* their addresses, ascending */
	size_t n_pieces;
	struct stack_head heads[MAX_SNAPSHOTS];
	char *bytes; /* of the pieces, snapshot by snapshot */
	size_t bytes_capacity;
	struct memory_request *requests;
	size_t requests_capacity;
	struct python_stack stack;
};

struct stack_reader *stack_reader__new(struct memory_reader *reader, const struct python *python,
				       struct stack_sampler *sampler)
{
	const struct py_layout *py = &python->layout;
	struct stack_reader *stack_reader = calloc(1, sizeof(*stack_reader));

	if (!stack_reader)
		return NULL;
	stack_reader->sampler = sampler;
	stack_reader->reader = reader;
	stack_reader->py = py;
	stack_reader->extent = python__frame_extent(py);
	/* Up to 3.10 frames are objects of their own; later they lie back to back. */
	stack_reader->piece_bytes =
		py->instr_kind == PY_INSTR_POINTER ? PAGE_BYTES : stack_reader->extent.bytes;
	return stack_reader;
}

void stack_reader__free(struct stack_reader *reader)
{
	if (!reader)
		return;
	free(reader->bytes);
	free(reader->requests);
	free(reader);
}

/* --- pieces ------------------------------------------------------------------------------------------ */

static bool has_cframe(const struct stack_reader *reader)
{
	return reader->py->cframe_current != PY_NO_FIELD;
}

static size_t snapshot_bytes(const struct stack_reader *reader)
{
	return reader->n_pieces * reader->piece_bytes;
}

/* Makes room for so many snapshots of the pieces that there are, and of one more. */
static int reserve(struct stack_reader *reader, size_t n_snapshots)
{
	size_t n_bytes = n_snapshots * (snapshot_bytes(reader) + reader->piece_bytes);
	size_t n_requests = n_snapshots * (reader->n_pieces + 3);

	if (n_bytes > reader->bytes_capacity) {
		char *grown = realloc(reader->bytes, n_bytes);

		if (!grown)
			return -ENOMEM;
		reader->bytes = grown;
		reader->bytes_capacity = n_bytes;
	}
	if (n_requests > reader->requests_capacity) {
		void *grown = reallocarray(reader->requests, n_requests, sizeof(*reader->requests));

		if (!grown)
			return -ENOMEM;
		reader->requests = grown;
		reader->requests_capacity = n_requests;
	}
	return 0;
}

/* Where the piece around an address is or would be. */
static size_t place_of(const struct stack_reader *reader, uint64_t address)
{
	size_t at = 0;

	while (at < reader->n_pieces && reader->pieces[at] < address)
		at++;
	return at;
}

static uint64_t piece_around(const struct stack_reader *reader, uint64_t address)
{
	return reader->piece_bytes == PAGE_BYTES ? address & ~(uint64_t)(PAGE_BYTES - 1) : address;
}

/* Puts the piece around an address in its place; its bytes in the first snapshot are yet to be read. */
static int add_piece(struct stack_reader *reader, uint64_t address, size_t *ret_piece)
{
	size_t at, bytes = reader->piece_bytes;
	int err = reserve(reader, 1);

	if (reader->n_pieces == MAX_PIECES)
		return -E2BIG;
	if (err)
		return err;
	address = piece_around(reader, address);
	at = place_of(reader, address);
	memmove(&reader->pieces[at + 1], &reader->pieces[at],
		(reader->n_pieces - at) * sizeof(reader->pieces[0]));
	memmove(reader->bytes + (at + 1) * bytes, reader->bytes + at * bytes,
		(reader->n_pieces - at) * bytes);
	reader->pieces[at] = address;
	reader->n_pieces++;
	*ret_piece = at;
	return 0;
}

static void drop_piece(struct stack_reader *reader, size_t piece)
{
	reader->n_pieces--;
	memmove(&reader->pieces[piece], &reader->pieces[piece + 1],
		(reader->n_pieces - piece) * sizeof(reader->pieces[0]));
}

/* --- snapshots --------------------------------------------------------------------------------------- */

static struct memory_request request(uint64_t address, void *to, uint32_t bytes)
{
	return (struct memory_request){.address = address, .to = to, .bytes = bytes};
}

/* What the thread state says comes last, so each snapshot's pieces are read between two looks at it. */
static size_t request_snapshot(struct stack_reader *reader, size_t snapshot, struct memory_request *requests)
{
	char *bytes = reader->bytes + snapshot * snapshot_bytes(reader);
	struct stack_head *head = &reader->heads[snapshot];
	size_t n = 0;

	for (size_t i = 0; i < reader->n_pieces; i++)
		requests[n++] =
			request(reader->pieces[i], bytes + i * reader->piece_bytes, reader->piece_bytes);
	if (has_cframe(reader))
		requests[n++] = request(reader->cframe + reader->py->cframe_current, &head->frame,
					sizeof(head->frame));
	requests[n++] =
		request(reader->thread_state + reader->py->tstate_frame, &head->first, sizeof(head->first));
	return n;
}

/* -EFAULT: some of it cannot be read, and the piece of which that holds is dropped. */
static int take_snapshots(struct stack_reader *reader, size_t n_snapshots)
{
	int err = reserve(reader, n_snapshots);
	size_t n = 0, n_each;

	for (size_t i = 0; i < n_snapshots && !err; i++)
		n += request_snapshot(reader, i, &reader->requests[n]);
	if (!err)
		err = memory_reader__read_many(reader->reader, reader->requests, n);
	n_each = n / n_snapshots;
	for (size_t i = 0; i < n && !err; i++) {
		if (!reader->requests[i].error)
			continue;
		err = -EFAULT;
		if (i % n_each < reader->n_pieces)
			drop_piece(reader, i % n_each);
	}
	return err;
}

/* The stack of a snapshot. -EAGAIN: its _PyCFrame is another one than was looked at. */
static int walk_snapshot(const struct stack_reader *reader, size_t snapshot, struct python_stack *ret_stack,
			 uint64_t *ret_missing)
{
	const struct stack_head *head = &reader->heads[snapshot];
	struct stack_image image = {
		.addresses = reader->pieces,
		.n_pieces = reader->n_pieces,
		.piece_bytes = reader->piece_bytes,
		.bytes = reader->bytes + snapshot * snapshot_bytes(reader),
		.frame = has_cframe(reader) ? head->frame : head->first,
	};

	if (has_cframe(reader) && head->first != reader->cframe)
		return -EAGAIN;
	return stack_image__walk(&image, reader->py, ret_stack, ret_missing);
}

/* --- finding the frames ------------------------------------------------------------------------------ */

static int find_cframe(struct stack_reader *reader)
{
	return has_cframe(reader)
		       ? memory_reader__read(reader->reader, reader->thread_state + reader->py->tstate_frame,
					     &reader->cframe, sizeof(reader->cframe))
		       : 0;
}

static int read_piece(struct stack_reader *reader, uint64_t address)
{
	size_t piece;
	int err = add_piece(reader, address, &piece);

	if (err)
		return err;
	err = memory_reader__read(reader->reader, reader->pieces[piece],
				  reader->bytes + piece * reader->piece_bytes, reader->piece_bytes);
	if (err)
		drop_piece(reader, piece);
	return err;
}

/* Follows the frames, and reads them piece by piece. */
static int find_frames(struct stack_reader *reader)
{
	uint64_t missing;
	int err = find_cframe(reader);

	reader->n_pieces = 0;
	if (!err)
		err = take_snapshots(reader, 1);
	while (!err) {
		err = walk_snapshot(reader, 0, &reader->stack, &missing);
		if (err != -ENODATA)
			break;
		err = read_piece(reader, missing);
	}
	return err;
}

/* --- the stack --------------------------------------------------------------------------------------- */

/* As many as one run of the memory reader can take. */
static size_t choose_n_snapshots(const struct stack_reader *reader)
{
	size_t by_bytes = READER_BUFFER_BYTES / (snapshot_bytes(reader) + PAGE_BYTES),
	       by_requests = READER_MAX_REQUESTS / (reader->n_pieces + 2), n = MAX_SNAPSHOTS;

	n = by_bytes < n ? by_bytes : n;
	n = by_requests < n ? by_requests : n;
	return n < MIN_SNAPSHOTS ? MIN_SNAPSHOTS : n;
}

/* Whether the thread state named the same frame before the pieces were read as after. */
static bool has_same_head(const struct stack_reader *reader, size_t snapshot)
{
	const struct stack_head *head = &reader->heads[snapshot];

	return head->first == head[-1].first && (!has_cframe(reader) || head->frame == head[-1].frame);
}

/* Snapshots in which nothing at all has moved. */
static int read_at_rest(struct stack_reader *reader, struct python_stack *ret_stack)
{
	size_t n_snapshots;
	uint64_t missing;
	int err = find_frames(reader);

	if (err)
		return err;
	n_snapshots = choose_n_snapshots(reader);
	err = take_snapshots(reader, n_snapshots);
	if (!err)
		err = walk_snapshot(reader, 0, ret_stack, &missing);
	for (size_t i = 1; i < n_snapshots && !err; i++) {
		err = walk_snapshot(reader, i, &reader->stack, &missing);
		if (!err && (!has_same_head(reader, i) || !python_stack__equal(ret_stack, &reader->stack)))
			err = -EAGAIN;
	}
	return err;
}

/* Everything else can come of a stack that moves. */
static bool is_final(int err)
{
	return !err || err == -ESRCH || err == -ENOMEM;
}

int stack_reader__read(struct stack_reader *reader, uint64_t thread_state, pid_t native_id,
		       struct python_stack *ret_stack)
{
	reader->thread_state = thread_state;
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		int err = read_at_rest(reader, ret_stack);

		if (is_final(err))
			return err;
		if (native_id && !stack_sampler__read(reader->sampler, native_id, thread_state, ret_stack))
			return 0;
	}
	return -EAGAIN;
}
