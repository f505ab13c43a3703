// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fingerprint.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_MAX_BYTES 512

/* tp_flags (CPython Include/object.h). The bits of 3.11 and 3.13 were unused before. */
#define INLINE_VALUES (1u << 2)           /* 3.13 */
#define MANAGED_DICT_OR_WEAKREF (3u << 3) /* 3.11, 3.12: two words before the collector's */
#define HEAP_TYPE (1u << 9)               /* made by a class statement */
#define HAVE_GC (1u << 14)
#define LONG_SUBCLASS (1u << 24)
#define LIST_SUBCLASS (1u << 25)
#define TUPLE_SUBCLASS (1u << 26)
#define BYTES_SUBCLASS (1u << 27)
#define UNICODE_SUBCLASS (1u << 28)
#define DICT_SUBCLASS (1u << 29)
#define EXCEPTION_SUBCLASS (1u << 30)
#define TYPE_SUBCLASS (1u << 31)

/* Where PyTypeObject and PyObject have their fields. */
#define TYPE_BASIC_BYTES 32
#define TYPE_ITEM_BYTES 40
#define TYPE_FLAGS 168
#define MEMBER_BYTES 40 /* sizeof(PyMemberDef): the items of a type, which holds its slots */
#define MANAGED_WORDS 2
enum object_word { OBJECT_COUNT, OBJECT_TYPE, OBJECT_CONTENT };

/* The words of PyListObject, PyDictObject, PyASCIIObject, counted from the object's beginning. */
enum list_word { LIST_ITEMS = 3, LIST_ALLOCATED };
enum dict_word { DICT_USED = 2, DICT_KEYS = 4 };
enum str_word { STR_STATE = 4 };

const char *verdict__name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_ALIVE] = "alive",   [VERDICT_UNDECIDED] = "undecided", [VERDICT_FREED] = "freed",
		[VERDICT_REUSED] = "reused", [VERDICT_CHANGED] = "changed",     [VERDICT_GONE] = "gone",
	};

	return names[verdict];
}

/* --- types ------------------------------------------------------------------------------------------- */

static uint64_t word_at(const uint8_t *bytes, size_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

/*
 * One bit is not enough: the links of the collector lead from one object to the next as a type leads to its
 * metatype, and what lies where tp_flags would be may be an address, with that bit set or not at random.
 */
bool object_type__is_metatype(const uint8_t bytes[OBJECT_TYPE_BYTES])
{
	uint64_t basic_bytes = word_at(bytes, TYPE_BASIC_BYTES);

	return word_at(bytes, TYPE_FLAGS) & TYPE_SUBCLASS &&
	       word_at(bytes, TYPE_ITEM_BYTES) == MEMBER_BYTES && basic_bytes >= OBJECT_TYPE_BYTES &&
	       basic_bytes < ADDRESS_MIN;
}

bool object_type__parse(const uint8_t bytes[OBJECT_TYPE_BYTES], uint64_t address, uint32_t gc_head_bytes,
			struct object_type *ret_type)
{
	uint64_t basic_bytes = word_at(bytes, TYPE_BASIC_BYTES), flags = word_at(bytes, TYPE_FLAGS);
	uint64_t metatype = word_at(bytes, OBJECT_TYPE * 8), item_bytes = word_at(bytes, TYPE_ITEM_BYTES);
	bool is_managed = flags & MANAGED_DICT_OR_WEAKREF;

	if (!object__may_be_pointer(metatype) || basic_bytes < OBJECT_CONTENT * 8 ||
	    basic_bytes >= ADDRESS_MIN || item_bytes > BLOCK_MAX_BYTES)
		return false;
	*ret_type = (struct object_type){
		.address = address,
		.metatype = metatype,
		.flags = flags,
		.basic_bytes = basic_bytes,
		.item_bytes = item_bytes,
		.object = (flags & HAVE_GC ? gc_head_bytes / 8 : 0) + (is_managed ? MANAGED_WORDS : 0),
		.is_managed = is_managed,
	};
	return true;
}

bool object_type__has_gc(const struct object_type *type)
{
	return type->flags & HAVE_GC;
}

bool object_type__is_int(const struct object_type *type)
{
	return type->flags & LONG_SUBCLASS;
}

bool object_type__is_str(const struct object_type *type)
{
	return type->flags & UNICODE_SUBCLASS && !(type->flags & HEAP_TYPE);
}

bool object_type__has_length(const struct object_type *type)
{
	return type->flags &
	       (LIST_SUBCLASS | TUPLE_SUBCLASS | DICT_SUBCLASS | UNICODE_SUBCLASS | BYTES_SUBCLASS);
}

bool object_type__is_class(const struct object_type *type)
{
	return type->flags & (HEAP_TYPE | EXCEPTION_SUBCLASS);
}

bool object_type__is_heap_type(const struct object_type *type)
{
	return type->flags & HEAP_TYPE;
}

static int compare_types(const void *a, const void *b)
{
	const struct object_type *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static const struct object_type *find_type(const struct object_types *types, uint64_t address)
{
	const struct object_type key = {.address = address};

	return bsearch(&key, types->types, types->n, sizeof(key), compare_types);
}

static uint8_t content_of(uint64_t flags, uint32_t n_words)
{
	if (flags & LIST_SUBCLASS && LIST_ALLOCATED < n_words)
		return CONTENT_LIST;
	if (flags & DICT_SUBCLASS && DICT_KEYS < n_words)
		return CONTENT_DICT;
	/* Instances of classes derived from immutable types have attributes that change. */
	if (flags & HEAP_TYPE)
		return CONTENT_OBJECT;
	if (flags & UNICODE_SUBCLASS)
		return CONTENT_STR;
	return flags & (LONG_SUBCLASS | BYTES_SUBCLASS | TUPLE_SUBCLASS) ? CONTENT_IMMUTABLE : CONTENT_OBJECT;
}

/* --- what a block holds ------------------------------------------------------------------------------ */

void fingerprint__start(struct fingerprint *print, uint32_t block_bytes)
{
	uint32_t bytes = block_bytes < FINGERPRINT_BYTES ? block_bytes : FINGERPRINT_BYTES;

	*print = (struct fingerprint){.n_words = bytes / 8};
}

size_t fingerprint__type_words(const uint64_t *words, uint32_t n_words, uint32_t gc_head_bytes,
			       uint64_t ret_words[FINGERPRINT_MAX_TYPE_WORDS])
{
	const uint32_t objects[FINGERPRINT_MAX_TYPE_WORDS] = {0, gc_head_bytes / 8,
							      gc_head_bytes / 8 + MANAGED_WORDS};
	size_t n = 0;

	for (size_t i = 0; i < FINGERPRINT_MAX_TYPE_WORDS; i++) {
		uint32_t type = objects[i] + OBJECT_TYPE;

		if (type < n_words && object__may_be_pointer(words[type]))
			ret_words[n++] = words[type];
	}
	return n;
}

/*
 * The type of the object in a block, alive or dead; NULL: there is none. The size is compared with the
 * largest block only: a short str is smaller than its type says.
 */
static const struct object_type *object_in(const uint64_t *words, uint32_t n_words,
					   const struct object_types *types)
{
	for (uint32_t object = 0; object + OBJECT_TYPE < n_words; object += 2) {
		const struct object_type *type = find_type(types, words[object + OBJECT_TYPE]);

		if (type && type->object == object && type->basic_bytes <= BLOCK_MAX_BYTES)
			return type;
	}
	return NULL;
}

static void adopt(struct fingerprint *print, const struct object_type *type)
{
	uint32_t inline_word = type->object + type->basic_bytes / 8;

	print->type = type->address;
	print->object = type->object;
	print->content = content_of(type->flags, print->n_words - type->object);
	print->is_managed = type->is_managed;
	if (type->flags & INLINE_VALUES && inline_word < print->n_words)
		print->inline_word = inline_word;
}

bool fingerprint__settle(struct fingerprint *print, const uint64_t *words, const struct object_types *types,
			 bool was_just_handed_out)
{
	const struct object_type *type = object_in(print->words, print->n_words, types);

	if (type && object__counts_references(print->words[type->object])) {
		adopt(print, type);
		return true;
	}
	/* A block that was just handed out still shows its last owner. */
	if (type && !was_just_handed_out)
		return false;
	print->content = CONTENT_STORAGE;
	type = was_just_handed_out ? object_in(words, print->n_words, types) : NULL;
	if (!type)
		return true;
	adopt(print, type);
	fingerprint__roll(print, words);
	return object__counts_references(words[type->object]);
}

/* --- whether it is still the same -------------------------------------------------------------------- */

struct tally {
	uint32_t same, different;
};

/*
 * A word that was 0 says nothing: it is filled later, or never. Numbers (nothing is mapped where they would
 * point) count what an object holds: one that grew speaks for the same object, one that shrank for nothing.
 */
static void tally_word(struct tally *tally, uint64_t before, uint64_t now)
{
	bool are_numbers = before < ADDRESS_MIN && now < ADDRESS_MIN;

	if (!before || (are_numbers && now < before))
		return;
	if (before == now || are_numbers)
		tally->same++;
	else
		tally->different++;
}

static enum verdict judge_tally(const struct tally *tally)
{
	return tally->same >= tally->different ? VERDICT_ALIVE : VERDICT_CHANGED;
}

/*
 * Without a type there is nothing to be sure of. Dict keys begin with a reference count; when it is gone,
 * they lie on a free list of the interpreter.
 */
static enum verdict judge_storage(const struct fingerprint *print, const uint64_t *words)
{
	struct tally tally = {0};

	if (print->words[0] && print->words[0] < ADDRESS_MIN && !object__counts_references(words[0]))
		return VERDICT_FREED;
	for (uint32_t i = 0; i < print->n_words; i++)
		tally_word(&tally, print->words[i], words[i]);
	return judge_tally(&tally);
}

/* Hashes (-1: not computed) and cached forms are filled when first asked for; a str's state with its
 * interning.
 */
static enum verdict judge_immutable(const struct fingerprint *print, const uint64_t *words)
{
	for (uint32_t i = print->object + OBJECT_CONTENT; i < print->n_words; i++) {
		uint64_t before = print->words[i];

		if (print->content == CONTENT_STR && i == print->object + (uint32_t)STR_STATE)
			continue;
		if (words[i] != before && before != 0 && before != UINT64_MAX)
			return VERDICT_CHANGED;
	}
	return VERDICT_ALIVE;
}

/* Items move when room is made or given back; the room is another then. */
static enum verdict judge_list(const uint64_t *before, const uint64_t *now)
{
	return before[LIST_ITEMS] == now[LIST_ITEMS] || before[LIST_ALLOCATED] != now[LIST_ALLOCATED]
		       ? VERDICT_ALIVE
		       : VERDICT_CHANGED;
}

/* Keys move when the dict grows. */
static enum verdict judge_dict(const uint64_t *before, const uint64_t *now)
{
	return before[DICT_KEYS] == now[DICT_KEYS] || before[DICT_USED] < now[DICT_USED] ? VERDICT_ALIVE
											 : VERDICT_CHANGED;
}

/*
 * The words of managed attributes are filled when needed and emptied again. 3.12 marks values by bit 0, and
 * puts the dict made of them in their place.
 */
static bool is_managed_word_same(uint64_t before, uint64_t now)
{
	return before == now || !before || !now || (before & 1 && !(now & 1));
}

static enum verdict judge_object(const struct fingerprint *print, const uint64_t *words)
{
	struct tally tally = {0};

	for (uint32_t i = print->object + OBJECT_CONTENT; i < print->n_words; i++) {
		if (i != print->inline_word)
			tally_word(&tally, print->words[i], words[i]);
		else if ((uint8_t)print->words[i] == (uint8_t)words[i])
			tally.same++; /* how many values there is room for; what follows changes */
		else
			return VERDICT_CHANGED;
	}
	return judge_tally(&tally);
}

static enum verdict judge_content(const struct fingerprint *print, const uint64_t *words)
{
	switch (print->content) {
	case CONTENT_LIST:
		return judge_list(print->words + print->object, words + print->object);
	case CONTENT_DICT:
		return judge_dict(print->words + print->object, words + print->object);
	case CONTENT_IMMUTABLE:
	case CONTENT_STR:
		return judge_immutable(print, words);
	default:
		return judge_object(print, words);
	}
}

enum verdict fingerprint__judge(const struct fingerprint *print, const uint64_t *words)
{
	if (!print->type)
		return judge_storage(print, words);
	if (words[print->object + OBJECT_TYPE] != print->type)
		return VERDICT_REUSED;
	if (!object__counts_references(words[print->object + OBJECT_COUNT]))
		return VERDICT_FREED;
	if (print->is_managed && !(is_managed_word_same(print->words[0], words[0]) &&
				   is_managed_word_same(print->words[1], words[1])))
		return VERDICT_CHANGED;
	return judge_content(print, words);
}

void fingerprint__roll(struct fingerprint *print, const uint64_t *words)
{
	memcpy(print->words, words, print->n_words * sizeof(*words));
}
