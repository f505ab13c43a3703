// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Blocks taken from malloc's family by numbers that this library keeps itself.
 *
 * A block belongs to an owner: the Python function, or the native thread, that had it allocated last. Each
 * owner has a book of what it allocated and of what of that was freed, whoever freed it. Nothing here
 * allocates anything else, so a profile's frame and its owner's book have to agree to the byte.
 *
 * Linked with nothing (-nostdlib): its symbols carry no version, so one build runs with the libc, and with
 * the allocator, of whatever process loads it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <stdlib.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_OWNERS 96
#define MAX_BLOCKS 4096
#define MAX_THREADS 16
#define SHARED_SLOTS 256
#define OWN_SLOTS 512

enum how {
	BY_MALLOC,
	BY_CALLOC,
	BY_REALLOC,
	BY_REALLOCARRAY,
	BY_POSIX_MEMALIGN,
	BY_ALIGNED_ALLOC,
	BY_MEMALIGN,
	BY_VALLOC,
	BY_PVALLOC,
	BY_STRDUP,
	N_HOW,
};

/* What raw_calls.py reads; see there. */
struct book {
	_Atomic uint64_t alloc_objects;
	_Atomic uint64_t alloc_space;
	_Atomic uint64_t freed_objects;
	_Atomic uint64_t freed_space;
};

struct totals {
	_Atomic uint64_t allocs;
	_Atomic uint64_t frees;
	_Atomic uint64_t frees_of_older;
};

struct block {
	void *start;
	size_t size;
	int owner;
	uint32_t epoch;
};

/* The blocks of an owner that only works in one thread at a time. */
struct shelf {
	struct block blocks[MAX_BLOCKS];
	int n;
};

struct book books[MAX_OWNERS];
struct totals totals;
static struct shelf shelves[MAX_OWNERS];
static char text[8192];
/* No constants: the compiler has opinions about them. */
static volatile size_t too_much = PTRDIFF_MAX - 4096, too_many = SIZE_MAX / 16;
static uint32_t epoch; /* blocks of an earlier one are older than the recording */

/* --- books ------------------------------------------------------------------------------------------------
 */

static void enter(struct block *block, void *start, size_t size, int owner)
{
	*block = (struct block){start, size, owner, epoch};
	books[owner].alloc_objects++;
	books[owner].alloc_space += size;
	totals.allocs++;
}

static void strike(const struct block *block)
{
	totals.frees++;
	if (block->epoch != epoch) {
		totals.frees_of_older++;
		return;
	}
	books[block->owner].freed_objects++;
	books[block->owner].freed_space += block->size;
}

static void release(struct block *block)
{
	if (!block->start)
		return;
	strike(block);
	free(block->start);
	block->start = NULL;
}

static struct block *place_for(int owner)
{
	if (shelves[owner].n == MAX_BLOCKS)
		__builtin_trap(); /* a test that asks for more than there is room for */
	return &shelves[owner].blocks[shelves[owner].n++];
}

/* A new recording begins: what is alive is older than it. */
void open_books(void)
{
	memset(books, 0, sizeof(books));
	memset(&totals, 0, sizeof(totals));
	epoch++;
}

/* --- allocate, resize, free -------------------------------------------------------------------------------
 */

static void *take(enum how how, size_t size)
{
	void *start = NULL;

	switch (how) {
	case BY_MALLOC:
		return malloc(size);
	case BY_CALLOC:
		return calloc(size / 8, 8);
	case BY_REALLOC:
		return realloc(NULL, size);
	case BY_REALLOCARRAY:
		return reallocarray(NULL, size / 8, 8);
	case BY_POSIX_MEMALIGN:
		return posix_memalign(&start, 256, size) ? NULL : start;
	case BY_ALIGNED_ALLOC:
		return aligned_alloc(64, size);
	case BY_MEMALIGN:
		return memalign(512, size);
	case BY_VALLOC:
		return valloc(size);
	case BY_PVALLOC:
		return pvalloc(size);
	case BY_STRDUP:
		memset(text, 'x', size - 1);
		text[size - 1] = 0;
		return strdup(text);
	default:
		return NULL;
	}
}

static size_t nth_size(int i, size_t base)
{
	return base + (size_t)(i * 37 % 61) * 64;
}

/* `count` blocks of base..base+3840 bytes. -1 when the allocator gives none. */
int fill(int owner, int how, int count, size_t base)
{
	for (int i = 0; i < count; i++) {
		size_t size = nth_size(i, base);
		void *start = take(how, size);

		if (!start)
			return -1;
		enter(place_for(owner), start, size, owner);
	}
	return 0;
}

/* `count` blocks of no size at all: blocks nevertheless. */
int fill_empty(int owner, int count)
{
	for (int i = 0; i < count; i++) {
		void *start = i % 2 ? malloc(0) : calloc(0, 8);

		if (!start)
			return -1;
		enter(place_for(owner), start, 0, owner);
	}
	return 0;
}

/* `count` times `size` bytes that nobody touches; only the last `kept` stay. For sums that want all 64 bits.
 */
int fill_huge(int owner, int count, size_t size, int kept)
{
	for (int i = 0; i < count; i++) {
		struct block *block = place_for(owner);
		void *start = malloc(size);

		if (!start)
			return -1;
		enter(block, start, size, owner);
		if (i >= count - kept)
			continue;
		release(block);
		shelves[owner].n--;
	}
	return 0;
}

/* Frees every `every`th block of an owner, the first included. */
void drop(int owner, int every)
{
	for (int i = 0; i < shelves[owner].n; i += every)
		release(&shelves[owner].blocks[i]);
	if (every == 1)
		shelves[owner].n = 0;
}

static void *given_back(struct block *block, size_t size, bool as_array)
{
	return as_array ? reallocarray(block->start, size / 8, 8) : realloc(block->start, size);
}

/* Resizes each block of `from` by `change` bytes; from then on it is `owner`'s. Returns how many moved. */
int resize(int from, int owner, long change, int as_array)
{
	struct shelf *old = &shelves[from];
	int moved = 0;

	for (int i = 0; i < old->n; i++) {
		struct block *block = &old->blocks[i];
		size_t size = block->size + change;
		void *start;

		if (!block->start)
			continue;
		start = given_back(block, size, as_array);
		if (!start)
			return -1;
		moved += start != block->start;
		strike(block);
		enter(place_for(owner), start, size, owner);
		block->start = NULL;
	}
	old->n = 0;
	return moved;
}

/* realloc(p, 0): freed where it returns NULL (glibc), and otherwise a new block without size. */
int resize_to_nothing(int from, int owner)
{
	struct shelf *old = &shelves[from];
	int freed = 0;

	for (int i = 0; i < old->n; i++) {
		struct block *block = &old->blocks[i];
		void *start;

		if (!block->start)
			continue;
		start = realloc(block->start, 0);
		strike(block);
		if (start)
			enter(place_for(owner), start, 0, owner);
		else
			freed++;
		block->start = NULL;
	}
	old->n = 0;
	return freed;
}

/* Each block of an owner is refused more: it stays what it is. Returns how often something was given. */
int refuse_resize(int owner)
{
	int given = 0;

	for (int i = 0; i < shelves[owner].n; i++) {
		void *start = shelves[owner].blocks[i].start;

		if (start)
			given += realloc(start, too_much) || reallocarray(start, too_many, 64);
	}
	return given;
}

/* Allocations that fail, each way, and frees of nothing. Returns how many were given. */
int refuse(int count)
{
	int given = 0;

	for (int i = 0; i < count; i++) {
		void *start = text;

		given += malloc(too_much) != NULL;
		given += calloc(too_many, 64) != NULL;
		given += calloc(1, too_much) != NULL;
		given += realloc(NULL, too_much) != NULL;
		given += reallocarray(NULL, too_many, 64) != NULL;
		given += posix_memalign(&start, 64, too_much) == 0;
		given += posix_memalign(&start, 24, 640) == 0; /* no power of two */
		given += aligned_alloc(64, too_much & ~(size_t)63) != NULL;
		free(NULL);
	}
	return given;
}

/* --- threads ----------------------------------------------------------------------------------------------
 */

struct worker {
	pthread_t thread;
	char name[16];
	int owner;
	uint32_t seed;
	int operations;
	void (*work)(struct worker *worker);
	void (*callback)(void);
	_Atomic int state; /* 0 parked, 1 working, 2 to end */
	struct block own[OWN_SLOTS];
};

static struct worker workers[MAX_THREADS];
static int n_workers;

/* A block is handed over by exchange: whoever gets it is the only one who has it. */
static _Atomic(struct block *) shared[SHARED_SLOTS];
static struct block handed[SHARED_SLOTS * 2];
static _Atomic int handed_used[SHARED_SLOTS * 2];

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

/* Something of this thread's into a shared slot, and whatever was in there freed by this thread. */
static void exchange(struct worker *worker, struct block *block)
{
	struct block *carrier = NULL, *other;

	for (int i = 0; i < SHARED_SLOTS * 2 && !carrier; i++) {
		if (!atomic_exchange(&handed_used[i], 1))
			carrier = &handed[i];
	}
	if (!carrier)
		return;
	*carrier = *block;
	block->start = NULL;
	other = atomic_exchange(&shared[draw(&worker->seed, SHARED_SLOTS)], carrier);
	if (other) {
		release(other);
		atomic_store(&handed_used[other - handed], 0);
	}
}

static void change(struct worker *worker, struct block *block)
{
	size_t size = 600 + draw(&worker->seed, draw(&worker->seed, 8) ? 3000 : 60000);
	void *start = realloc(block->start, size);

	if (!start)
		return;
	strike(block);
	enter(block, start, size, worker->owner);
}

static void step(struct worker *worker)
{
	struct block *block = &worker->own[draw(&worker->seed, OWN_SLOTS)];
	size_t size = 600 + draw(&worker->seed, 2000);
	void *start;

	if (!block->start) {
		/* The first of the family, by turns: all of them end up in the same few functions. */
		size &= ~(size_t)63;
		start = take(draw(&worker->seed, BY_VALLOC), size);
		if (start)
			enter(block, start, size, worker->owner);
		return;
	}
	switch (draw(&worker->seed, 8)) {
	case 0:
	case 1:
	case 2:
		change(worker, block);
		break;
	case 3:
	case 4:
		exchange(worker, block);
		break;
	case 5:
		start = realloc(block->start, too_much); /* in vain */
		break;
	default:
		release(block);
	}
}

static void churn(struct worker *worker)
{
	for (int i = 0; i < worker->operations; i++)
		step(worker);
}

/* Frees blocks of other threads: what is in the shared slots, and every other block of the owner `seed`. */
static void reap(struct worker *worker)
{
	for (int i = 0; i < SHARED_SLOTS; i++) {
		struct block *block = atomic_exchange(&shared[i], NULL);

		if (!block)
			continue;
		release(block);
		atomic_store(&handed_used[block - handed], 0);
	}
	drop(worker->seed, 2);
}

static void call_back(struct worker *worker)
{
	fill(worker->owner, BY_MALLOC, worker->operations, 640);
	worker->callback();
	fill(worker->owner, BY_MALLOC, worker->operations, 640);
}

static void *worker_main(void *data)
{
	struct worker *worker = data;
	void *warm = malloc(640);

	pthread_setname_np(pthread_self(), worker->name);
	free(warm); /* the allocator has what it keeps for this thread */
	atomic_store(&worker->state, 0);
	for (;;) {
		int state = atomic_load(&worker->state);

		if (state == 2)
			return NULL;
		if (state == 1) {
			worker->work(worker);
			atomic_store(&worker->state, 0);
		}
		usleep(200);
	}
}

/* Starts a named thread that waits for work: thread start allocates, so it comes before the recording. */
int start_worker(int owner, const char *name, int kind, void (*callback)(void))
{
	static void (*const works[])(struct worker * worker) = {churn, reap, call_back};
	struct worker *worker = &workers[n_workers];
	int err;

	*worker = (struct worker){.owner = owner, .work = works[kind], .callback = callback, .state = 1};
	strncpy(worker->name, name, sizeof(worker->name) - 1);
	err = pthread_create(&worker->thread, NULL, worker_main, worker);
	if (err)
		return -err;
	while (atomic_load(&worker->state))
		sched_yield();
	return n_workers++;
}

void put_to_work(int index, uint32_t seed, int operations)
{
	workers[index].seed = seed;
	workers[index].operations = operations;
	atomic_store(&workers[index].state, 1);
}

void wait_for_workers(void)
{
	for (int i = 0; i < n_workers; i++) {
		while (atomic_load(&workers[i].state))
			usleep(200);
	}
}

void end_workers(void)
{
	for (int i = 0; i < n_workers; i++) {
		atomic_store(&workers[i].state, 2);
		pthread_join(workers[i].thread, NULL);
	}
	n_workers = 0;
}

/* The same in the calling thread: a Python thread that has released the GIL. */
void churn_here(int owner, uint32_t seed, int operations)
{
	struct worker *worker = &workers[MAX_THREADS - 1 - owner % 4];

	worker->owner = owner;
	worker->seed = seed;
	worker->operations = operations;
	churn(worker);
}

/* --- while the interpreter stands still --------------------------------------------------------------------
 */

static void say(const char *line)
{
	ssize_t written = write(1, line, strlen(line));

	(void)written;
}

/* From line to line nothing of the interpreter runs: what is counted is this library's, all of it. Returns
 * how the line begins, 0 at the end. */
static char next_line(void)
{
	char line[64];

	return read(0, line, sizeof(line)) > 0 ? line[0] : 0;
}

/* A child has the same breakpoints and the same addresses, and is no business of the recording. */
static void let_a_child_do_the_same(int owner)
{
	pid_t child = fork();

	if (!child) {
		drop(owner, 1);
		fill(owner, BY_CALLOC, 500, 640);
		_exit(0);
	}
	while (waitpid(child, NULL, 0) != child)
		;
}

static void all_calls(int owner, int older, const int *usable, int operations)
{
	for (int how = 0; how < N_HOW; how++) {
		if (usable[how])
			fill(owner, how, 40, 640);
	}
	fill_empty(owner, 10);
	refuse(5);
	refuse_resize(owner);
	refuse_resize(older);
	resize(owner, owner + 1, 20000, 0);
	resize(owner + 1, owner, -64, 1);
	drop(owner, 3);
	drop(older, 2);
	resize(older, owner + 1, 64, 0);
	resize_to_nothing(owner + 1, owner);
	let_a_child_do_the_same(owner);
	for (int i = 0; i < n_workers; i++) {
		if (workers[i].work == churn)
			put_to_work(i, 1000 + i, operations);
	}
	wait_for_workers();
	for (int i = 0; i < n_workers; i++) {
		if (workers[i].work == reap)
			put_to_work(i, owner, 0);
	}
	wait_for_workers();
}

/* Whatever is alive, whoever has it. */
static void free_everything(void)
{
	for (int i = 0; i < n_workers; i++) {
		for (int slot = 0; slot < OWN_SLOTS; slot++)
			release(&workers[i].own[slot]);
		if (workers[i].work == reap)
			put_to_work(i, 0, 0);
	}
	wait_for_workers();
	for (int owner = 0; owner < MAX_OWNERS; owner++)
		drop(owner, 1);
}

/*
 * Says when it is still, does everything between two lines, says that, and, if the next line is `free`, frees
 * it all. `owner` has the next one to itself.
 */
void stand_still(int owner, int older, const int *usable, int operations)
{
	say("still\n");
	if (!next_line())
		return;
	open_books();
	all_calls(owner, older, usable, operations);
	say("worked\n");
	if (next_line() != 'f')
		return;
	free_everything();
	say("freed\n");
	next_line();
}
