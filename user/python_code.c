// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python_code.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode.h"

#define MAX_FUNCTION_BYTES 1024
#define MAX_RUNTIME_BYTES (1u << 20) /* of _PyRuntime, which includes the main interpreter from 3.12 */

struct python_code {
	struct elf_image *image;
	struct decoder *decoder;
	const struct insn *insns; /* of the function looked at last */
	long n_insns;
};

struct python_code *python_code__new(struct elf_image *image)
{
	struct python_code *code = calloc(1, sizeof(*code));

	if (!code)
		return NULL;
	code->image = image;
	code->decoder = decoder__new();
	if (!code->decoder) {
		free(code);
		return NULL;
	}
	return code;
}

void python_code__free(struct python_code *code)
{
	if (!code)
		return;
	decoder__free(code->decoder);
	free(code);
}

/* Decodes the beginning of an exported function. */
static int decode_function(struct python_code *code, const char *name)
{
	uint8_t bytes[MAX_FUNCTION_BYTES];
	uint64_t address, size;
	int err = elf_image__symbol(code->image, name, &address, &size);

	if (err)
		return err;
	if (!size || size > sizeof(bytes))
		size = sizeof(bytes);
	err = elf_image__read(code->image, address, bytes, size);
	if (err)
		return err;
	code->n_insns = decoder__run_prefix(code->decoder, bytes, size, address, &code->insns);
	return code->n_insns > 0 ? 0 : -ENOENT;
}

/* --- version ----------------------------------------------------------------------------------------- */

static bool is_version(const char *text)
{
	return text[0] == '3' && text[1] == '.' && isdigit((unsigned char)text[2]);
}

/* The file is the target's, and the version goes to terminals: nothing but what versions consist of. */
static int version_length(const char *text)
{
	int n = 0;

	while (isalnum((unsigned char)text[n]) || text[n] == '.' || text[n] == '+')
		n++;
	return n;
}

int python_code__version(struct python_code *code, char *buf, size_t len)
{
	int err = decode_function(code, "Py_GetVersion");

	for (long i = 0; !err && i < code->n_insns; i++) {
		char text[16] = {};

		if (code->insns[i].op != INSN_LEA_ABSOLUTE ||
		    elf_image__read(code->image, code->insns[i].imm, text, sizeof(text) - 1) ||
		    !is_version(text))
			continue;
		snprintf(buf, len, "%.*s", version_length(text), text);
		return 0;
	}
	return err ? err : -ENOENT;
}

/* --- operands ---------------------------------------------------------------------------------------- */

/* The address that a memory operand refers to, directly or through a pointer in the GOT loaded before. */
static int operand_address(struct python_code *code, long at, uint64_t *ret_address)
{
	const struct insn *insn = &code->insns[at];
	uint64_t pointer;

	if (insn->rip_relative) {
		*ret_address = insn->imm;
		return 0;
	}
	if (insn->base == NO_REG)
		return -ENOENT;
	for (long i = at - 1; i >= 0; i--) {
		const struct insn *got = &code->insns[i];

		if (!(got->writes >> insn->base & 1))
			continue;
		if (got->op == INSN_LEA_ABSOLUTE) {
			*ret_address = got->imm + insn->disp;
			return 0;
		}
		if (got->op != INSN_LOAD || !got->rip_relative ||
		    elf_image__pointer(code->image, got->imm, &pointer))
			return -ENOENT;
		*ret_address = pointer + insn->disp;
		return 0;
	}
	return -ENOENT;
}

/* --- thread state ------------------------------------------------------------------------------------ */

/* The first thing it looks at in _PyRuntime is whether the key is in use. */
int python_code__thread_key(struct python_code *code, uint64_t runtime, uint64_t *ret_address)
{
	int err = decode_function(code, "PyGILState_GetThisThreadState");

	for (long i = 0; !err && i < code->n_insns && code->insns[i].op != INSN_RET; i++) {
		const struct insn *insn = &code->insns[i];
		uint64_t address = insn->imm;

		if (insn->op != INSN_LEA_ABSOLUTE && operand_address(code, i, &address))
			continue;
		if (address <= runtime || address - runtime > MAX_RUNTIME_BYTES)
			continue;
		*ret_address = address;
		return 0;
	}
	return err ? err : -ENOENT;
}

/* --- allocators -------------------------------------------------------------------------------------- */

#define ALLOCATOR_MALLOC 8 /* PyMemAllocatorEx: ctx, malloc, calloc, realloc, free */

/* Whether what instruction `at` loads is called, jumped to or compared soon after: a function pointer. */
static bool is_function_pointer(const struct python_code *code, long at)
{
	uint8_t reg = code->insns[at].reg;

	for (long i = at + 1; i < code->n_insns && i < at + 12; i++) {
		const struct insn *insn = &code->insns[i];

		if (insn->op == INSN_JMP_INDIRECT || insn->op == INSN_CALL_INDIRECT)
			return insn->reg == reg;
		if (insn->op == INSN_COMPARE && insn->reg == reg)
			return true;
		if (insn->writes >> reg & 1)
			return false;
	}
	return false;
}

int python_code__allocator(struct python_code *code, const char *function, uint64_t *ret_address)
{
	uint64_t malloc_pointer;
	int err = decode_function(code, function);

	for (long i = 0; !err && i < code->n_insns; i++) {
		const struct insn *insn = &code->insns[i];
		bool indirect = insn->op == INSN_JMP_INDIRECT || insn->op == INSN_CALL_INDIRECT;
		bool load = insn->op == INSN_LOAD && insn->width == 8 && is_function_pointer(code, i);

		if ((!indirect && !load) || operand_address(code, i, &malloc_pointer))
			continue;
		*ret_address = malloc_pointer - ALLOCATOR_MALLOC;
		return 0;
	}
	return err ? err : -ENOENT;
}
