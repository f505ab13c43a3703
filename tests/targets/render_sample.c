/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes a fixed profile: render_sample FORMAT VALUE > FILE; with a third argument, the same program later.
 * What they hold is known to test_svg_browser.py.
 */
#include <stdio.h>

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

int main(int argc, char **argv)
{
	const struct renderer *renderer = argc >= 3 ? renderer__by_name(argv[1]) : NULL;
	struct profile *profile = profile__new();
	enum profile_value value;
	int err;

	if (!renderer || !profile || profile_value__parse(argv[2], &value))
		return 2;
	(argc == 3 ? fill : fill_later)(profile);
	err = renderer->render(profile, value, stdout);
	profile__free(profile);
	return err ? 1 : 0;
}
