// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tasks are found where they are, in the heap: what asyncio keeps to find them itself is another thing in
 * every version. A task is read twice, with all that it awaits, and believed if nothing has changed in
 * between.
 */
#include "async_tasks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "coroutine_stack.h"
#include "heap_walk.h"
#include "target_text.h"
#include "type_names.h"

#define MAX_TASKS 65536
#define ATTEMPTS 50
#define FIRST_MINOR 8
#define OBJECT_TYPE 8
#define MAX_BYTES_BEFORE 48 /* what the collector keeps, managed attributes, what PYTHONMALLOC=debug adds */
#define PENDING 0           /* fut_state */

/* TaskObj (Modules/_asynciomodule.c). */
struct task_layout {
	uint16_t state; /* int */
	uint16_t waiter, coroutine, name;
	uint16_t bytes; /* at least */
};

static const struct task_layout task_layouts[] = {
	{.state = 72, .waiter = 104, .coroutine = 112, .name = 120, .bytes = 144}, /* 3.8 */
	{.state = 80, .waiter = 144, .coroutine = 152, .name = 160, .bytes = 184},
	{.state = 88, .waiter = 152, .coroutine = 160, .name = 168, .bytes = 192},
	{.state = 88, .waiter = 128, .coroutine = 136, .name = 144, .bytes = 176},
	{.state = 88, .waiter = 128, .coroutine = 136, .name = 144, .bytes = 176},
	{.state = 96, .waiter = 112, .coroutine = 120, .name = 128, .bytes = 144},
	{.state = 104, .waiter = 120, .coroutine = 128, .name = 136, .bytes = 144}, /* 3.14 */
};

struct search {
	const struct target *target;
	struct memory_reader *reader;
	const struct python *python;
	const struct task_layout *layout;
	struct type_names names;
	struct type_kinds kinds;
	struct coroutine_reader coroutines;
	struct code_cache *codes;
	uint64_t *addresses; /* of the tasks */
	size_t n, capacity;
	struct async_tasks found;
};

/* --- finding them ------------------------------------------------------------------------------------ */

static int add_address(struct search *search, uint64_t address)
{
	uint64_t *grown;

	if (search->n == MAX_TASKS) {
		search->found.n_left_out++;
		return 0;
	}
	grown = array__grow(search->addresses, search->n, &search->capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	search->addresses = grown;
	search->addresses[search->n++] = address;
	return 0;
}

/* An object may begin at `offset` in this block. */
static int look_at(struct search *search, const char *block, uint64_t address, uint32_t offset)
{
	enum type_kind kind;
	uint64_t words[2];
	int32_t state;
	int err;

	memcpy(words, block + offset, sizeof(words));
	if (!object__counts_references(words[0]))
		return 0;
	err = type_kinds__find(&search->kinds, words[1], &kind);
	if (err || kind != TYPE_TASK)
		return err;
	memcpy(&state, block + offset + search->layout->state, sizeof(state));
	return state == PENDING ? add_address(search, address + offset) : 0;
}

static int look_into_block(struct search *search, const char *block, uint64_t address, uint32_t block_bytes)
{
	uint32_t offset = search->python->runtime.gc_head_bytes;
	int err = 0;

	for (; offset <= MAX_BYTES_BEFORE && offset + search->layout->bytes <= block_bytes && !err;
	     offset += search->python->runtime.alignment)
		err = look_at(search, block, address, offset);
	return err;
}

static int look_into_pool(struct search *search, const struct heap_pool *pool)
{
	uint32_t block_bytes = pool__block_bytes(heap_pool__header(pool)), n = heap_pool__n_blocks(pool);
	uint64_t address = pool->address + POOL_HEADER_BYTES;
	int err = 0;

	for (uint32_t i = 0; i < n && !err; i++, address += block_bytes) {
		const char *block = (const char *)heap_pool__block(pool, i);

		if (block)
			err = look_into_block(search, block, address, block_bytes);
	}
	return err;
}

static int look_into_pools(void *context, const struct heap_pool *pools, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = look_into_pool(context, &pools[i]);
	return err;
}

static int search_heap(struct search *search)
{
	const struct heap_visitor visitor = {.pools = look_into_pools, .context = search};
	struct heap_walk *walk;
	struct heap_torn torn;
	int err = heap_walk__new(search->target, search->reader, search->python->runtime.pool_bytes, &walk);

	if (err)
		return err;
	err = heap_walk__visit(walk, &visitor, &torn);
	heap_walk__free(walk);
	if (!err)
		search->found.n_unread_blocks = torn.blocks;
	return err;
}

/* --- reading one ------------------------------------------------------------------------------------- */

/* What one reading of a task says. */
struct reading {
	uint64_t references, type;
	uint64_t waiter, coroutine, name;
	int32_t state;
	struct coroutine_stack stack;
};

static int read_fields(struct search *search, uint64_t address, struct reading *ret_reading)
{
	const struct task_layout *layout = search->layout;
	struct memory_request requests[] = {
		{address, &ret_reading->references, sizeof(uint64_t)},
		{address + OBJECT_TYPE, &ret_reading->type, sizeof(uint64_t)},
		{address + layout->state, &ret_reading->state, sizeof(ret_reading->state)},
		{address + layout->waiter, &ret_reading->waiter, sizeof(uint64_t)},
		{address + layout->coroutine, &ret_reading->coroutine, sizeof(uint64_t)},
		{address + layout->name, &ret_reading->name, sizeof(uint64_t)},
	};
	const size_t n = sizeof(requests) / sizeof(requests[0]);
	int err = memory_reader__read_many(search->reader, requests, n);

	for (size_t i = 0; i < n && !err; i++)
		err = requests[i].error;
	return err;
}

/* -ENOENT: it is done, or no task any more. */
static int read_once(struct search *search, uint64_t address, struct reading *ret_reading)
{
	enum type_kind kind;
	int err = read_fields(search, address, ret_reading);

	if (!err)
		err = type_kinds__find(&search->kinds, ret_reading->type, &kind);
	if (err)
		return err;
	if (kind != TYPE_TASK || !object__counts_references(ret_reading->references) ||
	    ret_reading->state != PENDING)
		return -ENOENT;
	return coroutine_stack__read(&search->coroutines, ret_reading->coroutine, &ret_reading->stack);
}

static bool is_same(const struct reading *a, const struct reading *b)
{
	return a->waiter == b->waiter && a->coroutine == b->coroutine && a->name == b->name &&
	       a->stack.is_running == b->stack.is_running &&
	       python_stack__equal(&a->stack.stack, &b->stack.stack);
}

static bool is_final(int err)
{
	return err == -ENOENT || err == -ESRCH || err == -ENOMEM;
}

/* 0, -ENOENT, -ESRCH, -ENOMEM; -EAGAIN: it changes all the time. */
static int read_twice(struct search *search, uint64_t address, struct reading *ret_reading)
{
	struct reading again;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		int err = read_once(search, address, ret_reading);

		if (!err)
			err = read_once(search, address, &again);
		if (is_final(err))
			return err;
		if (!err && is_same(ret_reading, &again))
			return 0;
	}
	return -EAGAIN;
}

/* --- what it says ------------------------------------------------------------------------------------ */

/* From 3.13 on a name that nobody chose is but a number until somebody asks for it; one digit of 30 bits is
 * enough. */
static char *read_number(const struct search *search, uint64_t address)
{
	const struct object_layout *objects = search->coroutines.objects;
	uint32_t digit;
	char *name;

	if (memory_reader__read(search->reader, address + objects->long_digits, &digit, sizeof(digit)))
		return NULL;
	return asprintf(&name, "Task-%" PRIu32, digit) < 0 ? NULL : name;
}

static int read_type(const struct search *search, uint64_t object, struct object_type *ret_type)
{
	uint8_t bytes[OBJECT_TYPE_BYTES];
	uint64_t address;

	if (memory_reader__read(search->reader, object + OBJECT_TYPE, &address, sizeof(address)) ||
	    memory_reader__read(search->reader, address, bytes, sizeof(bytes)) ||
	    !object_type__parse(bytes, address, search->python->runtime.gc_head_bytes, ret_type))
		return -EFAULT;
	return 0;
}

static char *read_name(const struct search *search, uint64_t address)
{
	struct object_type type;

	if (read_type(search, address, &type))
		return NULL;
	if (object_type__is_int(&type))
		return read_number(search, address);
	return object_type__is_str(&type) ? target_text__str(search->reader, &search->python->layout, address)
					  : NULL;
}

static int describe_future(struct search *search, uint64_t future, struct async_task *task)
{
	enum type_kind kind;
	struct object_type type;
	uint64_t name;
	int err;

	task->future = future;
	if (read_type(search, future, &type))
		return 0;
	task->future_type = type_names__read(&search->names, &type);
	err = type_kinds__find(&search->kinds, type.address, &kind);
	if (!err && kind == TYPE_TASK &&
	    !memory_reader__read(search->reader, future + search->layout->name, &name, sizeof(name)))
		task->future_name = read_name(search, name);
	return err;
}

static int resolve_frames(struct search *search, const struct python_stack *stack, struct async_task *task)
{
	const struct py_layout *py = &search->python->layout;

	task->frames = calloc(stack->n_frames + 1, sizeof(*task->frames));
	task->places = calloc(stack->n_frames + 1, sizeof(*task->places));
	if (!task->frames || !task->places)
		return -ENOMEM;
	memcpy(task->places, stack->frames, stack->n_frames * sizeof(*task->places));
	for (size_t i = 0; i < stack->n_frames; i++) {
		const struct code_object *code =
			code_cache__find(search->codes, py, search->reader, stack->frames[i].code);

		if (!code)
			return -ENOMEM;
		task->frames[task->n_frames++] = code_object__frame(code, py, stack->frames[i].instr);
	}
	task->truncated = stack->truncated;
	return 0;
}

static int describe(struct search *search, const struct reading *reading, struct async_task *task)
{
	int err = resolve_frames(search, &reading->stack.stack, task);

	task->name = read_name(search, reading->name);
	if (!err && reading->waiter)
		err = describe_future(search, reading->waiter, task);
	if (reading->stack.is_running)
		task->state = ASYNC_RUNNING;
	else
		task->state = reading->waiter ? ASYNC_WAITING : ASYNC_READY;
	return err;
}

static int read_task(struct search *search, uint64_t address)
{
	struct async_task *task = &search->found.tasks[search->found.n];
	struct reading reading;
	int err = read_twice(search, address, &reading);

	if (is_final(err))
		return err == -ENOENT ? 0 : err;
	search->found.n++;
	task->address = address;
	task->is_torn = err;
	search->found.n_torn += task->is_torn;
	return err ? 0 : describe(search, &reading, task);
}

static int read_tasks(struct search *search)
{
	int err = 0;

	search->found.tasks = calloc(search->n + 1, sizeof(*search->found.tasks));
	if (!search->found.tasks)
		return -ENOMEM;
	for (size_t i = 0; i < search->n && !err; i++)
		err = read_task(search, search->addresses[i]);
	return err;
}

/* --- the module -------------------------------------------------------------------------------------- */

/* As a library, or in the interpreter itself. */
static int has_asyncio(const struct target *target, const struct python *python, bool *ret_has_it)
{
	struct target_mapping *mappings;
	uint64_t address;
	size_t n;
	int err = target__mappings(target, &mappings, &n);

	if (err)
		return err;
	*ret_has_it = python->image && !elf_image__symbol(python->image, "PyInit__asyncio", &address, NULL);
	for (size_t i = 0; i < n && !*ret_has_it; i++)
		*ret_has_it = strstr(mappings[i].path, "/_asyncio.");
	target__free_mappings(mappings, n);
	return 0;
}

static bool has_no_pools(const struct search *search)
{
	enum python_allocator allocator = python__allocator(search->python, search->reader);

	return allocator == PYTHON_MALLOC || allocator == PYTHON_MALLOC_HOOKED;
}

static int search_and_read(struct search *search)
{
	bool has_it = false;
	int err = has_asyncio(search->target, search->python, &has_it);

	if (err || !has_it)
		return err;
	search->found.no_pools = has_no_pools(search);
	if (search->found.no_pools)
		return 0;
	err = search_heap(search);
	return err ? err : read_tasks(search);
}

int async_tasks__read(const struct target *target, struct memory_reader *reader, const struct python *python,
		      struct code_cache *codes, struct async_tasks *ret_tasks, struct error *error)
{
	struct search search = {
		.target = target,
		.reader = reader,
		.python = python,
		.names = {.reader = reader, .python = python},
		.kinds = {.reader = reader, .python = python},
		.coroutines = {reader, python, object_layout__get(python->minor), &search.kinds},
		.codes = codes,
	};
	int err = 0;

	if (python->minor >= FIRST_MINOR && search.coroutines.objects) {
		search.layout = &task_layouts[python->minor - FIRST_MINOR];
		err = search_and_read(&search);
	}
	type_kinds__free(&search.kinds);
	free(search.addresses);
	if (err) {
		async_tasks__free(&search.found);
		return error__set(error, err, "failed to find the tasks of process %d: %s",
				  target__pid(target), strerror(-err));
	}
	*ret_tasks = search.found;
	return 0;
}

void async_tasks__free(struct async_tasks *tasks)
{
	for (size_t i = 0; i < tasks->n; i++) {
		frame_locals__free_all(tasks->tasks[i].locals, tasks->tasks[i].n_frames);
		free(tasks->tasks[i].name);
		free(tasks->tasks[i].frames);
		free(tasks->tasks[i].places);
		free(tasks->tasks[i].future_type);
		free(tasks->tasks[i].future_name);
	}
	free(tasks->tasks);
	*tasks = (struct async_tasks){};
}
