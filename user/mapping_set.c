/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "mapping_set.h"

/*
 * The ranges are nodes of an AVL tree, ordered by start. Everything is built from three tree operations:
 * split (in two at an address), join (two trees and a node between them) and concat (two trees). To remove a
 * range is to split twice, drop the middle and put the rest together, whatever number of ranges the middle
 * holds; each step costs O(log n) and cannot fail. What can fail, memory, is asked for first, so a failure
 * changes nothing.
 *
 * A plain AVL tree rather than one balanced by random priorities: addresses come from the target, and no
 * order of mappings may make the recursion deep.
 *
 * Totals by stack sit in a hash table: a few stacks out of a stack table with many slots make mappings, and
 * an array over all ids would be mostly empty.
 */

struct range {
	struct range *left;
	struct range *right;
	uint64_t start;
	uint64_t end;
	uint32_t stack_id;
	int height;
};

struct stack_slot {
	uint32_t stack_id;
	bool used;
	struct mapping_totals totals;
};

#define STACK_SLOTS_MIN 64

struct mapping_set {
	struct range *root;
	struct mapping_totals totals;
	struct stack_slot *slots;
	size_t n_slots; /* a power of two */
	size_t n_stacks;
};

static int height(const struct range *node)
{
	return node ? node->height : 0;
}

static void update_height(struct range *node)
{
	int left = height(node->left), right = height(node->right);

	node->height = 1 + (left > right ? left : right);
}

static struct range *rotate_left(struct range *node)
{
	struct range *top = node->right;

	node->right = top->left;
	top->left = node;
	update_height(node);
	update_height(top);
	return top;
}

static struct range *rotate_right(struct range *node)
{
	struct range *top = node->left;

	node->left = top->right;
	top->right = node;
	update_height(node);
	update_height(top);
	return top;
}

static struct range *rebalance(struct range *node)
{
	int lean = height(node->right) - height(node->left);

	if (lean > 1) {
		if (height(node->right->left) > height(node->right->right))
			node->right = rotate_right(node->right);
		return rotate_left(node);
	}
	if (lean < -1) {
		if (height(node->left->right) > height(node->left->left))
			node->left = rotate_left(node->left);
		return rotate_right(node);
	}
	update_height(node);
	return node;
}

/* One tree of left, node, right, in that order. The node goes down the taller tree's near edge to where the
 * heights meet. */
static struct range *join(struct range *left, struct range *node, struct range *right)
{
	if (left && left->height > height(right) + 1) {
		left->right = join(left->right, node, right);
		return rebalance(left);
	}
	if (right && right->height > height(left) + 1) {
		right->left = join(left, node, right->left);
		return rebalance(right);
	}
	node->left = left;
	node->right = right;
	update_height(node);
	return node;
}

/* The ranges that start below the address, and the others. */
static void split(struct range *tree, uint64_t address, struct range **ret_below, struct range **ret_from)
{
	struct range *part;

	if (!tree) {
		*ret_below = *ret_from = NULL;
	} else if (tree->start < address) {
		split(tree->right, address, &part, ret_from);
		*ret_below = join(tree->left, tree, part);
	} else {
		split(tree->left, address, ret_below, &part);
		*ret_from = join(part, tree, tree->right);
	}
}

static struct range *last(struct range *tree)
{
	while (tree && tree->right)
		tree = tree->right;
	return tree;
}

/* Takes the last node out of a tree that is not empty. */
static struct range *detach_last(struct range *tree, struct range **ret_last)
{
	if (!tree->right) {
		*ret_last = tree;
		return tree->left;
	}
	tree->right = detach_last(tree->right, ret_last);
	return rebalance(tree);
}

static struct range *concat(struct range *left, struct range *right)
{
	struct range *node;

	if (!left)
		return right;
	left = detach_last(left, &node);
	return join(left, node, right);
}

static void free_tree(struct range *tree)
{
	if (!tree)
		return;
	free_tree(tree->left);
	free_tree(tree->right);
	free(tree);
}

static struct range *new_range(uint64_t start, uint64_t end, uint32_t stack_id)
{
	struct range *range = calloc(1, sizeof(*range));

	if (!range)
		return NULL;
	range->start = start;
	range->end = end;
	range->stack_id = stack_id;
	range->height = 1;
	return range;
}

/* The slot of an id, or the free one where it belongs. The table is never full. */
static struct stack_slot *find_slot(struct stack_slot *slots, size_t n_slots, uint32_t stack_id)
{
	uint64_t hash = stack_id * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (hash >> 32) & (n_slots - 1);

	while (slots[i].used && slots[i].stack_id != stack_id)
		i = (i + 1) & (n_slots - 1);
	return &slots[i];
}

static int grow_slots(struct mapping_set *set)
{
	size_t n_slots = set->n_slots ? set->n_slots * 2 : STACK_SLOTS_MIN;
	struct stack_slot *slots = calloc(n_slots, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < set->n_slots; i++) {
		if (set->slots[i].used)
			*find_slot(slots, n_slots, set->slots[i].stack_id) = set->slots[i];
	}
	free(set->slots);
	set->slots = slots;
	set->n_slots = n_slots;
	return 0;
}

/* At most half full: probe sequences stay short. */
static int reserve_slot(struct mapping_set *set)
{
	return set->n_stacks * 2 >= set->n_slots ? grow_slots(set) : 0;
}

static struct mapping_totals *stack_totals(struct mapping_set *set, uint32_t stack_id)
{
	struct stack_slot *slot = find_slot(set->slots, set->n_slots, stack_id);

	if (!slot->used) {
		slot->used = true;
		slot->stack_id = stack_id;
		set->n_stacks++;
	}
	return &slot->totals;
}

static void count_added(struct mapping_set *set, const struct range *range)
{
	struct mapping_totals *both[] = {&set->totals, stack_totals(set, range->stack_id)};
	uint64_t bytes = range->end - range->start;

	for (size_t i = 0; i < 2; i++) {
		both[i]->alloc_blocks++;
		both[i]->alloc_bytes += bytes;
		both[i]->live_blocks++;
		both[i]->live_bytes += bytes;
	}
}

/* pieces_gone: 1 when a piece goes, 0 when one is trimmed, -1 when one becomes two. */
static void count_removed(struct mapping_set *set, uint32_t stack_id, uint64_t bytes, int pieces_gone)
{
	struct mapping_totals *both[] = {&set->totals, stack_totals(set, stack_id)};

	for (size_t i = 0; i < 2; i++) {
		both[i]->live_blocks -= pieces_gone;
		both[i]->live_bytes -= bytes;
	}
}

static uint64_t drop_tree(struct mapping_set *set, struct range *tree)
{
	uint64_t bytes;

	if (!tree)
		return 0;
	bytes = tree->end - tree->start;
	count_removed(set, tree->stack_id, bytes, 1);
	bytes += drop_tree(set, tree->left);
	bytes += drop_tree(set, tree->right);
	free(tree);
	return bytes;
}

/* The range of the set that reaches out of [start, end) on both sides, or NULL. */
static struct range *find_around(const struct mapping_set *set, uint64_t start, uint64_t end)
{
	struct range *node = set->root;

	while (node) {
		if (node->start >= start)
			node = node->left;
		else if (node->end <= start)
			node = node->right;
		else
			break;
	}
	return node && node->end > end ? node : NULL;
}

/* Cuts [start, end) out of one range that lies around it; piece becomes what remains above. */
static uint64_t cut_middle(struct mapping_set *set, struct range *around, struct range *piece, uint64_t start,
			   uint64_t end)
{
	struct range *below, *from;

	piece->start = end;
	piece->end = around->end;
	piece->stack_id = around->stack_id;
	around->end = start;
	split(set->root, end, &below, &from);
	set->root = join(below, piece, from);
	count_removed(set, piece->stack_id, end - start, -1);
	return end - start;
}

/* Removes [start, end), which no single range reaches around; returns the bytes that were known. */
static uint64_t cut_across(struct mapping_set *set, uint64_t start, uint64_t end)
{
	struct range *below, *rest, *inside, *above, *edge;
	uint64_t known_bytes = 0;

	split(set->root, start, &below, &rest);
	split(rest, end, &inside, &above);
	edge = last(below);
	if (edge && edge->end > start) {
		known_bytes += edge->end - start;
		count_removed(set, edge->stack_id, edge->end - start, 0);
		edge->end = start;
	}
	edge = last(inside);
	if (inside && edge->end > end) {
		inside = detach_last(inside, &edge);
		known_bytes += end - edge->start;
		count_removed(set, edge->stack_id, end - edge->start, 0);
		edge->start = end;
		above = join(NULL, edge, above);
	}
	known_bytes += drop_tree(set, inside);
	set->root = concat(below, above);
	return known_bytes;
}

struct mapping_set *mapping_set__new(void)
{
	return calloc(1, sizeof(struct mapping_set));
}

void mapping_set__free(struct mapping_set *set)
{
	if (!set)
		return;
	free_tree(set->root);
	free(set->slots);
	free(set);
}

int mapping_set__remove(struct mapping_set *set, uint64_t start, uint64_t len,
			struct mapping_removal *ret_removed)
{
	struct range *around, *piece;
	uint64_t end, known_bytes;

	if (!len || __builtin_add_overflow(start, len, &end))
		return -EINVAL;
	around = find_around(set, start, end);
	if (around) {
		piece = new_range(0, 0, 0);
		if (!piece)
			return -ENOMEM;
		known_bytes = cut_middle(set, around, piece, start, end);
	} else {
		known_bytes = cut_across(set, start, end);
	}
	if (ret_removed)
		*ret_removed = (struct mapping_removal){known_bytes, len - known_bytes};
	return 0;
}

int mapping_set__add(struct mapping_set *set, uint64_t start, uint64_t len, uint32_t stack_id,
		     struct mapping_removal *ret_replaced)
{
	struct range *range, *below, *from;
	uint64_t end;
	int err;

	if (!len || __builtin_add_overflow(start, len, &end))
		return -EINVAL;
	if (reserve_slot(set))
		return -ENOMEM;
	range = new_range(start, end, stack_id);
	if (!range)
		return -ENOMEM;
	err = mapping_set__remove(set, start, len, ret_replaced);
	if (err) {
		free(range);
		return err;
	}
	split(set->root, start, &below, &from);
	set->root = join(below, range, from);
	count_added(set, range);
	return 0;
}

struct mapping_totals mapping_set__stack_totals(const struct mapping_set *set, uint32_t stack_id)
{
	if (!set->n_slots)
		return (struct mapping_totals){0};
	/* A free slot's totals are zero. */
	return find_slot(set->slots, set->n_slots, stack_id)->totals;
}

struct mapping_totals mapping_set__totals(const struct mapping_set *set)
{
	return set->totals;
}
