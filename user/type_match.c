/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "type_match.h"

#include <ctype.h>
#include <string.h>

#define MAX_COMPARED 64 /* bytes of a name */

static const char *bare(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static bool is_listed(const struct type_match *match, const char *name)
{
	for (size_t i = 0; i < match->n_others; i++)
		if (!strcmp(match->others[i], name))
			return true;
	return false;
}

/* --- the name without its module --------------------------------------------------------------------- */

static void find_bare(const struct census_type *types, size_t n, const char *name, struct type_match *match)
{
	for (size_t i = 0; i < n; i++)
		if (types[i].name && !strcmp(bare(types[i].name), name) && !is_listed(match, types[i].name) &&
		    match->n_others < TYPE_MATCH_NAMES)
			match->others[match->n_others++] = types[i].name;
	match->is_ambiguous = match->n_others > 1;
	if (match->n_others == 1)
		*match = (struct type_match){.name = match->others[0]};
}

/* --- names that are nearly the same ------------------------------------------------------------------ */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many characters have to be changed, put in or left out (Levenshtein); case does not matter. */
static size_t distance(const char *a, const char *b)
{
	size_t row[MAX_COMPARED + 1], n_a = strnlen(a, MAX_COMPARED), n_b = strnlen(b, MAX_COMPARED);

	for (size_t j = 0; j <= n_b; j++)
		row[j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			bool differ = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
			size_t changed = diagonal + differ;

			diagonal = row[j];
			row[j] = least(changed, least(row[j], row[j - 1]) + 1);
		}
	}
	return row[n_b];
}

static bool is_near(const char *name, const char *wanted, size_t most)
{
	const char *text = strchr(wanted, '.') ? name : bare(name);

	return distance(text, wanted) == most || (!most && strcasestr(text, wanted));
}

/* The nearest first, up to a third of the name. */
static void find_near(const struct census_type *types, size_t n, const char *name, struct type_match *match)
{
	const size_t most = strnlen(name, MAX_COMPARED) / 3;

	for (size_t differences = 0; differences <= most; differences++)
		for (size_t i = 0; i < n && match->n_others < TYPE_MATCH_NAMES; i++)
			if (types[i].name && is_near(types[i].name, name, differences) &&
			    !is_listed(match, types[i].name))
				match->others[match->n_others++] = types[i].name;
}

struct type_match type_match__find(const struct census_type *types, size_t n, const char *name)
{
	struct type_match match = {};

	for (size_t i = 0; i < n; i++)
		if (types[i].name && !strcmp(types[i].name, name))
			return (struct type_match){.name = types[i].name};
	find_bare(types, n, name, &match);
	if (!match.name && !match.n_others)
		find_near(types, n, name, &match);
	return match;
}
