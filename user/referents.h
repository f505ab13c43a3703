/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_REFERENTS_H
#define LINGER_REFERENTS_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "memory_reader.h"
#include "python.h"
#include "stack_image.h"
#include "type_shapes.h"

/*
 * What objects of the target refer to, as gc.get_referents() has it and a little more (keys of dicts, the
 * class of an instance, objects without a collector). Weak references do not count.
 *
 * An address that is reported is a word of the target: it may be torn, stale or, where a type is not known,
 * no object at all. Whether there is an object is the caller's business.
 */
struct referents;

struct object_ref {
	uint64_t address;
	uint64_t type; /* address of its type */
	/* Its memory as far as the caller has it, so that it is not read again: */
	const void *bytes; /* NULL: nothing */
	uint32_t n_bytes;
	uint32_t n_before; /* how many of them lie in front of the object: the collector's and managed
			      attributes */
};

/* How the holder holds it, and what the key of a referent is then. */
enum referent_label {
	REFERENT_ITEM,       /* of a list, tuple or deque; its index */
	REFERENT_MEMBER,     /* of a set; 0 */
	REFERENT_DICT_VALUE, /* address of the key object */
	REFERENT_DICT_KEY,   /* address of the value */
	REFERENT_DICT,       /* the dict of an instance's attributes; 0 */
	REFERENT_ATTRIBUTE,  /* of an instance without a dict; its index among the names that the class shares
			      */
	REFERENT_FIELD,      /* of a structure: slots, __closure__, cr_await; its offset in the object */
	REFERENT_CELL,       /* what a cell holds; 0 */
	REFERENT_LOCAL,      /* of a frame, generator or coroutine; its index among the fast locals, behind
				which come the temporary values */
	REFERENT_CLASS,      /* of an instance; 0 */
	REFERENT_WORD,       /* of an object of a type that is not known: perhaps no reference; its offset */
	REFERENT_LABELS,
};

struct referent {
	size_t from; /* index of the holder */
	uint64_t to;
	enum referent_label label;
	uint64_t key;
};

/* Either function may be NULL; what only it would need is not read then. Anything but 0 ends the visit, and
 * is its result. */
struct referent_visitor {
	void *context;
	int (*reference)(void *context, const struct referent *referent);
	/* Memory that belongs to the object and to nobody else: keys and values of a dict, storage of a list,
	 * blocks of a deque, table of a set, attribute values outside of the object, a bytearray's bytes. */
	int (*buffer)(void *context, size_t from, uint64_t address, uint64_t bytes);
};

/* Of how many objects something is missing. They are counted up. */
struct referent_losses {
	uint64_t unreadable;  /* memory that could not be read */
	uint64_t implausible; /* sizes and states that no such object has: it was changing, or is none */
};

/* What is passed in has to outlive it. 0; -EOPNOTSUPP: objects of this version are not known; -ENOMEM. */
int referents__new(struct memory_reader *reader, const struct python *python,
		   struct referents **ret_referents);
void referents__free(struct referents *referents);

/* The references of some objects, those of one object not necessarily in a row. 0, -ESRCH, -ENOMEM. */
int referents__visit(struct referents *referents, const struct object_ref *objects, size_t n,
		     const struct referent_visitor *visitor, struct referent_losses *losses);

/* The same of frames of a running thread, as user/stack_reader.h finds them, which are no objects from 3.11
 * on. */
int referents__visit_frames(struct referents *referents, const struct stack_frame *frames, size_t n,
			    const struct referent_visitor *visitor, struct referent_losses *losses);

/*
 * What a REFERENT_ATTRIBUTE, _FIELD or _WORD is called in objects of this type: "cache", "__closure__". A new
 * string, not cleaned; NULL: it has no name, or memory is short. Other labels need user/preview.h of the key.
 */
char *referents__name(struct referents *referents, uint64_t type, enum referent_label label, uint64_t key);

/* What is known of the types. */
struct type_shapes *referents__shapes(struct referents *referents);

#endif /* LINGER_REFERENTS_H */
