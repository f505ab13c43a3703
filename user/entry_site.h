/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_ENTRY_SITE_H
#define LINGER_ENTRY_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode.h"

#define ENTRY_ARGUMENTS 3

/*
 * Where to probe a function's entry. A uprobe on the first instruction may cost twenty times as much as one
 * on an instruction that the kernel emulates; so the site is the first emulated one, as long as every call
 * passes there exactly once and the arguments are still in registers, not necessarily their own.
 */
struct entry_site {
	uint64_t address;
	uint8_t registers[ENTRY_ARGUMENTS]; /* that hold the arguments there (enum site_reg) */
	bool stepped;                       /* no such instruction: at the entry, and single-stepped */
};

/*
 * insns: the function from its first instruction on, n > 0. arguments: a bit for each of the first three that
 * is wanted. returns: the site will have a return probe too, which replaces the return address, so the stack
 * pointer must not have moved. Pure.
 */
struct entry_site entry_site__find(const struct insn *insns, size_t n, unsigned arguments, bool returns);

#endif /* LINGER_ENTRY_SITE_H */
