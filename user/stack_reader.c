// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A thread at rest is easy: a few readings of its frames are the same. One that runs calls and returns many
 * million times a second, and following its frames from outside, one reading for each, takes a hundred times
 * as long: what is found is a mixture of many moments. So that only tells where to look. Then all of it is
 * read in one run of the memory reader, again and again, a microsecond or so for each snapshot, and each
 * snapshot is walked by itself, from the innermost frame that the thread state names before and after. A
 * stack is believed when
 *   - it is the same in SAME_IN_A_ROW snapshots, each caller's instruction included,
 *   - and it ends in the thread's outermost frame: frames that are gone lead elsewhere.
 * From 3.11 on that frame's place is known; before, it is the one that most snapshots end in.
 *
 * Short functions last less than a snapshot takes. What they leave behind can be taken for them, but hardly
 * three times in the same way: of threads that do nothing but call such functions, a stack in some ten
 * thousand is wrong in one call. And stacks that last, or come back often, are found more easily than others:
 * many readings are no profile of where time is spent.
 */
#include "stack_reader.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

#define ATTEMPTS 200 /* some twenty milliseconds */
#define SAME_IN_A_ROW 3
#define MIN_SNAPSHOTS (SAME_IN_A_ROW + 1)
#define SNAPSHOTS_AT_REST 16
#define MAX_SNAPSHOTS 64
#define MAX_PIECES 1024
#define MAX_ROOTS 64
#define MIN_VOTES MAX_SNAPSHOTS
#define MAX_CHUNKS 4096
#define CHUNK_HEAD_BYTES 24 /* _PyStackChunk up to its data, the same in every version */
#define PAGE_BYTES 4096u

/* Which frame is the innermost, as the thread state says. */
struct stack_head {
	uint64_t first; /* the pointer in the thread state */
	uint64_t frame; /* the pointer in the _PyCFrame; without one not used */
};

/* An outermost frame, and how many snapshots had it. A thread's own is always the same. */
struct root {
	uint64_t address;
	uint32_t votes;
};

struct stack_reader {
	struct memory_reader *reader;
	const struct py_layout *py;
	uint16_t data_stack; /* struct py_runtime_layout has it */
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
	struct python_stack stacks[2];       /* of this snapshot and of the one before */
	uint64_t missing[MAX_SNAPSHOTS + 1]; /* what snapshots lacked */
	size_t n_missing;
	uint64_t known_root; /* 0: not known */
	struct root roots[MAX_ROOTS];
	size_t n_roots;
};

struct stack_reader *stack_reader__new(struct memory_reader *reader, const struct python *python)
{
	const struct py_layout *py = &python->layout;
	struct stack_reader *stack_reader = calloc(1, sizeof(*stack_reader));

	if (!stack_reader)
		return NULL;
	stack_reader->reader = reader;
	stack_reader->py = py;
	stack_reader->data_stack = python->runtime.data_stack;
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

static bool has_piece(const struct stack_reader *reader, uint64_t address)
{
	size_t at = place_of(reader, piece_around(reader, address));

	return at < reader->n_pieces && reader->pieces[at] == piece_around(reader, address);
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

/* Follows the frames, and reads what is not among the pieces yet. */
static int find_frames(struct stack_reader *reader)
{
	uint64_t missing;
	int err = find_cframe(reader);

	if (!err)
		err = take_snapshots(reader, 1);
	while (!err) {
		err = walk_snapshot(reader, 0, &reader->stacks[0], &missing);
		if (err != -ENODATA)
			break;
		err = read_piece(reader, missing);
	}
	return err;
}

/* --- the stack --------------------------------------------------------------------------------------- */

/* So many, or as many as one run of the memory reader can take. */
static size_t choose_n_snapshots(const struct stack_reader *reader, size_t n)
{
	size_t by_bytes = READER_BUFFER_BYTES / (snapshot_bytes(reader) + PAGE_BYTES),
	       by_requests = READER_MAX_REQUESTS / (reader->n_pieces + 2);

	n = by_bytes < n ? by_bytes : n;
	n = by_requests < n ? by_requests : n;
	return n < MIN_SNAPSHOTS ? MIN_SNAPSHOTS : n;
}

/* From 3.11 on a thread's outermost frame lies at the bottom of its data stack, after a word that is left
 * out. */
static uint64_t find_root(struct stack_reader *reader)
{
	uint64_t chunk = 0, previous = 0;

	if (reader->data_stack == PY_NO_FIELD ||
	    memory_reader__read(reader->reader, reader->thread_state + reader->data_stack, &previous,
				sizeof(previous)))
		return 0;
	for (int i = 0; previous && i < MAX_CHUNKS; i++) {
		chunk = previous;
		if (memory_reader__read(reader->reader, chunk, &previous, sizeof(previous)))
			return 0;
	}
	return previous || !chunk ? 0 : chunk + CHUNK_HEAD_BYTES + sizeof(uint64_t);
}

static void vote(struct stack_reader *reader, uint64_t address)
{
	size_t i = 0;

	while (i < reader->n_roots && reader->roots[i].address != address)
		i++;
	if (i == MAX_ROOTS || !address)
		return;
	if (i == reader->n_roots)
		reader->roots[reader->n_roots++] = (struct root){.address = address};
	reader->roots[i].votes++;
}

/* The one that is known, or the one that most of many snapshots have. 0: there is none yet. */
static uint64_t likely_root(const struct stack_reader *reader)
{
	struct root most = {};
	uint32_t votes = 0;

	if (reader->known_root)
		return reader->known_root;
	for (size_t i = 0; i < reader->n_roots; i++) {
		votes += reader->roots[i].votes;
		if (reader->roots[i].votes > most.votes)
			most = reader->roots[i];
	}
	return votes >= MIN_VOTES && most.votes > votes / 2 ? most.address : 0;
}

/* Sees which roots the snapshots have, and what they lack. */
static void survey(struct stack_reader *reader, size_t n_snapshots)
{
	struct python_stack *stack = &reader->stacks[0];

	reader->n_missing = 0;
	for (size_t i = 0; i < n_snapshots; i++) {
		int err = walk_snapshot(reader, i, stack, &reader->missing[reader->n_missing]);

		reader->n_missing += err == -ENODATA;
		if (!err)
			vote(reader, python_stack__root(stack));
	}
}

/* The outer frames that are the same in all snapshots; none if too few can tell. */
static void find_common(struct stack_reader *reader, size_t n_snapshots, struct python_stack *ret_common)
{
	struct python_stack *stack = &reader->stacks[0];
	uint64_t root = likely_root(reader), missing;
	size_t n = 0;

	for (size_t i = 0; i < n_snapshots; i++) {
		if (walk_snapshot(reader, i, stack, &missing) || python_stack__root(stack) != root)
			continue;
		if (n++)
			python_stack__keep_common(ret_common, stack);
		else
			*ret_common = *stack;
	}
	if (n < SAME_IN_A_ROW || ret_common->truncated)
		*ret_common = (struct python_stack){};
}

/* Whether the thread state named the same frame before the pieces were read as after. */
static bool has_same_head(const struct stack_reader *reader, size_t snapshot)
{
	const struct stack_head *head = &reader->heads[snapshot];

	return snapshot && head->first == head[-1].first &&
	       (!has_cframe(reader) || head->frame == head[-1].frame);
}

/* Looks for snapshots in a row that show the same stack, from the right root on. 0 or -EAGAIN. */
static int find_same(struct stack_reader *reader, size_t n_snapshots, struct python_stack *ret_stack)
{
	uint64_t root = likely_root(reader), missing;
	size_t n_same = 0;

	for (size_t i = 0; i < n_snapshots && root; i++) {
		struct python_stack *stack = &reader->stacks[i % 2], *before = &reader->stacks[(i + 1) % 2];

		if (walk_snapshot(reader, i, stack, &missing) || !has_same_head(reader, i) ||
		    (!stack->truncated && python_stack__root(stack) != root))
			n_same = 0;
		else
			n_same = n_same && python_stack__equal(stack, before) ? n_same + 1 : 1;
		if (n_same < SAME_IN_A_ROW)
			continue;
		*ret_stack = *stack;
		return 0;
	}
	return -EAGAIN;
}

static int attempt_to_read(struct stack_reader *reader, struct python_stack *ret_stack)
{
	size_t n_snapshots;
	int err = find_frames(reader);

	if (err == -E2BIG)
		reader->n_pieces = 0;
	if (err)
		return err;
	n_snapshots = choose_n_snapshots(reader, MAX_SNAPSHOTS);
	err = take_snapshots(reader, n_snapshots);
	if (err)
		return err;
	survey(reader, n_snapshots);
	err = find_same(reader, n_snapshots, ret_stack);
	if (err)
		find_common(reader, n_snapshots, ret_stack);
	for (size_t i = 0; err && i < reader->n_missing; i++)
		if (!has_piece(reader, reader->missing[i]))
			read_piece(reader, reader->missing[i]);
	return err;
}

static bool stands_still(const struct python_stack *a, const struct python_stack *b)
{
	return python_stack__equal(a, b) && (!a->n_frames || a->frames[0].instr == b->frames[0].instr);
}

/* A thread that waits: snapshots in which nothing at all has moved. */
static int read_at_rest(struct stack_reader *reader, struct python_stack *ret_stack)
{
	size_t n_snapshots;
	uint64_t missing;
	int err = find_frames(reader);

	if (err)
		return err;
	n_snapshots = choose_n_snapshots(reader, SNAPSHOTS_AT_REST);
	err = take_snapshots(reader, n_snapshots);
	if (!err)
		err = walk_snapshot(reader, 0, ret_stack, &missing);
	for (size_t i = 1; i < n_snapshots && !err; i++) {
		err = walk_snapshot(reader, i, &reader->stacks[0], &missing);
		if (!err && (!has_same_head(reader, i) || !stands_still(ret_stack, &reader->stacks[0])))
			err = -EAGAIN;
	}
	return err;
}

int stack_reader__read(struct stack_reader *reader, uint64_t thread_state, struct python_stack *ret_stack)
{
	int err;

	reader->thread_state = thread_state;
	reader->n_pieces = 0;
	reader->n_roots = 0;
	reader->known_root = 0;
	err = read_at_rest(reader, ret_stack);
	if (err) {
		*ret_stack = (struct python_stack){};
		reader->known_root = find_root(reader);
	}
	for (int attempt = 0; err && err != -ESRCH && err != -ENOMEM && attempt < ATTEMPTS; attempt++)
		err = attempt_to_read(reader, ret_stack);
	return err && err != -ESRCH && err != -ENOMEM ? -EAGAIN : err;
}
