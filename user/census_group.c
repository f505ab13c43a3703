/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "census_group.h"

#include <stdlib.h>
#include <string.h>

#define OTHER_TYPES "[other types]"
#define NO_MODULE "[not known]"

static void add_sum(struct census_sum *sum, struct census_sum more)
{
	sum->blocks += more.blocks;
	sum->bytes += more.bytes;
}

static void take_peak(struct census_peak *peak, struct census_peak other)
{
	if (other.amount > peak->amount)
		*peak = other;
}

static void merge(struct census_type *row, struct census_type *type)
{
	row->n_types += type->n_types;
	row->objects += type->objects;
	row->tracked += type->tracked;
	row->block_bytes += type->block_bytes;
	add_sum(&row->outside, type->outside);
	add_sum(&row->owned, type->owned);
	add_sum(&row->owned_outside, type->owned_outside);
	row->own_bytes += type->own_bytes;
	row->owned_bytes += type->owned_bytes;
	take_peak(&row->largest, type->largest);
	take_peak(&row->longest, type->longest);
	free(type->name);
	free(type->module);
}

/* The row is one of several types from now on. Takes the name, which may be NULL: then it has none. */
static void rename_row(struct census_type *row, char *name)
{
	free(row->name);
	row->name = name;
	row->module = NULL;
	row->type = (struct object_type){0};
}

static int compare_modules(const void *a, const void *b)
{
	const struct census_type *x = a, *y = b;

	if (!x->module || !y->module)
		return !x->module - !y->module;
	return strcmp(x->module, y->module);
}

size_t census_group__modules(struct census_type *types, size_t n)
{
	size_t n_rows = 0;

	if (n)
		qsort(types, n, sizeof(*types), compare_modules);
	for (size_t i = 0; i < n; i++) {
		if (n_rows && !compare_modules(&types[n_rows - 1], &types[i]))
			merge(&types[n_rows - 1], &types[i]);
		else
			types[n_rows++] = types[i];
	}
	for (size_t i = 0; i < n_rows; i++)
		rename_row(&types[i], types[i].module ? types[i].module : strdup(NO_MODULE));
	return n_rows;
}

size_t census_group__classes(struct census_type *types, size_t n)
{
	struct census_type other = {0};
	size_t n_rows = 0;

	for (size_t i = 0; i < n; i++) {
		if (object_type__is_class(&types[i].type))
			types[n_rows++] = types[i];
		else
			merge(&other, &types[i]);
	}
	if (n_rows == n)
		return n;
	rename_row(&other, strdup(OTHER_TYPES));
	types[n_rows++] = other;
	return n_rows;
}
