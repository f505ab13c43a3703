// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "thread_states.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS 3
#define MAX_INTERPRETERS 1024

struct listing {
	const struct python *python;
	struct memory_reader *reader;
	struct thread_state *states; /* room for MAX_THREAD_STATES */
	size_t n;
	uint64_t gil_holders[MAX_INTERPRETERS]; /* 0: nobody */
	size_t n_interpreters;
};

static int read_word(struct memory_reader *reader, uint64_t address, uint64_t *ret_word)
{
	return memory_reader__read(reader, address, ret_word, sizeof(*ret_word));
}

/* --- one thread -------------------------------------------------------------------------------------- */

/* Up to 3.10 the interpreter does not keep the kernel's id, but glibc does, where pthread_self() points. */
static void find_native_id(struct listing *listing, struct thread_state *state)
{
	const struct python *python = listing->python;
	uint64_t word = 0;
	int32_t id = 0;

	if (python->runtime.native_thread_id != PY_NO_FIELD) {
		if (!read_word(listing->reader, state->address + python->runtime.native_thread_id, &word))
			state->native_id = word;
	} else if (python->thread_library == THREADS_OF_GLIBC) {
		if (!memory_reader__read(listing->reader, state->thread_id + GLIBC_THREAD_ID, &id,
					 sizeof(id)))
			state->native_id = id;
	}
}

static int read_state(struct listing *listing, uint64_t address, uint64_t *ret_next)
{
	const struct py_runtime_layout *runtime = &listing->python->runtime;
	struct thread_state state = {.address = address};
	struct memory_request requests[] = {
		{.address = address + runtime->tstate_next, .to = ret_next, .bytes = sizeof(*ret_next)},
		{.address = address + runtime->thread_id,
		 .to = &state.thread_id,
		 .bytes = sizeof(state.thread_id)},
	};
	int err = memory_reader__read_many(listing->reader, requests, 2);

	if (err || requests[0].error || requests[1].error)
		return err ? err : -EFAULT;
	find_native_id(listing, &state);
	listing->states[listing->n++] = state;
	return 0;
}

/* --- the lists --------------------------------------------------------------------------------------- */

static bool is_listed(const struct listing *listing, uint64_t address)
{
	for (size_t i = 0; i < listing->n; i++)
		if (listing->states[i].address == address)
			return true;
	return false;
}

static int list_threads(struct listing *listing, uint64_t interpreter)
{
	uint64_t state;
	int err = read_word(listing->reader, interpreter + listing->python->runtime.interp_threads, &state);

	while (!err && state) {
		if (listing->n == MAX_THREAD_STATES)
			return -E2BIG;
		if (is_listed(listing, state))
			return -ELOOP;
		err = read_state(listing, state, &state);
	}
	return err;
}

/* From 3.12 on each interpreter may have a GIL of its own. */
static int read_gil_holder(struct listing *listing, uint64_t interpreter, uint64_t *ret_holder)
{
	const struct py_runtime_layout *runtime = &listing->python->runtime;
	int32_t locked = 0;
	int err;

	*ret_holder = 0;
	if (runtime->interp_gil_locked == PY_NO_FIELD)
		return read_word(listing->reader, listing->python->current_tstate, ret_holder);
	err = memory_reader__read(listing->reader, interpreter + runtime->interp_gil_locked, &locked,
				  sizeof(locked));
	return err || locked != 1
		       ? err
		       : read_word(listing->reader, interpreter + runtime->interp_gil_holder, ret_holder);
}

static int list_interpreters(struct listing *listing)
{
	uint64_t interpreter;
	int err = read_word(listing->reader, listing->python->interpreters, &interpreter);

	listing->n = listing->n_interpreters = 0;
	while (!err && interpreter) {
		if (listing->n_interpreters == MAX_INTERPRETERS)
			return -E2BIG;
		err = list_threads(listing, interpreter);
		if (!err)
			err = read_gil_holder(listing, interpreter,
					      &listing->gil_holders[listing->n_interpreters++]);
		if (!err)
			err = read_word(listing->reader, interpreter + listing->python->runtime.interp_next,
					&interpreter);
	}
	return err;
}

static void mark_gil_holders(struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		for (size_t j = 0; j < listing->n_interpreters; j++)
			if (listing->states[i].address == listing->gil_holders[j])
				listing->states[i].holds_gil = true;
}

/* --- the module -------------------------------------------------------------------------------------- */

static int fail(const struct python *python, int err, struct error *error)
{
	if (err == -E2BIG) {
		error__set(error, err, "failed to list the threads of Python %s: there are more than %d",
			   python->version, MAX_THREAD_STATES);
		error__hint(error, "linger reads the stacks of at most so many");
		return err;
	}
	return error__set(error, err, "failed to list the threads of Python %s: %s", python->version,
			  err == -ELOOP ? "they come and go too fast" : strerror(-err));
}

/* A list that changes while it is read may lead astray: then it is read again. */
int thread_states__list(const struct python *python, struct memory_reader *reader,
			struct thread_state **ret_states, size_t *ret_n, struct error *error)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	int err = -ENOMEM;

	if (!listing)
		return fail(python, err, error);
	listing->python = python;
	listing->reader = reader;
	listing->states = calloc(MAX_THREAD_STATES, sizeof(*listing->states));
	if (listing->states)
		err = list_interpreters(listing);
	for (int attempt = 1; attempt < ATTEMPTS && (err == -EFAULT || err == -ELOOP); attempt++)
		err = list_interpreters(listing);
	if (!err) {
		mark_gil_holders(listing);
		*ret_states = listing->states;
		*ret_n = listing->n;
	} else {
		free(listing->states);
	}
	free(listing);
	return err ? fail(python, err, error) : 0;
}
