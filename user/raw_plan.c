// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * C++'s operator new is not among the functions. libstdc++'s own calls malloc, which is seen. Allocators that
 * bring their own must not get a return probe there: it throws when memory is short, and an exception cannot
 * be unwound through a return address that the kernel has replaced; the target would be terminated. The forms
 * that do not throw are safe, and operator delete needs no return probe.
 */
#include "raw_plan.h"

#include <errno.h>
#include <string.h>

#include "decode.h"
#include "entry_site.h"

#define NONE 0xff
#define MAX_FUNCTION_BYTES (64u << 10) /* none of the family comes near it */

/* The functions, and which of their arguments (from 0) is what. */
struct function {
	const char *name;
	uint8_t old, size, count, result_at;
};

static const struct function functions[] = {
	{"malloc", .old = NONE, .size = 0, .count = NONE, .result_at = NONE},
	{"free", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"calloc", .old = NONE, .size = 1, .count = 0, .result_at = NONE},
	{"realloc", .old = 0, .size = 1, .count = NONE, .result_at = NONE},
	{"reallocarray", .old = 0, .size = 2, .count = 1, .result_at = NONE},
	{"posix_memalign", .old = NONE, .size = 2, .count = NONE, .result_at = 0},
	{"aligned_alloc", .old = NONE, .size = 1, .count = NONE, .result_at = NONE},
	{"memalign", .old = NONE, .size = 1, .count = NONE, .result_at = NONE},
	{"valloc", .old = NONE, .size = 0, .count = NONE, .result_at = NONE},
	{"pvalloc", .old = NONE, .size = 0, .count = NONE, .result_at = NONE},
	/* operator new and new[], nothrow */
	{"_ZnwmRKSt9nothrow_t", .old = NONE, .size = 0, .count = NONE, .result_at = NONE},
	{"_ZnamRKSt9nothrow_t", .old = NONE, .size = 0, .count = NONE, .result_at = NONE},
	{"_ZnwmSt11align_val_tRKSt9nothrow_t", .old = NONE, .size = 0, .count = NONE, .result_at = NONE},
	{"_ZnamSt11align_val_tRKSt9nothrow_t", .old = NONE, .size = 0, .count = NONE, .result_at = NONE},
	/* operator delete and delete[]: plain, sized, aligned, both, and their nothrow forms */
	{"_ZdlPv", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdaPv", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdlPvm", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdaPvm", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdlPvSt11align_val_t", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdaPvSt11align_val_t", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdlPvmSt11align_val_t", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdaPvmSt11align_val_t", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdlPvRKSt9nothrow_t", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdaPvRKSt9nothrow_t", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdlPvSt11align_val_tRKSt9nothrow_t", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
	{"_ZdaPvSt11align_val_tRKSt9nothrow_t", .old = 0, .size = NONE, .count = NONE, .result_at = NONE},
};
#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))
#define N_REQUIRED 2 /* malloc and free */
_Static_assert(N_FUNCTIONS <= RAW_MAX_SITES, "a plan has room for all");

static unsigned wanted_arguments(const struct function *function)
{
	const uint8_t roles[] = {function->old, function->size, function->count, function->result_at};
	unsigned wanted = 0;

	for (size_t i = 0; i < sizeof(roles); i++)
		if (roles[i] != NONE)
			wanted |= 1u << roles[i];
	return wanted;
}

static uint8_t role_register(const struct entry_site *site, uint8_t argument)
{
	return argument == NONE ? SITE_NO_REG : site->registers[argument];
}

static struct raw_site make_site(const struct function *function, const struct insn *insns, size_t n)
{
	bool returns = function->size != NONE;
	struct entry_site entry = entry_site__find(insns, n, wanted_arguments(function), returns);

	return (struct raw_site){
		.address = entry.address,
		.function = function->name,
		.returns = returns,
		.stepped = entry.stepped,
		.cookie.old = role_register(&entry, function->old),
		.cookie.size = role_register(&entry, function->size),
		.cookie.count = role_register(&entry, function->count),
		.cookie.result_at = role_register(&entry, function->result_at),
	};
}

/* Some names stand for one function: aligned_alloc and memalign in most libraries. */
static bool is_planned(const struct raw_plan *plan, uint64_t address)
{
	for (size_t i = 0; i < plan->n_sites; i++)
		if (plan->sites[i].address == address)
			return true;
	return false;
}

/* Whether a function is just a jump to another: nothing comes before but endbr64. */
static bool is_forwarder(const struct insn *insns, size_t n)
{
	const struct insn *first = n > 1 && insns[0].op == INSN_OTHER && !insns[0].writes ? &insns[1] : insns;

	return first->op == INSN_JMP || first->op == INSN_JMP_INDIRECT;
}

static int plan_function(struct elf_image *image, struct decoder *decoder, const struct function *function,
			 struct raw_plan *plan)
{
	struct elf_function bounds;
	const struct insn *insns;
	const uint8_t *bytes;
	struct raw_site site;
	uint64_t size;
	long n;

	/* By its symbol: musl's unwind table, where it has one, leaves most functions out. */
	if (elf_image__symbol(image, function->name, &bounds.start, &size))
		return -ENOENT;
	bounds.end = bounds.start + size;
	if (size > MAX_FUNCTION_BYTES || elf_image__code(image, &bounds, &bytes))
		return -ENOENT;
	n = decoder__run_prefix(decoder, bytes, bounds.end - bounds.start, bounds.start, &insns);
	if (n <= 0)
		return n ? n : -ENOENT;
	/* An operator delete that just jumps to free is seen there, and would count twice. */
	if (!strncmp(function->name, "_Zd", 3) && is_forwarder(insns, n))
		return 0;
	site = make_site(function, insns, n);
	if (!is_planned(plan, site.address))
		plan->sites[plan->n_sites++] = site;
	return 0;
}

int raw_plan__make(struct elf_image *image, struct raw_plan *ret_plan)
{
	struct decoder *decoder = decoder__new();
	const struct elf_function *bounds;
	struct raw_plan plan = {};
	uint64_t operator_new;
	size_t n_bounds;
	int err = decoder ? elf_image__functions(image, &bounds, &n_bounds) : -ENOMEM;

	for (size_t i = 0; i < N_FUNCTIONS && !err; i++) {
		err = plan_function(image, decoder, &functions[i], &plan);
		if (err == -ENOENT && i >= N_REQUIRED)
			err = 0; /* not every library has every function */
	}
	decoder__free(decoder);
	plan.leaves_out_new = !elf_image__symbol(image, "_Znwm", &operator_new, NULL);
	if (!err)
		*ret_plan = plan;
	return err;
}
