// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sample_set.h"

#include <stdlib.h>

struct sample_set {
	struct sample *samples;
	size_t n, max;
};

struct sample_set *sample_set__new(size_t max)
{
	struct sample_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->max = max;
	set->samples = calloc(max, sizeof(*set->samples));
	if (!set->samples) {
		free(set);
		return NULL;
	}
	return set;
}

void sample_set__free(struct sample_set *set)
{
	if (!set)
		return;
	free(set->samples);
	free(set);
}

struct sample *sample_set__samples(struct sample_set *set, size_t *ret_n)
{
	*ret_n = set->n;
	return set->samples;
}

/* A step of splitmix64. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* Each with the same chance, whenever it came. Returns how many went. */
static size_t halve(struct sample_set *set, uint64_t *random)
{
	size_t kept = 0, before = set->n;

	for (size_t i = 0; i < set->n; i++) {
		if (next_random(random) >> 63)
			continue;
		set->samples[kept] = set->samples[i];
		set->samples[kept++].weight *= 2;
	}
	set->n = kept;
	return before - kept;
}

size_t sample_set__add(struct sample_set *set, const struct sample *samples, size_t n, uint64_t random)
{
	size_t gone = 0;

	for (size_t i = 0; i < n; i++) {
		while (set->n == set->max)
			gone += halve(set, &random);
		set->samples[set->n++] = samples[i];
	}
	return gone;
}

void sample_set__bury(struct sample_set *set, uint64_t verdicts[VERDICTS])
{
	size_t kept = 0;

	for (size_t i = 0; i < set->n; i++) {
		if (verdict__is_dead(set->samples[i].block.verdict))
			verdicts[set->samples[i].block.verdict]++;
		else
			set->samples[kept++] = set->samples[i];
	}
	set->n = kept;
}
