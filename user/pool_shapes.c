// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How the copies of pymalloc's fast path are found.
 *
 * CPython's allocator keeps, per size class, pools of equal blocks (Objects/obmalloc.c, struct pool_header):
 * at +0 the number of blocks in use (32 bits), at +8 the head of the list of free blocks, each free block
 * pointing to the next. Optimising compilers inline the two short paths into hundreds of callers:
 *
 *   pop, an allocation:   head = [pool+8]; [pool] += 1; next = [head]; [pool+8] = next; if (!next) ...
 *   push, a free:         head = [pool+8]; [block] = head; [pool+8] = block; if (!head) ...; [pool] -= 1
 *
 * The compiler picks registers, orders the instructions, spills values, and sinks stores below the branch. So
 * this file does not match text: it starts at every 64-bit load from [register+8], calls the base "pool" and
 * the result "head", and follows these values along all paths through moves, loads, stores and spill slots
 * for a few dozen instructions. What then tests "next" (pop) or, with the block linked to it, "head" (push)
 * for zero and jumps is a site, if [pool+8] gets its new value and the count at [pool] is seen to change in
 * the right direction before or soon after.
 *
 *       mov 0x8(%rdx),%rax     head = [pool+8]       rdx: pool  rax: head
 *       addl $0x1,(%rdx)       [pool] += 1
 *       mov (%rax),%rcx        next = [head]         rcx: next
 *       mov %rcx,0x8(%rdx)     [pool+8] = next
 *       test %rcx,%rcx
 *       je ...                 <- the site: the block is in rax
 *
 * The same site can be reached with the values in different places; it is used only if one place holds the
 * block on all paths. A shape that looks like this and is none costs time and no truth: the BPF program
 * checks the pool's header before it believes a pop, and only a block in the live set can be freed.
 */
#include "pool_shapes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"

#define MAX_SLOTS 4
#define PATH_INSNS 48    /* from the load of the head to the jump */
#define CONFIRM_INSNS 24 /* beyond the jump */
#define COUNT_BEFORE_INSNS 8
#define ANCHOR_BUDGET 400 /* instructions looked at for one load of a head, over all paths */

#define POOL_COUNT 0x00
#define POOL_HEAD 0x08
#define POOL_SZIDX 0x24
#define DUMMY_SIZE_IDX 0xffff /* of a pool that has never been used */

enum value {
	V_NONE,
	V_POOL,
	V_HEAD,  /* the head of the free list when we came: a pop's block */
	V_NEXT,  /* [head] */
	V_BLOCK, /* a push's block */
};

struct slot {
	int32_t disp;
	uint8_t base;
	uint8_t value;
};

/* What is known at one point of one path. */
struct state {
	uint8_t reg[16];              /* enum value */
	struct slot slots[MAX_SLOTS]; /* on the stack */
	uint8_t head_holds;           /* what [pool+8] contains */
	uint8_t tested;               /* what the zero flag speaks of */
	bool counted_up, counted_down;
	bool linked;   /* [block] = head was seen */
	bool unlinked; /* [pool+8] = next was seen */
};

/* Where the block can be found at a site, on all paths so far. */
struct places {
	uint16_t registers;
	uint16_t pools; /* registers that hold the pool while [pool+8] holds the block */
	struct slot slots[MAX_SLOTS];
};

struct candidate {
	uint64_t address;
	uint8_t kind; /* enum site_kind */
	struct places places;
};

struct pool_shapes {
	const struct insn *insns;
	size_t n_insns;
	int budget;
	struct candidate *candidates;
	size_t n_candidates, capacity;
	struct shape_result result;
};

struct pool_shapes *pool_shapes__new(void)
{
	return calloc(1, sizeof(struct pool_shapes));
}

void pool_shapes__free(struct pool_shapes *shapes)
{
	if (!shapes)
		return;
	free(shapes->candidates);
	free(shapes->result.sites);
	free(shapes);
}

static long find_insn(const struct pool_shapes *shapes, uint64_t address)
{
	size_t low = 0, high = shapes->n_insns;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (shapes->insns[mid].address < address)
			low = mid + 1;
		else
			high = mid;
	}
	return low < shapes->n_insns && shapes->insns[low].address == address ? (long)low : -1;
}

/* --- one instruction --------------------------------------------------------------------------------- */

/*
 * Whether a memory operand may be a spill slot. Without frame pointers rbp is a register like any other; with
 * them [rbp+0] is the caller's rbp and no slot.
 */
static bool is_stack(const struct insn *insn)
{
	return insn->base == SITE_RSP || (insn->base == SITE_RBP && insn->disp != 0);
}

static struct slot *find_slot(struct state *s, uint8_t base, int32_t disp)
{
	for (int i = 0; i < MAX_SLOTS; i++)
		if (s->slots[i].value != V_NONE && s->slots[i].base == base && s->slots[i].disp == disp)
			return &s->slots[i];
	return NULL;
}

static void set_slot(struct state *s, uint8_t base, int32_t disp, uint8_t value)
{
	struct slot *slot = find_slot(s, base, disp);

	for (int i = 0; !slot && i < MAX_SLOTS; i++)
		if (s->slots[i].value == V_NONE)
			slot = &s->slots[i];
	if (slot)
		*slot = (struct slot){.disp = disp, .base = base, .value = value};
}

static void forget_slots(struct state *s, uint8_t base)
{
	for (int i = 0; i < MAX_SLOTS; i++)
		if (s->slots[i].base == base)
			s->slots[i].value = V_NONE;
}

static uint8_t register_value(const struct state *s, uint8_t reg)
{
	return reg == NO_REG ? V_NONE : s->reg[reg];
}

/* The value that a 64-bit load yields. */
static uint8_t loaded_value(struct state *s, const struct insn *insn)
{
	uint8_t base = register_value(s, insn->base);
	struct slot *slot;

	if (insn->width != 8 || insn->base == NO_REG)
		return V_NONE;
	if (base == V_POOL && insn->disp == POOL_HEAD)
		return s->head_holds;
	if (base == V_HEAD && insn->disp == 0)
		return V_NEXT;
	slot = is_stack(insn) ? find_slot(s, insn->base, insn->disp) : NULL;
	return slot ? slot->value : V_NONE;
}

static void store_head(struct state *s, const struct insn *insn)
{
	uint8_t value = register_value(s, insn->src);

	if (insn->src == NO_REG) {
		s->head_holds = V_NONE;
		return;
	}
	if (value == V_NONE)
		value = s->reg[insn->src] = V_BLOCK;
	s->unlinked |= value == V_NEXT;
	s->head_holds = value;
}

/*
 * [block] = head links a block; the register may also point at the object inside it, past the garbage
 * collector's header. With rbp the same instruction may be a spill.
 */
static void store_elsewhere(struct state *s, const struct insn *insn, uint8_t base)
{
	uint8_t value = register_value(s, insn->src);

	if (value == V_HEAD && base != V_HEAD && base != V_POOL && insn->base != SITE_RSP) {
		s->linked = true;
		if (insn->disp == 0)
			s->reg[insn->base] = V_BLOCK;
	}
	if (is_stack(insn))
		set_slot(s, insn->base, insn->disp, value);
}

static void take_store(struct state *s, const struct insn *insn)
{
	uint8_t base = register_value(s, insn->base);

	if (insn->base == NO_REG)
		return;
	if (base == V_POOL && insn->disp == POOL_COUNT && insn->width == 4)
		s->counted_up = s->counted_down = true; /* counted in a register; either way */
	else if (base == V_POOL && insn->disp == POOL_HEAD && insn->width == 8)
		store_head(s, insn);
	else if (insn->width == 8)
		store_elsewhere(s, insn, base);
}

static void take_add(struct state *s, const struct insn *insn)
{
	if (register_value(s, insn->base) != V_POOL || insn->disp != POOL_COUNT || insn->width != 4)
		return;
	s->counted_up |= insn->imm == 1;
	s->counted_down |= insn->imm == -1;
}

static uint8_t tested_value(struct state *s, const struct insn *insn)
{
	if (insn->width != 8)
		return V_NONE;
	if (insn->op == INSN_TEST)
		return register_value(s, insn->reg);
	return insn->op == INSN_TEST_MEMORY ? loaded_value(s, insn) : V_NONE;
}

static void step(struct state *s, const struct insn *insn)
{
	uint8_t value = V_NONE;

	if (insn->op == INSN_MOVE)
		value = register_value(s, insn->src);
	else if (insn->op == INSN_LOAD)
		value = loaded_value(s, insn);
	else if (insn->op == INSN_STORE)
		take_store(s, insn);
	else if (insn->op == INSN_ADD_MEMORY)
		take_add(s, insn);
	if (insn->writes_flags)
		s->tested = tested_value(s, insn);
	for (int reg = 0; reg < 16; reg++)
		if (insn->writes >> reg & 1)
			s->reg[reg] = V_NONE;
	if (insn->writes >> SITE_RSP & 1)
		forget_slots(s, SITE_RSP);
	if (insn->writes >> SITE_RBP & 1)
		forget_slots(s, SITE_RBP);
	if (insn->op == INSN_MOVE || insn->op == INSN_LOAD)
		s->reg[insn->reg] = value;
}

/* --- sites ------------------------------------------------------------------------------------------- */

static struct places find_places(const struct state *s, uint8_t value)
{
	struct places places = {};

	for (int reg = 0; reg < 16; reg++) {
		places.registers |= (s->reg[reg] == value) << reg;
		places.pools |= (s->reg[reg] == V_POOL && s->head_holds == value) << reg;
	}
	for (int i = 0; i < MAX_SLOTS; i++)
		if (s->slots[i].value == value)
			places.slots[i] = s->slots[i];
	return places;
}

static bool has_slot(const struct places *places, const struct slot *slot)
{
	for (int i = 0; i < MAX_SLOTS; i++)
		if (places->slots[i].value == slot->value && places->slots[i].base == slot->base &&
		    places->slots[i].disp == slot->disp)
			return true;
	return false;
}

static void intersect(struct places *places, const struct places *other)
{
	places->registers &= other->registers;
	places->pools &= other->pools;
	for (int i = 0; i < MAX_SLOTS; i++)
		if (!has_slot(other, &places->slots[i]))
			places->slots[i].value = V_NONE;
}

static int add_candidate(struct pool_shapes *shapes, uint64_t address, enum site_kind kind,
			 const struct places *places)
{
	struct candidate *grown;

	for (size_t i = 0; i < shapes->n_candidates; i++) {
		struct candidate *c = &shapes->candidates[i];

		if (c->address != address)
			continue;
		if (c->kind != kind)
			memset(&c->places, 0, sizeof(c->places));
		intersect(&c->places, places);
		return 0;
	}
	grown = array__grow(shapes->candidates, shapes->n_candidates, &shapes->capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	shapes->candidates = grown;
	shapes->candidates[shapes->n_candidates++] =
		(struct candidate){.address = address, .kind = kind, .places = *places};
	return 0;
}

static bool locate(const struct places *places, union site_cookie *cookie)
{
	if (places->registers) {
		cookie->place = SITE_IN_REGISTER;
		cookie->reg = __builtin_ctz(places->registers);
		return true;
	}
	cookie->place = SITE_IN_MEMORY;
	for (int i = 0; i < MAX_SLOTS; i++) {
		if (places->slots[i].value == V_NONE)
			continue;
		cookie->reg = places->slots[i].base;
		cookie->disp = places->slots[i].disp;
		return true;
	}
	if (!places->pools)
		return false;
	cookie->reg = __builtin_ctz(places->pools);
	cookie->disp = POOL_HEAD;
	return true;
}

/* --- paths ------------------------------------------------------------------------------------------- */

/* The instructions that can follow: 0, 1 or 2 indices. */
static int successors(const struct pool_shapes *shapes, size_t at, long ret_next[2])
{
	const struct insn *insn = &shapes->insns[at];
	int n = 0;
	long target;

	if (insn->op >= INSN_CALL)
		return 0;
	if (insn->op != INSN_JMP && at + 1 < shapes->n_insns)
		ret_next[n++] = at + 1;
	if (insn->op != INSN_JMP && insn->op != INSN_JCC)
		return n;
	target = find_insn(shapes, insn->imm);
	if (target >= 0)
		ret_next[n++] = target;
	return n;
}

static bool is_confirmed(const struct state *s, enum site_kind kind)
{
	if (kind == SITE_POP)
		return s->counted_up && s->unlinked;
	return s->linked && s->head_holds == V_BLOCK && s->counted_down;
}

/* Whether what is still missing of the shape comes on some path after instruction `at`. */
static bool confirm(struct pool_shapes *shapes, struct state s, size_t at, int left, enum site_kind kind)
{
	long next[2];
	int n;

	while (left-- > 0 && shapes->budget-- > 0) {
		if (is_confirmed(&s, kind))
			return true;
		n = successors(shapes, at, next);
		if (n == 2) {
			struct state other = s;

			step(&other, &shapes->insns[next[1]]);
			if (confirm(shapes, other, next[1], left, kind))
				return true;
		}
		if (n == 0)
			return false;
		at = next[0];
		step(&s, &shapes->insns[at]);
	}
	return is_confirmed(&s, kind);
}

/* Whether the jump at `at` is a site; adds it if so. */
static int take_jump(struct pool_shapes *shapes, const struct state *s, size_t at, bool *ret_taken)
{
	const struct insn *insn = &shapes->insns[at];
	enum site_kind kind = s->tested == V_NEXT ? SITE_POP : SITE_PUSH;
	struct places places;

	*ret_taken = false;
	if (!insn->if_zero || !insn->emulated || (s->tested != V_NEXT && s->tested != V_HEAD))
		return 0;
	if (!confirm(shapes, *s, at, CONFIRM_INSNS, kind))
		return 0;
	*ret_taken = true;
	places = find_places(s, kind == SITE_POP ? V_HEAD : V_BLOCK);
	return add_candidate(shapes, insn->address, kind, &places);
}

static int follow(struct pool_shapes *shapes, struct state s, size_t at, int left)
{
	long next[2];
	bool taken;
	int n, err;

	while (left-- > 0 && shapes->budget-- > 0) {
		if (shapes->insns[at].op == INSN_JCC) {
			err = take_jump(shapes, &s, at, &taken);
			if (err || taken)
				return err;
		}
		n = successors(shapes, at, next);
		if (n == 0)
			return 0;
		if (n == 2) {
			struct state other = s;

			step(&other, &shapes->insns[next[1]]);
			err = follow(shapes, other, next[1], left);
			if (err)
				return err;
		}
		at = next[0];
		step(&s, &shapes->insns[at]);
	}
	return 0;
}

static bool is_anchor(const struct insn *insn)
{
	return insn->op == INSN_LOAD && insn->width == 8 && insn->disp == POOL_HEAD && insn->base != NO_REG &&
	       insn->base != SITE_RSP;
}

/*
 * A pool that is cut from an arena gets a size class that no used pool has; the constant at this offset is
 * written nowhere but in the slow path.
 */
static bool is_pool_init(const struct insn *insn)
{
	return insn->op == INSN_STORE && insn->src == NO_REG && insn->width == 4 &&
	       insn->disp == POOL_SZIDX && insn->imm == DUMMY_SIZE_IDX;
}

/* Whether the count went up just before the head was loaded: the compiler is free to order the two. */
static bool counted_before(const struct insn *insns, size_t anchor)
{
	uint8_t pool = insns[anchor].base;

	for (size_t i = anchor; i-- > 0 && anchor - i <= COUNT_BEFORE_INSNS;) {
		if (insns[i].op >= INSN_JCC || insns[i].writes >> pool & 1)
			return false;
		if (insns[i].op == INSN_ADD_MEMORY && insns[i].base == pool && insns[i].disp == POOL_COUNT &&
		    insns[i].width == 4 && insns[i].imm == 1)
			return true;
	}
	return false;
}

static int compare_sites(const void *a, const void *b)
{
	const struct shape_site *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int make_result(struct pool_shapes *shapes)
{
	struct shape_result *result = &shapes->result;

	result->sites = reallocarray(result->sites, shapes->n_candidates + 1, sizeof(*result->sites));
	if (!result->sites)
		return -ENOMEM;
	for (size_t i = 0; i < shapes->n_candidates; i++) {
		struct shape_site site = {
			.address = shapes->candidates[i].address,
			.cookie = {.kind = shapes->candidates[i].kind},
		};

		if (locate(&shapes->candidates[i].places, &site.cookie))
			result->sites[result->n_sites++] = site;
		else
			result->n_unlocated++;
	}
	qsort(result->sites, result->n_sites, sizeof(*result->sites), compare_sites);
	return 0;
}

int pool_shapes__scan(struct pool_shapes *shapes, const struct insn *insns, size_t n_insns,
		      const struct shape_result **ret_result)
{
	int err;

	shapes->insns = insns;
	shapes->n_insns = n_insns;
	shapes->n_candidates = 0;
	shapes->result.n_sites = shapes->result.n_unlocated = 0;
	shapes->result.initialises_pools = false;
	for (size_t i = 0; i < n_insns; i++) {
		struct state s = {.head_holds = V_HEAD};

		shapes->result.initialises_pools |= is_pool_init(&insns[i]);
		if (!is_anchor(&insns[i]))
			continue;
		s.counted_up = counted_before(insns, i);
		s.reg[insns[i].base] = V_POOL;
		s.reg[insns[i].reg] = V_HEAD;
		shapes->budget = ANCHOR_BUDGET;
		err = follow(shapes, s, i, PATH_INSNS);
		if (err)
			return err;
	}
	err = make_result(shapes);
	if (err)
		return err;
	*ret_result = &shapes->result;
	return 0;
}
