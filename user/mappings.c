// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "mappings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"

/* Half of an event. */
struct change {
	uint64_t time_ns;
	uint64_t start, bytes;
	uint64_t order; /* of arrival; decides between equal times */
	uint32_t stack_id;
	bool is_addition;
};

struct mappings {
	struct mapping_set *set;
	struct change *pending;
	size_t n_pending, capacity;
	uint64_t n_taken;
	uint64_t unmatched;
	int err;
};

struct mappings *mappings__new(void)
{
	struct mappings *mappings = calloc(1, sizeof(*mappings));

	if (!mappings)
		return NULL;
	mappings->set = mapping_set__new();
	if (!mappings->set) {
		free(mappings);
		return NULL;
	}
	return mappings;
}

void mappings__free(struct mappings *mappings)
{
	if (!mappings)
		return;
	mapping_set__free(mappings->set);
	free(mappings->pending);
	free(mappings);
}

static void add_change(struct mappings *mappings, struct change change)
{
	struct change *grown =
		array__grow(mappings->pending, mappings->n_pending, &mappings->capacity, sizeof(*grown));

	if (!grown) {
		mappings->err = -ENOMEM;
		return;
	}
	mappings->pending = grown;
	change.order = mappings->n_taken++;
	mappings->pending[mappings->n_pending++] = change;
}

void mappings__take(struct mappings *mappings, const struct mapping_event *event)
{
	if (event->remove_bytes)
		add_change(mappings, (struct change){
					     .time_ns = event->begin_ns,
					     .start = event->remove_start,
					     .bytes = event->remove_bytes,
				     });
	if (event->add_bytes)
		add_change(mappings, (struct change){
					     .time_ns = event->end_ns,
					     .start = event->add_start,
					     .bytes = event->add_bytes,
					     .stack_id = event->stack_id,
					     .is_addition = true,
				     });
}

static int compare_changes(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int apply_change(struct mappings *mappings, const struct change *change)
{
	struct mapping_removal removal = {};
	int err;

	if (change->is_addition) {
		err = mapping_set__add(mappings->set, change->start, change->bytes, change->stack_id,
				       &removal);
	} else {
		err = mapping_set__remove(mappings->set, change->start, change->bytes, &removal);
		mappings->unmatched += !err && !removal.known_bytes;
	}
	return err == -ENOMEM ? err
			      : 0; /* a range that wraps comes from a hostile target: nothing to apply */
}

int mappings__apply(struct mappings *mappings, uint64_t until_ns)
{
	size_t done = 0;

	if (!mappings->n_pending)
		return mappings->err;
	qsort(mappings->pending, mappings->n_pending, sizeof(*mappings->pending), compare_changes);
	for (; done < mappings->n_pending && mappings->pending[done].time_ns <= until_ns; done++) {
		int err = apply_change(mappings, &mappings->pending[done]);

		if (err)
			mappings->err = err;
	}
	mappings->n_pending -= done;
	memmove(mappings->pending, mappings->pending + done,
		mappings->n_pending * sizeof(*mappings->pending));
	return mappings->err;
}

const struct mapping_set *mappings__set(const struct mappings *mappings)
{
	return mappings->set;
}

uint64_t mappings__unmatched(const struct mappings *mappings)
{
	return mappings->unmatched;
}
