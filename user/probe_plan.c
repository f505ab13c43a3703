// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The plan: decode every function from its proven start, let pool_shapes find the fast paths, and find the
 * slow path, which serves a size class that has no pool with a free block.
 *
 * The slow path is the one function that initialises pools. What it hands out is seen behind the calls of it,
 * most often at the jump that tests the result for NULL; so no return address of the target is ever replaced,
 * as a uretprobe would do (which is slower, and fatal under seccomp filters that do not know its system
 * call). The shapes inside the slow path are left out: its blocks would count twice.
 */
#include "probe_plan.h"

#include <errno.h>
#include <stdlib.h>

#include "array.h"
#include "decode.h"
#include "entry_site.h"
#include "pool_shapes.h"

#define RESULT_INSNS 8 /* from a call to the probe on its result */

/* A call, or a jump out of a function, which may be a call in tail position. */
struct call {
	uint64_t callee;
	uint64_t address;
	struct elf_function caller;
	bool returns;
};

struct planner {
	struct elf_image *image;
	struct decoder *decoder;
	struct pool_shapes *shapes;
	struct probe_plan plan;
	size_t capacity;
	struct call *calls;
	size_t n_calls, calls_capacity;
	uint64_t slow_path;
	size_t n_slow_paths;
};

static int add_site(struct planner *p, uint64_t address, union site_cookie cookie)
{
	struct probe_plan *plan = &p->plan;
	struct probe_site *sites = array__grow(plan->sites, plan->n_sites, &p->capacity, sizeof(*sites));

	if (!sites)
		return -ENOMEM;
	plan->sites = sites;
	plan->sites[plan->n_sites++] = (struct probe_site){.address = address, .cookie = cookie};
	plan->n_pops += cookie.kind == SITE_POP;
	plan->n_slow += cookie.kind == SITE_SLOW_RESULT;
	plan->n_pushes += cookie.kind == SITE_PUSH;
	return 0;
}

/*
 * Whether every jump inside the function lands on an instruction. If one does not, the bytes are not what the
 * row of instructions says, and nothing in the function is to be probed.
 */
static bool jumps_land(const struct insn *insns, size_t n)
{
	uint64_t start = insns[0].address, end = insns[n - 1].address + insns[n - 1].len;

	for (size_t i = 0; i < n; i++) {
		size_t low = 0, high = n;

		if (insns[i].op != INSN_JCC && insns[i].op != INSN_JMP)
			continue;
		if ((uint64_t)insns[i].imm < start || (uint64_t)insns[i].imm >= end)
			continue;
		while (low < high) {
			size_t mid = (low + high) / 2;

			if (insns[mid].address < (uint64_t)insns[i].imm)
				low = mid + 1;
			else
				high = mid;
		}
		if (low == n || insns[low].address != (uint64_t)insns[i].imm)
			return false;
	}
	return true;
}

static bool is_jump_target(const struct insn *insns, size_t n, uint64_t address)
{
	for (size_t i = 0; i < n; i++)
		if ((insns[i].op == INSN_JCC || insns[i].op == INSN_JMP) && (uint64_t)insns[i].imm == address)
			return true;
	return false;
}

/* --- the slow path ----------------------------------------------------------------------------------- */

static int add_call(struct planner *p, struct call call)
{
	struct call *calls = array__grow(p->calls, p->n_calls, &p->calls_capacity, sizeof(*calls));

	if (!calls)
		return -ENOMEM;
	p->calls = calls;
	p->calls[p->n_calls++] = call;
	return 0;
}

static int note_calls(struct planner *p, const struct elf_function *function, const struct insn *insns,
		      size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		uint64_t target = insns[i].imm;
		bool leaves = target < function->start || target >= function->end;

		if (insns[i].op == INSN_CALL ||
		    ((insns[i].op == INSN_JMP || insns[i].op == INSN_JCC) && leaves))
			err = add_call(p, (struct call){
						  .callee = target,
						  .address = insns[i].address,
						  .caller = *function,
						  .returns = insns[i].op == INSN_CALL,
					  });
	}
	return err;
}

/*
 * The first instruction behind call `at` that the kernel emulates, typically the jump that tests the result
 * for NULL, and that nothing but this call leads to: the fast path may join soon, and its blocks have been
 * seen. If there is none, the instruction behind the call: single-stepped, but the slow path is taken once in
 * a hundred times.
 */
static int find_result_site(const struct insn *insns, size_t n, size_t at, uint64_t *ret_address,
			    uint8_t *ret_reg)
{
	uint16_t holders = 1u << SITE_RAX;

	if (at + 1 >= n || is_jump_target(insns, n, insns[at + 1].address))
		return -ENOENT;
	*ret_address = insns[at + 1].address;
	*ret_reg = SITE_RAX;
	for (size_t i = at + 1; i < n && i <= at + RESULT_INSNS && holders; i++) {
		bool copies = insns[i].op == INSN_MOVE && holders >> insns[i].src & 1;

		if (i > at + 1 && is_jump_target(insns, n, insns[i].address))
			break;
		if (insns[i].emulated) {
			*ret_address = insns[i].address;
			*ret_reg = __builtin_ctz(holders);
			break;
		}
		if (insns[i].op >= INSN_JCC)
			break;
		holders &= ~insns[i].writes;
		if (copies)
			holders |= 1u << insns[i].reg;
	}
	return 0;
}

static int plan_result(struct planner *p, const struct call *call)
{
	union site_cookie cookie = {.kind = SITE_SLOW_RESULT, .place = SITE_IN_REGISTER};
	const struct insn *insns;
	const uint8_t *bytes;
	uint64_t address;
	size_t at = 0;
	long n;
	int err = elf_image__code(p->image, &call->caller, &bytes);

	if (err)
		return err;
	n = decoder__run(p->decoder, bytes, call->caller.end - call->caller.start, call->caller.start,
			 &insns);
	if (n <= 0)
		return n ? n : -ENOENT;
	while (at < (size_t)n && insns[at].address != call->address)
		at++;
	err = find_result_site(insns, n, at, &address, &cookie.reg);
	return err ? err : add_site(p, address, cookie);
}

/* Every way into the slow path must come back to a place that can be probed. */
static int plan_slow_path(struct planner *p)
{
	int err = 0;

	for (size_t i = 0; i < p->n_calls && !err; i++)
		if (p->calls[i].callee == p->slow_path)
			err = p->calls[i].returns ? plan_result(p, &p->calls[i]) : -ENOENT;
	return err;
}

/* --- functions --------------------------------------------------------------------------------------- */

static int plan_function(struct planner *p, const struct elf_function *function)
{
	const struct shape_result *result;
	const struct insn *insns;
	const uint8_t *bytes;
	long n;
	int err = elf_image__code(p->image, function, &bytes);

	if (err)
		return 0; /* outside the code segment: not ours to probe */
	n = decoder__run(p->decoder, bytes, function->end - function->start, function->start, &insns);
	if (n <= 0)
		return n == -ENOMEM ? n : 0;
	err = pool_shapes__scan(p->shapes, insns, n, &result);
	if (err)
		return err;
	if (!jumps_land(insns, n))
		return 0;
	if (result->initialises_pools) {
		p->n_slow_paths++;
		p->slow_path = function->start;
		return 0;
	}
	err = note_calls(p, function, insns, n);
	p->plan.n_unlocated += result->n_unlocated;
	for (size_t i = 0; i < result->n_sites && !err; i++)
		err = add_site(p, result->sites[i].address, result->sites[i].cookie);
	return err;
}

/* A probe where a function is entered; none if there is no such function. */
static int plan_entry(struct planner *p, uint64_t address, enum site_kind kind)
{
	union site_cookie cookie = {.kind = kind, .place = SITE_IN_REGISTER};
	struct elf_function function;
	const struct insn *insns;
	struct entry_site site;
	const uint8_t *bytes;
	long n;

	if (!address || elf_image__function_at(p->image, address, &function) || function.start != address ||
	    elf_image__code(p->image, &function, &bytes))
		return 0;
	n = decoder__run(p->decoder, bytes, function.end - function.start, function.start, &insns);
	if (n <= 0)
		return n == -ENOMEM ? n : 0;
	site = entry_site__find(insns, n, 1, false);
	cookie.reg = site.registers[0];
	return add_site(p, site.address, cookie);
}

/* The ways to end an interpreter: the program's end, and sys.exit (which has one of its own since 3.13). */
static int plan_finalizers(struct planner *p)
{
	static const char *const names[] = {"Py_FinalizeEx", "Py_Exit"};
	int err = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !err; i++) {
		uint64_t address;

		if (!elf_image__symbol(p->image, names[i], &address, NULL))
			err = plan_entry(p, address, SITE_FINALIZE);
	}
	return err;
}

static int compare_sites(const void *a, const void *b)
{
	const struct probe_site *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int plan_objects(struct planner *p, const struct elf_function *functions, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = plan_function(p, &functions[i]);
	if (err)
		return err;
	if (p->n_slow_paths != 1 || !p->plan.n_pushes)
		return -ENOENT;
	err = plan_slow_path(p);
	return err ? err : p->plan.n_slow ? 0 : -ENOENT;
}

static int plan_all(struct planner *p, bool objects, uint64_t code_dealloc)
{
	const struct elf_function *functions;
	size_t n;
	int err = elf_image__functions(p->image, &functions, &n);

	if (!err && objects)
		err = plan_objects(p, functions, n);
	if (!err)
		err = plan_entry(p, code_dealloc, SITE_CODE_DEALLOC);
	if (!err)
		err = plan_finalizers(p);
	if (!err && p->plan.n_sites)
		qsort(p->plan.sites, p->plan.n_sites, sizeof(*p->plan.sites), compare_sites);
	return err;
}

int probe_plan__make(struct elf_image *image, bool objects, uint64_t code_dealloc,
		     struct probe_plan *ret_plan)
{
	struct planner p = {
		.image = image,
		.decoder = decoder__new(),
		.shapes = pool_shapes__new(),
	};
	int err = p.decoder && p.shapes ? plan_all(&p, objects, code_dealloc) : -ENOMEM;

	decoder__free(p.decoder);
	pool_shapes__free(p.shapes);
	free(p.calls);
	if (err)
		probe_plan__free(&p.plan);
	else
		*ret_plan = p.plan;
	return err;
}

void probe_plan__free(struct probe_plan *plan)
{
	free(plan->sites);
	*plan = (struct probe_plan){};
}
