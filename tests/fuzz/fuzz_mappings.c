// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Mapping events, against a model that knows of each page which stack made it. */
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "input.h"
#include "mappings.h"

#define PAGES 64 /* of the model, anywhere in the address space */
#define STACKS 4
#define NO_STACK STACKS
#define MAX_EVENTS 64

static struct {
	uint8_t stacks[PAGES];
	uint64_t start; /* address of the first page */
	uint32_t page_bytes;
} model;

/* A part of the model; false: events outside, which the model does not know, or that wrap. */
static bool find_pages(uint64_t start, uint64_t bytes, size_t *ret_first, size_t *ret_n)
{
	*ret_first = (start - model.start) / model.page_bytes;
	*ret_n = bytes / model.page_bytes;
	return start + bytes > start;
}

static void set_pages(uint64_t start, uint64_t bytes, uint8_t stack)
{
	size_t first, n;

	if (find_pages(start, bytes, &first, &n))
		memset(model.stacks + first, stack, n);
}

/* Of pages of the model, one after the other in time. */
static struct mapping_event make_event(struct input *input, uint64_t now)
{
	size_t add = input__below(input, PAGES), remove = input__below(input, PAGES);

	return (struct mapping_event){
		.begin_ns = now,
		.end_ns = now + 1,
		.add_start = model.start + add * model.page_bytes,
		.add_bytes = input__below(input, PAGES - add + 1) * model.page_bytes,
		.remove_start = model.start + remove * model.page_bytes,
		.remove_bytes = input__below(input, PAGES - remove + 1) * model.page_bytes,
		.stack_id = input__below(input, STACKS),
	};
}

static void apply_to_model(const struct mapping_event *event)
{
	if (event->remove_bytes)
		set_pages(event->remove_start, event->remove_bytes, NO_STACK);
	if (event->add_bytes)
		set_pages(event->add_start, event->add_bytes, event->stack_id);
}

static void check(const struct mapping_set *set)
{
	uint64_t live_bytes = 0;

	for (uint32_t stack = 0; stack < STACKS; stack++) {
		struct mapping_totals totals = mapping_set__stack_totals(set, stack);
		uint64_t n_pages = 0;

		for (size_t i = 0; i < PAGES; i++)
			n_pages += model.stacks[i] == stack;
		fuzz__check(totals.live_bytes == n_pages * model.page_bytes, "a stack has its pages");
		fuzz__check(!totals.live_bytes == !totals.live_blocks, "pages are in blocks");
		live_bytes += totals.live_bytes;
	}
	fuzz__check(mapping_set__totals(set).live_bytes == live_bytes, "the stacks have all");
}

/* Events of the model, whose order of arrival is not that of time. */
static void check_model(struct input *input)
{
	size_t n = input__below(input, MAX_EVENTS), late = input__below(input, MAX_EVENTS);
	struct mapping_event events[MAX_EVENTS];
	struct mappings *mappings = mappings__new();

	memset(model.stacks, NO_STACK, sizeof(model.stacks));
	model.page_bytes = 1 + input__number(input) % 4096;
	model.start = input__number(input) % (UINT64_MAX - PAGES * 4096);
	fuzz__check(!!mappings, "there is memory");
	for (size_t i = 0; i < n; i++) {
		events[i] = make_event(input, 10 * i);
		apply_to_model(&events[i]);
	}
	for (size_t i = 0; i < n; i++)
		mappings__take(mappings, &events[(i + late) % n]);
	fuzz__check(!mappings__apply(mappings, UINT64_MAX), "there is memory");
	check(mappings__set(mappings));
	mappings__free(mappings);
}

/* Events that say anything, applied a few at a time. */
static void check_any(struct input *input)
{
	struct mappings *mappings = mappings__new();

	fuzz__check(!!mappings, "there is memory");
	while (input->n) {
		const struct mapping_event event = {
			.begin_ns = input__number(input),
			.end_ns = input__number(input),
			.add_start = input__number(input),
			.add_bytes = input__number(input),
			.remove_start = input__number(input),
			.remove_bytes = input__number(input),
			.stack_id = input__number(input),
		};

		mappings__take(mappings, &event);
		if (input__below(input, 4))
			continue;
		fuzz__check(!mappings__apply(mappings, input__number(input)), "there is memory");
	}
	mappings__apply(mappings, UINT64_MAX);
	mappings__free(mappings);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, n};

	check_model(&input);
	check_any(&input);
	return 0;
}
