/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TYPE_NAMES_H
#define LINGER_TYPE_NAMES_H

#include <stdint.h>

#include <linux/types.h>

#include "fingerprint.h"
#include "memory_reader.h"
#include "python.h"

/* Reads what types are called in the target. Nothing it finds there is trusted, and every read is bounded. */
struct type_names {
	struct memory_reader *reader;
	const struct python *python;
	uint64_t module_key; /* the str "__module__", as it was last met; an interpreter has it once */
};

/*
 * "module.qualname" of a class, without the module where it is builtins; tp_name of a type in C. A new
 * string; NULL: it cannot be read, or memory is short. Not cleaned: for render_*.
 */
char *type_names__read(struct type_names *names, const struct object_type *type);

/* The module of a class or, of a type in C, what is in front of the last dot; "builtins". In the same way. */
char *type_names__read_module(struct type_names *names, const struct object_type *type);

#endif /* LINGER_TYPE_NAMES_H */
