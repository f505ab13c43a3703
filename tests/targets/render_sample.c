/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes a fixed profile: render_sample FORMAT VALUE > FILE; with a third argument "later", the same program
 * later; with "sampled", a sampled recording of it. What they hold is known to test_svg_browser.py and
 * test_report.py.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "profile.h"
#include "render.h"

static const struct profile_frame module = {"<module>", "/srv/app/main.py", 120};
static const struct profile_frame serve = {"serve", "/usr/lib/python3/dist-packages/uvicorn/server.py", 61};
static const struct profile_frame handler = {"get_user", "/srv/app/users.py", 42};
static const struct profile_frame cache = {"Cache.put", "/srv/app/cache.py", 17};
static const struct profile_frame loads = {"loads", "/usr/lib/python3.11/json/__init__.py", 346};
static const struct profile_frame decode = {"raw_decode", "/usr/lib/python3.11/json/decoder.py", 353};
static const struct profile_frame hostile = {"<script>alert(\"'1'\")</script>]]>&amp;\x1b[31m", "/srv/<b>.py",
					     1};
static const struct profile_frame cjk = {"\xe7\xbc\x93\xe5\xad\x98", "/srv/app/\xe7\xbc\x93.py", 9};
static const struct profile_frame unknown = {"[unknown]", NULL, 0};

static const struct profile_frame young = {"[younger than 10 s]", NULL, 0};
static const struct profile_frame too_few = {"[too few survivors]", NULL, 0};
static const struct profile_frame no_survivor = {"[no survivor sampled]", NULL, 0};
static const struct profile_frame outlived = {"[outlived its window]", NULL, 0};

static void add(struct profile *profile, enum linger_domain domain, const struct profile_frame *const *path,
		uint64_t bytes, uint64_t blocks)
{
	struct profile_frame frames[8];
	size_t n = 0;

	for (; path[n]; n++)
		frames[n] = *path[n];
	profile__add(profile, domain, NULL, frames, n, (uint64_t[]){bytes, blocks, bytes * 3, blocks * 4});
}

#define ADD(domain, bytes, blocks, ...)                                                                      \
	add(profile, LINGER_DOMAIN_##domain, (const struct profile_frame *const[]){__VA_ARGS__, NULL},       \
	    bytes, blocks)

static void fill(struct profile *profile)
{
	ADD(OBJECT, 4000000, 40000, &module, &serve, &handler, &cache);
	ADD(OBJECT, 3000000, 20000, &module, &serve, &handler, &loads, &decode);
	ADD(OBJECT, 1000000, 5000, &module, &serve, &handler);
	ADD(OBJECT, 1000000, 4000, &module, &hostile);
	ADD(OBJECT, 999500, 3999, &module, &cjk);
	ADD(OBJECT, 500, 1, &unknown);
	ADD(MAPPING, 8388608, 8, &module, &serve, &handler, &cache);
	ADD(MAPPING, 2097152, 2, &module, &serve);
	profile__add_note(profile, "coverage: 99.3 % of the target's allocations (census before and after)");
	profile__add_note(profile,
			  "seen 1,204,331 = recorded 1,204,301 + filtered 0 + dropped 30 (live set full 30)");
}

/* The cache has grown, the parser's strings are fewer, the hostile name is gone. */
static void fill_later(struct profile *profile)
{
	ADD(OBJECT, 7000000, 70000, &module, &serve, &handler, &cache);
	ADD(OBJECT, 2000000, 13000, &module, &serve, &handler, &loads, &decode);
	ADD(OBJECT, 1000000, 5000, &module, &serve, &handler);
	ADD(OBJECT, 999500, 3999, &module, &cjk);
	ADD(MAPPING, 8388608, 8, &module, &serve, &handler, &cache);
	ADD(MAPPING, 2097152, 2, &module, &serve);
}

/* blocks of so many bytes; the interval is a tenth down and a fifth up. */
static void estimate(struct profile *profile, enum linger_domain domain,
		     const struct profile_frame *const *path, uint64_t bytes, uint64_t blocks,
		     struct profile_estimate estimate)
{
	struct profile_frame frames[8];
	size_t n = 0;

	for (; path[n]; n++)
		frames[n] = *path[n];
	estimate.below_sq = bytes / 10.0 * (bytes / 10.0);
	estimate.above_sq = bytes / 5.0 * (bytes / 5.0);
	profile__add_estimate(profile, domain, NULL, frames, n,
			      (uint64_t[]){bytes, blocks, bytes * 3, blocks * 4}, &estimate);
}

#define ESTIMATE(domain, bytes, blocks, age, survivors, windows, newest_ms, ...)                             \
	estimate(profile, LINGER_DOMAIN_##domain, (const struct profile_frame *const[]){__VA_ARGS__, NULL},  \
		 bytes, blocks, (struct profile_estimate){PROFILE_##age, survivors, windows, newest_ms})

/* The cache grows, the parser has stopped, and of the other stacks little is known. */
static void fill_sampled(struct profile *profile)
{
	ESTIMATE(OBJECT, 3000000, 30000, UNDER_1MIN, 80, 30, 10500, &module, &serve, &handler, &cache);
	ESTIMATE(OBJECT, 9000000, 90000, UNDER_10MIN, 210, 90, 61000, &module, &serve, &handler, &cache);
	ESTIMATE(OBJECT, 4000000, 26000, UNDER_10MIN, 90, 40, 142000, &module, &serve, &handler, &loads,
		 &decode);
	ESTIMATE(OBJECT, 500000, 5000, OLDER, 11, 9, 900000, &module, &serve, &handler);
	ESTIMATE(OBJECT, 100000, 900, UNDER_10S, 7, 3, 400, &young, &module, &serve, &handler, &cache);
	ESTIMATE(OBJECT, 60000, 500, UNDER_10S, 2, 2, 1900, &young, &module, &hostile);
	ESTIMATE(OBJECT, 40000, 300, UNDER_1MIN, 1, 1, 20000, &too_few, &module, &hostile);
	ESTIMATE(OBJECT, 4096, 16, AGE_UNKNOWN, 0, 0, UINT64_MAX, &no_survivor);
	ESTIMATE(RAW, 800000, 90, AGE_UNKNOWN, 12, 10, UINT64_MAX, &outlived, &module, &serve, &handler,
		 &cache);
	ESTIMATE(RAW, 5000, 1, AGE_UNKNOWN, 1, 1, UINT64_MAX, &outlived, &unknown);
	ADD(MAPPING, 8388608, 8, &module, &serve, &handler, &cache);
	profile__set_time(profile, 1700000000000000000, 1200000000000);
	profile__add_note(profile, "windows: 412, 3.1 s of 1,200 s attached");
}

static void fill_with(struct profile *profile, const char *what)
{
	if (!what)
		fill(profile);
	else if (!strcmp(what, "sampled"))
		fill_sampled(profile);
	else
		fill_later(profile);
}

int main(int argc, char **argv)
{
	const struct renderer *renderer = argc >= 3 ? renderer__by_name(argv[1]) : NULL;
	struct profile *profile = profile__new();
	enum profile_value value;
	int err;

	if (!renderer || !profile || profile_value__parse(argv[2], &value))
		return 2;
	fill_with(profile, argv[3]);
	err = renderer__render(renderer, profile, value, stdout);
	profile__free(profile);
	return err ? 1 : 0;
}
