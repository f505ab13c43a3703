// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sampled_profile.h"

#include <errno.h>
#include <math.h>

#include "snapshot.h"

/* Of three survivors the 95 % interval reaches from a fifth to three times what they stand for; of fewer
 * there is no more to say than that there are some. */
#define MIN_SURVIVORS 3

_Static_assert(ESTIMATE_TYPES <= PROFILE_TYPES, "types are copied");

struct builder {
	const struct sampler *sampler;
	const struct session *session;
	const struct code_names *names;
	const struct sampling_options *options;
	struct profile *profile;
	/* What the rows so far add up to, exactly and as put into the profile: rounding loses nothing. */
	double bytes, blocks;
	uint64_t put_bytes, put_blocks;
};

static void round_row(struct builder *b, double bytes, double blocks, uint64_t values[PROFILE_VALUES])
{
	b->bytes += bytes;
	b->blocks += blocks;
	values[PROFILE_INUSE_SPACE] = llround(b->bytes) - b->put_bytes;
	values[PROFILE_INUSE_OBJECTS] = llround(b->blocks) - b->put_blocks;
	b->put_bytes += values[PROFILE_INUSE_SPACE];
	b->put_blocks += values[PROFILE_INUSE_OBJECTS];
}

static int add_stack(const struct builder *b, uint32_t id, enum profile_group group,
		     const uint64_t values[PROFILE_VALUES], const struct profile_estimate *estimate)
{
	char buffer[PROFILE_GROUP_BYTES];
	const char *frame = profile_group__frame(group, b->options->min_age_ns / 1e9, buffer);

	return snapshot__add_stack(b->session, b->names, id, frame, values, estimate, b->profile);
}

static enum profile_age profile_age_of(enum estimate_age age)
{
	static const enum profile_age ages[] = {
		[ESTIMATE_UNDER_10S] = PROFILE_UNDER_10S,
		[ESTIMATE_UNDER_1MIN] = PROFILE_UNDER_1MIN,
		[ESTIMATE_UNDER_10MIN] = PROFILE_UNDER_10MIN,
		[ESTIMATE_OLDER] = PROFILE_OLDER,
	};

	return ages[age];
}

static int add_row(struct builder *b, const struct estimate_row *row, enum profile_group group)
{
	struct profile_estimate estimate = {
		.age = profile_age_of(row->age),
		.survivors = row->survivors,
		.windows = row->windows,
		.newest_ms = row->newest_age_ns / 1000000,
		.below_sq = row->below_sq,
		.above_sq = row->above_sq,
	};
	uint64_t values[PROFILE_VALUES] = {};

	for (size_t i = 0; i < ESTIMATE_TYPES && row->types[i].survivors; i++)
		estimate.types[i] = (struct profile_type){
			.name = sampler__type_name(b->sampler, row->types[i].type),
			.survivors = row->types[i].survivors,
		};
	round_row(b, row->bytes, row->blocks, values);
	return add_stack(b, row->stack_id, group, values, &estimate);
}

/* The survivors that are old enough, of the stack whose rows begin here; and its number of rows. */
static uint64_t count_old(const struct estimate *estimate, size_t first, size_t *ret_n)
{
	uint32_t stack_id = estimate__row(estimate, first)->stack_id;
	uint64_t survivors = 0;
	size_t i;

	for (i = first; i < estimate__n_rows(estimate); i++) {
		const struct estimate_row *row = estimate__row(estimate, i);

		if (row->stack_id != stack_id)
			break;
		survivors += row->young ? 0 : row->survivors;
	}
	*ret_n = i - first;
	return survivors;
}

static int add_survivors(struct builder *b, const struct estimate *estimate)
{
	size_t n;
	int err = 0;

	for (size_t i = 0; i < estimate__n_rows(estimate) && !err; i += n) {
		uint64_t old = count_old(estimate, i, &n);

		for (size_t j = i; j < i + n && !err; j++) {
			const struct estimate_row *row = estimate__row(estimate, j);

			if (row->young && b->options->older_ns)
				continue;
			err = add_row(b, row,
				      row->young            ? PROFILE_YOUNG
				      : old < MIN_SURVIVORS ? PROFILE_TOO_FEW
							    : PROFILE_NO_GROUP);
		}
	}
	return err;
}

/* The classes that grew although no survivor of theirs was sampled. */
static int add_unattributed(struct builder *b, const struct estimate *estimate)
{
	const struct profile_frame frame = {
		.function = profile_group__frame(PROFILE_NO_SURVIVOR, 0, (char[PROFILE_GROUP_BYTES]){})};
	const struct profile_estimate nothing = {.newest_ms = UINT64_MAX};
	uint64_t values[PROFILE_VALUES] = {};
	struct estimate_amount sum = {};

	for (unsigned int i = 0; i < ESTIMATE_CLASSES; i++) {
		struct estimate_amount amount = estimate__unattributed(estimate, i);

		sum.bytes += amount.bytes;
		sum.blocks += amount.blocks;
	}
	round_row(b, sum.bytes, sum.blocks, values);
	if (!values[PROFILE_INUSE_OBJECTS])
		return 0;
	return profile__add_estimate(b->profile, LINGER_DOMAIN_OBJECT, NULL, &frame, 1, values, &nothing);
}

static int add_objects(struct builder *b)
{
	const struct estimate *estimate = sampler__estimate(b->sampler);
	int err = estimate ? add_survivors(b, estimate) : 0;

	return err || !estimate || b->options->older_ns ? err : add_unattributed(b, estimate);
}

static int add_allocated(struct builder *b, uint32_t id, const struct stack_sum *sum)
{
	const struct profile_estimate nothing = {.newest_ms = UINT64_MAX};
	const uint64_t values[PROFILE_VALUES] = {
		[PROFILE_ALLOC_SPACE] = llround(sum->allocated.bytes),
		[PROFILE_ALLOC_OBJECTS] = llround(sum->allocated.blocks),
	};

	return values[PROFILE_ALLOC_OBJECTS] ? add_stack(b, id, PROFILE_NO_GROUP, values, &nothing) : 0;
}

static int add_outlived(struct builder *b, uint32_t id, const struct stack_sum *sum)
{
	const struct profile_estimate estimate = {.survivors = sum->n_outlived, .newest_ms = UINT64_MAX};
	const uint64_t values[PROFILE_VALUES] = {
		[PROFILE_INUSE_SPACE] = llround(sum->outlived.bytes),
		[PROFILE_INUSE_OBJECTS] = llround(sum->outlived.blocks),
	};

	return sum->n_outlived ? add_stack(b, id, PROFILE_OUTLIVED, values, &estimate) : 0;
}

/* What stacks allocated, alive or not, and which raw blocks outlived their window. */
static int add_seen(struct builder *b, uint32_t domains)
{
	struct session_pools pools = session__pools(b->session);
	int err = 0;

	for (uint32_t id = 0; id < session_pools__n_stacks(&pools) && !err; id++) {
		struct stack_sum sum;

		if (!(domains >> session_pools__domain(&pools, id) & 1))
			continue;
		sum = sampler__sum(b->sampler, id);
		err = add_allocated(b, id, &sum);
		if (!err)
			err = add_outlived(b, id, &sum);
	}
	return err;
}

int sampled_profile__add(const struct sampler *sampler, const struct session *session,
			 const struct code_names *names, uint32_t domains,
			 const struct sampling_options *options, struct profile *profile)
{
	struct builder b = {
		.sampler = sampler,
		.session = session,
		.names = names,
		.options = options,
		.profile = profile,
	};
	int err;

	domains &= 1u << LINGER_DOMAIN_OBJECT | 1u << LINGER_DOMAIN_RAW;
	err = domains >> LINGER_DOMAIN_OBJECT & 1 ? add_objects(&b) : 0;
	return err ? err : add_seen(&b, domains);
}
