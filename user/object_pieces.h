/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_OBJECT_PIECES_H
#define LINGER_OBJECT_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "object_layout.h"
#include "object_shape.h"
#include "referents.h"

/*
 * An object is read in pieces: its words, then what they lead to: keys of a dict, then entries, and so on.
 * Each piece is an array of the target's memory, maybe with another beside it, to be read in parts. Pure: the
 * bytes of a part go in; referents, buffers and further pieces come out.
 */
enum piece_kind {
	PIECE_FIELDS,      /* words of the object itself */
	PIECE_MANAGED,     /* the words in front of the collector's: values, dict */
	PIECE_VALUES_HEAD, /* what is in front of attribute values: their order and how many */
	PIECE_INLINE_HEAD, /* the same of values in the object */
	PIECE_ATTRIBUTES,
	PIECE_DICT_WORD, /* the address of the dict of an object that has items */
	PIECE_ITEMS,
	PIECE_UNKNOWN_ITEMS,
	PIECE_KEYS,       /* head of a dict's keys; beside it the head of its values */
	PIECE_CLASS_KEYS, /* the same of the keys that all instances of a class share */
	PIECE_ENTRIES,    /* keys and values, or keys with the values beside */
	PIECE_SET,
	PIECE_DEQUE,
	PIECE_FRAME, /* head of an interpreter frame */
	PIECE_CODE,  /* how many fast locals its code has */
	PIECE_LOCALS,
};

struct object_piece {
	size_t from; /* index of the object among those visited */
	const struct object_shape *shape;
	uint64_t object;
	enum piece_kind kind;
	uint64_t address;
	uint32_t stride; /* bytes of an element */
	uint64_t count;  /* elements, from this on */
	uint64_t index;  /* of the first of them */
	uint64_t beside; /* address of words, one for each element; 0: nothing */
	/* By kind: */
	uint64_t values;   /* PIECE_KEYS: address of a split dict's values; PIECE_CODE: of the fast locals */
	uint64_t met;      /* PIECE_DEQUE: a block met before */
	uint64_t n_left;   /* PIECE_DEQUE: items; PIECE_CODE: locals and temporary values in use */
	uint32_t first;    /* PIECE_DEQUE: place of the first in its block */
	uint64_t guard;    /* address of the word that led here, which is read once more behind; 0: none */
	uint64_t expected; /* what it was */
};

#define PIECE_MAX_MORE 6

struct piece_results {
	const struct referent_visitor *visitor;
	struct object_piece more[PIECE_MAX_MORE + 1]; /* and a place for one that is dropped */
	size_t n_more;
	bool is_implausible;
	int err; /* of the visitor */
};

/* The pieces that an object begins with. */
void object_pieces__start(const struct object_layout *layout, const struct object_shape *shape, size_t from,
			  uint64_t address, struct piece_results *results);

/* The same of a frame of a running thread; shape: of frame objects, where frames are objects. */
void object_pieces__start_frame(const struct object_layout *layout, const struct object_shape *shape,
				size_t from, uint64_t address, struct piece_results *results);

/* What a part says: its first n elements, and the n words beside them. */
void object_pieces__parse(const struct object_layout *layout, const struct object_piece *piece,
			  const void *elements, const void *beside, size_t n, struct piece_results *results);

#endif /* LINGER_OBJECT_PIECES_H */
