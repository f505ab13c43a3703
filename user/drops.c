// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "drops.h"

static const struct {
	const char *name, *help, *hint;
} catalogue[] = {
#define DROP_ROW(id, name, help, hint) [LINGER_DROP_##id] = {name, help, hint},
	LINGER_DROPS(DROP_ROW)
#undef DROP_ROW
};

const char *drop__name(enum linger_drop reason)
{
	return catalogue[reason].name;
}

const char *drop__help(enum linger_drop reason)
{
	return catalogue[reason].help;
}

const char *drop__hint(enum linger_drop reason)
{
	return catalogue[reason].hint;
}

uint64_t drop__sum(const struct linger_counters *counters)
{
	uint64_t sum = 0;

	for (int reason = 0; reason < LINGER_DROP_REASONS; reason++)
		sum += counters->dropped[reason];
	return sum;
}
