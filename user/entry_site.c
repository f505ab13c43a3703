// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "entry_site.h"

#include <linux/types.h>

#include "trace.h"

#define MAX_PROLOGUE 48 /* instructions */

/* Which registers hold each argument, a bit per register. */
struct holders {
	uint16_t of[ENTRY_ARGUMENTS];
};

static bool jumps_to(const struct insn *insns, size_t n, uint64_t address)
{
	for (size_t i = 0; i < n; i++)
		if ((insns[i].op == INSN_JCC || insns[i].op == INSN_JMP) && (uint64_t)insns[i].imm == address)
			return true;
	return false;
}

static void follow(struct holders *holders, const struct insn *insn)
{
	for (int i = 0; i < ENTRY_ARGUMENTS; i++) {
		bool copies = insn->op == INSN_MOVE && holders->of[i] >> insn->src & 1;

		holders->of[i] &= ~insn->writes;
		if (copies)
			holders->of[i] |= 1u << insn->reg;
	}
}

static bool has_arguments(const struct holders *holders, unsigned arguments)
{
	for (int i = 0; i < ENTRY_ARGUMENTS; i++)
		if (arguments >> i & 1 && !holders->of[i])
			return false;
	return true;
}

static struct entry_site site_at(const struct insn *insn, const struct holders *holders)
{
	struct entry_site site = {.address = insn->address, .stepped = !insn->emulated};

	for (int i = 0; i < ENTRY_ARGUMENTS; i++)
		site.registers[i] = holders->of[i] ? __builtin_ctz(holders->of[i]) : SITE_NO_REG;
	return site;
}

struct entry_site entry_site__find(const struct insn *insns, size_t n, unsigned arguments, bool returns)
{
	struct holders at_entry = {{1u << SITE_RDI, 1u << SITE_RSI, 1u << SITE_RDX}}, holders = at_entry;

	for (size_t i = 0; i < n && i < MAX_PROLOGUE && has_arguments(&holders, arguments); i++) {
		if (i > 0 && jumps_to(insns, n, insns[i].address))
			break;
		if (insns[i].emulated)
			return site_at(&insns[i], &holders);
		if (insns[i].op >= INSN_JCC || (returns && insns[i].writes >> SITE_RSP & 1))
			break;
		follow(&holders, &insns[i]);
	}
	return site_at(&insns[0], &at_entry);
}
