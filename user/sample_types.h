/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SAMPLE_TYPES_H
#define LINGER_SAMPLE_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "python.h"
#include "sample_set.h"

/* What samples are instances of, by name: in the end the target may be gone. */
struct sample_types;

/* What is passed in has to outlive it. NULL when memory is short. */
struct sample_types *sample_types__new(struct memory_reader *reader, const struct python *python);
void sample_types__free(struct sample_types *types);

/* Reads the names of the types that were not met before. 0 or -ENOMEM. */
int sample_types__meet(struct sample_types *types, const struct sample *samples, size_t n);

/* Reads all names: where one type has ended another may have begun. 0, or -ENOMEM, and nothing has changed.
 */
int sample_types__meet_again(struct sample_types *types, const struct sample *samples, size_t n);

/* The number of a name; 0: the sample is no object, or its type could not be read. */
uint32_t sample_types__number(const struct sample_types *types, const struct sample *sample);

/* Not cleaned. Stays until the next time that types are met again. */
const char *sample_types__name(const struct sample_types *types, uint32_t number);

#endif /* LINGER_SAMPLE_TYPES_H */
