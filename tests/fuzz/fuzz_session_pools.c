// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the kernel's maps hold: stacks, frames, code objects and their texts. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "py_layouts.h"
#include "session.h"
#include "snapshot.h"

#define STACKS 8
#define CODES 8
#define MAX_FRAMES 512
#define MAX_CHUNKS 64
#define ALL_DOMAINS ((1u << LINGER_DOMAINS) - 1)

/* In front of the frames and the texts. */
struct head {
	uint8_t minor;
	uint8_t pad[7];
	uint32_t next_stack, next_code;
	struct linger_stack stacks[STACKS];
	struct linger_code codes[CODES];
};

/* --- the session --------------------------------------------------------------------------------------- */

static struct session_pools pools;

struct session_pools session__pools(const struct session *session)
{
	return pools;
}

int session__counters(const struct session *session, enum linger_domain domain,
		      struct linger_counters *ret_counters)
{
	*ret_counters = (struct linger_counters){};
	return 0;
}

/* --- the input ----------------------------------------------------------------------------------------- */

static void take_snapshot(const struct code_names *names, const struct mappings *mappings)
{
	struct profile *profile = profile__new();

	fuzz__check(profile && !snapshot__profile(NULL, mappings, names, ALL_DOMAINS, profile),
		    "there is memory for a profile");
	for (size_t i = 0; i < profile__n_samples(profile); i++)
		fuzz__check(profile__sample(profile, i)->n_frames, "every stack has frames");
	for (int domain = 0; domain < LINGER_DOMAINS; domain++) {
		struct domain_totals totals;

		snapshot__totals(NULL, mappings, domain, &totals);
	}
	profile__free(profile);
}

static void read_pools(const struct py_layout *py)
{
	struct code_names *names = code_names__new(py);
	struct mappings *mappings = mappings__new();

	fuzz__check(names && mappings && !code_names__update(names, &pools, NULL), "there is memory");
	take_snapshot(names, mappings);
	mappings__free(mappings);
	code_names__free(names);
}

/* In allocations of their exact size, so that a read past the end is seen. */
static void *copy_of(const void *bytes, size_t n)
{
	void *copy = malloc(n ? n : 1);

	fuzz__check(!!copy, "there is memory for the pools");
	return memcpy(copy, bytes, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct py_runtime_layout runtime;
	struct trace_state state = {};
	struct py_layout py;
	struct head head;
	void *frames, *text;

	if (n < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	if (py_layouts__get(7 + head.minor % 6, NULL, 0, &py, &runtime))
		return 0;
	n -= sizeof(head);
	state.next_stack = head.next_stack;
	state.next_code = head.next_code;
	pools = (struct session_pools){
		.state = &state,
		.stacks = head.stacks,
		.codes = head.codes,
		.max_stacks = STACKS,
		.max_codes = CODES,
		.max_frames = n / sizeof(uint64_t) < MAX_FRAMES ? n / sizeof(uint64_t) : MAX_FRAMES,
		.max_chunks = n / LINGER_TEXT_CHUNK < MAX_CHUNKS ? n / LINGER_TEXT_CHUNK : MAX_CHUNKS,
	};
	pools.frames = frames = copy_of(bytes + sizeof(head), pools.max_frames * sizeof(uint64_t));
	pools.text = text = copy_of(bytes + sizeof(head), pools.max_chunks * LINGER_TEXT_CHUNK);
	read_pools(&py);
	free(frames);
	free(text);
	return 0;
}

/* A stack of each domain, and frames of all code objects. */
void fuzz__add_seeds(void)
{
	static struct {
		struct head head;
		uint64_t frames[CODES];
		char text[2 * LINGER_TEXT_CHUNK];
	} seed = {.head = {.next_stack = STACKS, .next_code = CODES}, .text = "main"};

	for (uint32_t i = 0; i < CODES; i++) {
		seed.frames[i] = LINGER_FRAME(i, 2 * i);
		seed.head.stacks[i] = (struct linger_stack){
			.alloc_blocks = 1, .alloc_bytes = 64, .n_frames = i, .domain = i % LINGER_DOMAINS};
		seed.head.codes[i] = (struct linger_code){
			.name = {1, 4},
			.filename = {1, 4},
			.line_table = {0, 16},
			.name_kind = 1 << i % 3,
			.filename_kind = 1,
			.first_line = i,
			.flags = CODE_READY,
		};
	}
	for (seed.head.minor = 0; seed.head.minor < 6; seed.head.minor++)
		fuzz__add_seed(&seed, sizeof(seed));
}
