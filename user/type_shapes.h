/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TYPE_SHAPES_H
#define LINGER_TYPE_SHAPES_H

#include <stdint.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "object_shape.h"
#include "python.h"

/* The shapes of a target's types, each read once. */
struct type_shapes;

/* Of a version that user/object_layout.h knows. What is passed in has to outlive it. NULL when memory is
 * short. */
struct type_shapes *type_shapes__new(struct memory_reader *reader, const struct python *python);
void type_shapes__free(struct type_shapes *shapes);

/* 0; -EINVAL: that is no type; -ESRCH, -ENOMEM. A shape lives as long as they all. */
int type_shapes__find(struct type_shapes *shapes, uint64_t type, const struct object_shape **ret_shape);

/*
 * What the attribute with this index among those that the instances of a class share is called, and the field
 * at an offset of the instances of a type. A new string, not cleaned; NULL: it has no name, or memory is
 * short.
 */
char *type_shapes__attribute_name(struct type_shapes *shapes, uint64_t type, uint64_t index);
char *type_shapes__field_name(struct type_shapes *shapes, uint64_t type, uint64_t offset);

#endif /* LINGER_TYPE_SHAPES_H */
