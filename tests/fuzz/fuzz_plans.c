// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Machine code that is an input, decoded, and the plans that are made of it: a breakpoint that is not at the
 * beginning of an instruction would end the target.
 */
#include <stdbool.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "decode.h"
#include "fake_image.h"
#include "fuzz.h"
#include "probe_plan.h"
#include "raw_plan.h"

#define FUNCTIONS 8
#define MAX_CODE_BYTES 65536
#define NO_UNWIND_TABLE 1 /* flag: functions are known by their symbols alone */
#define NO_OBJECTS 2      /* flag: pymalloc is not wanted */

/* In front of the code. */
struct head {
	uint16_t starts[FUNCTIONS]; /* of functions in the code */
	uint16_t sizes[FUNCTIONS];
	uint8_t names[FUNCTIONS];
	uint8_t flags, code_dealloc;
	uint16_t pad;
};

static const char *const names[] = {
	"malloc",  "free",        "Py_FinalizeEx",        "Py_Exit",
	"calloc",  "realloc",     "reallocarray",         "posix_memalign",
	"_Znwm",   "memalign",    "_ZnwmRKSt9nothrow_t",  "aligned_alloc",
	"_ZdlPv",  "_ZdaPvm",     "_ZdlPvRKSt9nothrow_t", "valloc",
	"pvalloc", "another_one",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

/* --- a second opinion: decoding that shares no code with the planners' -------------------------------- */

/* Whether the row of instructions from here on has one at an address; what is none ends it. */
static bool has_instruction(struct elf_image *image, const struct elf_function *function, uint64_t address)
{
	ZydisDecodedInstruction insn;
	ZydisDecoder decoder;
	const uint8_t *code;
	uint64_t at = function->start;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (elf_image__code(image, function, &code))
		return false;
	while (at < address &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code + (at - function->start),
							  function->end - at, &insn)))
		at += insn.length;
	return at == address && at < function->end;
}

static void check_probe_plan(struct elf_image *image, const struct probe_plan *plan, bool objects)
{
	struct elf_function function;

	fuzz__check(!objects || (plan->n_pushes && plan->n_slow), "a plan of objects has what it takes");
	for (size_t i = 0; i < plan->n_sites; i++) {
		const struct probe_site *site = &plan->sites[i];

		fuzz__check(!i || plan->sites[i - 1].address <= site->address, "sites are sorted");
		fuzz__check(!elf_image__function_at(image, site->address, &function), "a function has it");
		fuzz__check(has_instruction(image, &function, site->address), "an instruction begins there");
		fuzz__check(site->cookie.reg < 16 && site->cookie.kind <= SITE_FINALIZE, "a block is there");
	}
}

static void check_raw_plan(struct elf_image *image, const struct raw_plan *plan)
{
	fuzz__check(plan->n_sites >= 1 && plan->n_sites <= RAW_MAX_SITES, "it has room for its sites");
	for (size_t i = 0; i < plan->n_sites; i++) {
		const struct raw_site *site = &plan->sites[i];
		struct elf_function function;
		uint64_t size;

		fuzz__check(!elf_image__symbol(image, site->function, &function.start, &size),
			    "its function is there");
		function.end = function.start + size;
		fuzz__check(has_instruction(image, &function, site->address), "an instruction begins there");
		fuzz__check(site->returns == (site->cookie.size != SITE_NO_REG), "what allocates returns");
	}
}

/* --- the input ---------------------------------------------------------------------------------------- */

static void decode(const uint8_t *code, size_t n)
{
	struct decoder *decoder = decoder__new();
	const struct insn *insns;
	long n_insns = decoder ? decoder__run_prefix(decoder, code, n, FAKE_CODE, &insns) : 0;
	uint64_t end = FAKE_CODE;

	for (long i = 0; i < n_insns; i++) {
		fuzz__check(insns[i].address == end && insns[i].len && insns[i].len <= 15,
			    "instructions follow each other");
		end += insns[i].len;
	}
	fuzz__check(end <= FAKE_CODE + n, "instructions end in the code");
	decoder__free(decoder);
}

static void plan(struct elf_image *image, const struct head *head, const struct elf_function *functions)
{
	bool objects = !(head->flags & NO_OBJECTS);
	struct probe_plan probes;
	struct raw_plan raw;

	if (!probe_plan__make(image, objects, functions[head->code_dealloc % FUNCTIONS].start, &probes)) {
		check_probe_plan(image, &probes, objects);
		probe_plan__free(&probes);
	}
	if (!raw_plan__make(image, &raw))
		check_raw_plan(image, &raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	_Alignas(8) uint8_t unwind[FAKE_UNWIND_BYTES(FUNCTIONS)];
	struct elf_function functions[FUNCTIONS];
	struct fake_image fake = {.unwind = unwind, .n_symbols = FUNCTIONS};
	struct elf_image *image;
	struct head head;

	if (n < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	fake.code = bytes + sizeof(head);
	fake.code_bytes = n - sizeof(head) < MAX_CODE_BYTES ? n - sizeof(head) : MAX_CODE_BYTES;
	for (int i = 0; i < FUNCTIONS; i++) {
		functions[i].start = FAKE_CODE + head.starts[i];
		functions[i].end = functions[i].start + head.sizes[i];
		fake.symbols[i] =
			(struct fake_symbol){names[head.names[i] % NAMES], functions[i].start, head.sizes[i]};
	}
	if (!(head.flags & NO_UNWIND_TABLE))
		fake.unwind_bytes = fake_image__unwind_table(functions, FUNCTIONS, unwind);
	decode(fake.code, fake.code_bytes);
	image = fake_image__open(&fake);
	if (image)
		plan(image, &head, functions);
	elf_image__free(image);
	return 0;
}

/* --- seeds: an allocator, a long function --------------------------------------------------------------- */

#define NOP 0x90

/* pool in rdx, block in rax: allocated, or else by the slow path; freed; and the slow path */
static const uint8_t pop[] = {0x48, 0x8b, 0x42, 0x08, 0x83, 0x02, 0x01, 0x48, 0x8b, 0x08, 0x48,
			      0x89, 0x4a, 0x08, 0x48, 0x85, 0xc9, 0x74, 0x01, 0xc3, 0xe8, 0x1f,
			      0x00, 0x00, 0x00, 0x48, 0x85, 0xc0, 0x74, 0x00, 0xc3};
static const uint8_t push[] = {0x48, 0x8b, 0x42, 0x08, 0x48, 0x89, 0x07, 0x48, 0x89, 0x7a,
			       0x08, 0x83, 0x2a, 0x01, 0x48, 0x85, 0xc0, 0x74, 0x00, 0xc3};
static const uint8_t slow[] = {0xc7, 0x42, 0x24, 0xff, 0xff, 0x00, 0x00, 0x48, 0x89, 0xd0, 0xc3};

/* As many instructions as the decoder has room for at first, of which the last jumps into itself. */
static void add_long_seed(void)
{
	static struct {
		struct head head;
		uint8_t code[1025];
	} seed = {.head.sizes = {sizeof(seed.code)}};

	memset(seed.code, NOP, 1023);
	memcpy(seed.code + 1023, "\xeb\xff", 2);
	fuzz__add_seed(&seed, sizeof(seed));
}

void fuzz__add_seeds(void)
{
	static struct {
		struct head head;
		uint8_t code[128];
	} seed = {.head = {
			  .starts = {0, 32, 56, 72, 80},
			  .sizes = {sizeof(pop), sizeof(push), sizeof(slow), 8, 8, 8, 8, 8},
			  .names = {0, 1, 17, 2, 3, 4, 5, 6},
		  }};

	memcpy(seed.code, pop, sizeof(pop));
	memcpy(seed.code + 32, push, sizeof(push));
	memcpy(seed.code + 56, slow, sizeof(slow));
	memset(seed.code + 72, NOP, 56);
	fuzz__add_seed(&seed, sizeof(seed));
	add_long_seed();
}
