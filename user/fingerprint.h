/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FINGERPRINT_H
#define LINGER_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Tells whether the block at an address is still the same allocation, from looks at its first bytes. Pure:
 * what was read, who reads it and whether the block is on a free list is the inspector's (user/inspector.h).
 *
 * A fingerprint rolls: it is compared with what the last look saw, so an object may change completely in the
 * long run, but not at once. No look can tell an object from a like one that took its place (free lists are
 * LIFO: the same type, size and even pointers come back). Many looks can: a transient object is caught free,
 * or as another, at one of them, and dead is dead.
 */
#define FINGERPRINT_BYTES 512 /* whole blocks: strings often differ at their end only */
#define FINGERPRINT_WORDS (FINGERPRINT_BYTES / 8)
#define FINGERPRINT_MAX_TYPE_WORDS 3

enum verdict {
	VERDICT_ALIVE,
	VERDICT_UNDECIDED, /* the target was changing what was read: look again */
	VERDICT_FREED,
	VERDICT_REUSED,  /* an object of another type is there */
	VERDICT_CHANGED, /* too different to be called the same */
	VERDICT_GONE,    /* no pool of this size class is there any more */
	VERDICTS,
};

static inline bool verdict__is_dead(enum verdict verdict)
{
	return verdict > VERDICT_UNDECIDED;
}

struct fingerprint {
	uint64_t words[FINGERPRINT_WORDS]; /* of the last look */
	uint64_t type;                     /* address; 0: no Python object */
	uint8_t n_words;
	uint8_t content;     /* enum fingerprint_content */
	uint8_t object;      /* the word at which the object begins, after what the collector and managed
				attributes take */
	uint8_t inline_word; /* the word at which its attribute values begin (3.13); 0: none */
	bool is_managed;     /* the block begins with two words of managed attributes (3.11) */
};

enum fingerprint_content {
	CONTENT_UNKNOWN, /* taken, and not looked at since */
	CONTENT_STORAGE, /* no object: dict keys, list items, what extensions keep */
	CONTENT_OBJECT,
	CONTENT_LIST,
	CONTENT_DICT,
	CONTENT_IMMUTABLE, /* int, bytes, tuple */
	CONTENT_STR,
};

/* A type of the target: PyTypeObject up to tp_flags, the same in 3.7-3.14. */
#define OBJECT_TYPE_BYTES 176
struct object_type {
	uint64_t address;
	uint64_t metatype;
	uint64_t flags;
	uint16_t basic_bytes;
	uint16_t item_bytes; /* of each of the items that an instance counts; 0: it has none */
	uint8_t object;      /* the word of a block at which its instances begin */
	bool is_managed;
};

/* Sorted by address. */
struct object_types {
	const struct object_type *types;
	size_t n;
};

const char *verdict__name(enum verdict verdict);

/* What may be a type if its metatype is one; gc_head_bytes: what the collector keeps in front of an object.
 */
bool object_type__parse(const uint8_t bytes[OBJECT_TYPE_BYTES], uint64_t address, uint32_t gc_head_bytes,
			struct object_type *ret_type);
/* Whether this is a metatype: its instances are types. */
bool object_type__is_metatype(const uint8_t bytes[OBJECT_TYPE_BYTES]);

bool object_type__has_gc(const struct object_type *type);
bool object_type__is_int(const struct object_type *type);
bool object_type__is_str(const struct object_type *type); /* str itself, or a static type derived from it */
/* A list, tuple, dict, str or bytes: the third word of an instance is its length. */
bool object_type__has_length(const struct object_type *type);
/* Made by a class statement or by an extension at run time, or an exception. */
bool object_type__is_class(const struct object_type *type);
bool object_type__is_heap_type(const struct object_type *type);

#define ADDRESS_MIN 0x10000 /* nothing is mapped below (vm.mmap_min_addr) */
#define ADDRESS_END (UINT64_C(1) << 47)

/* Whether a word can be the address of an object. */
static inline bool object__may_be_pointer(uint64_t word)
{
	return word >= ADDRESS_MIN && word < ADDRESS_END && word % 8 == 0;
}

/*
 * Whether a word can be the reference count of a living object. The upper half holds an overflow count and
 * flags in 3.14, and is 0 before; interpreters that link the objects of their own free lists through this
 * word put an address there, as pymalloc does.
 */
static inline bool object__counts_references(uint64_t word)
{
	return (uint32_t)word && !(uint16_t)(word >> 32);
}

/* Of a block that was never looked at; the first look goes right into its words. */
void fingerprint__start(struct fingerprint *print, uint32_t block_bytes);

/* Which words would be a type if this were an object. Returns how many. */
size_t fingerprint__type_words(const uint64_t *words, uint32_t n_words, uint32_t gc_head_bytes,
			       uint64_t ret_words[FINGERPRINT_MAX_TYPE_WORDS]);

/*
 * At the second look, once the types are known: finds out what the block holds. False: it was dead at the
 * first look already (its reference count was 0, so it lies on a free list of the interpreter).
 */
bool fingerprint__settle(struct fingerprint *print, const uint64_t *words, const struct object_types *types,
			 bool was_just_handed_out);

/* What this look says, apart from pymalloc's free list: alive, freed, reused, changed. */
enum verdict fingerprint__judge(const struct fingerprint *print, const uint64_t *words);
void fingerprint__roll(struct fingerprint *print, const uint64_t *words);

#endif /* LINGER_FINGERPRINT_H */
