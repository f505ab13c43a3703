/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include <jansson.h>

#include "render_why.h"

#define MODULE_LINKS(attribute)                                                                              \
	{.address = 0x1000, .type = "module", .name = "module app"},                                         \
	{                                                                                                    \
		.address = 0x1100, .type = "dict", .step = attribute, .shape = attribute, .is_joined = true  \
	}

static struct holder_link in_a_list[] = {
	MODULE_LINKS(".cache"),
	{.address = 0x2000, .type = "dict", .step = "['9f3c…']", .shape = "[…]"},
	{.address = 0x2100, .type = "list", .step = "[3]", .shape = "[…]"},
	{.address = 0x2200, .type = "app.Session"},
};

static struct holder_link in_a_class[] = {
	MODULE_LINKS(".Registry"),
	{.address = 0x3000, .type = "type", .name = "class app.Registry"},
	{.address = 0x3100, .type = "dict", .step = ".items", .shape = ".items", .is_joined = true},
	{.address = 0x3200, .type = "evil\x1b[31m\"\\"},
};

static struct holder_link in_another_class[] = {
	MODULE_LINKS(".Registry"),
	{.address = 0x3000, .type = "type", .name = "class application.Registry"},
	{.address = 0x3100, .type = "dict", .step = ".items", .shape = ".items", .is_joined = true},
	{.address = 0x3200, .type = NULL},
};

static struct holder_link in_nodes[] = {
	MODULE_LINKS(".head"),
	{.address = 0x4000, .type = "app.Node", .step = ".next", .shape = ".next"},
	{.address = 0x4100, .type = "app.Node", .step = ".next", .shape = ".next", .is_repeated = true},
	{.address = 0x4200, .type = "app.Node", .step = ".next", .shape = ".next", .is_repeated = true},
	{.address = 0x4300, .type = "app.Node", .step = ".next", .shape = ".next", .is_repeated = true},
	{.address = 0x4400, .type = "app.Node"},
};

static struct holder_link in_a_frame[] = {
	{.address = 0x5000,
	 .type = "frame",
	 .name = "frame of handle (/srv/app.py:12)",
	 .step = " local x",
	 .shape = " local x"},
	{.address = 0x5100, .type = "app.Session"},
};

#define GROUP(chain, ...)                                                                                    \
	{                                                                                                    \
		.links = chain, .n_links = sizeof(chain) / sizeof(*chain), __VA_ARGS__                       \
	}

static struct holders_group groups[] = {
	GROUP(in_a_list, .root = HOLDER_MODULE, .n_targets = 9998),
	GROUP(in_a_class, .root = HOLDER_MODULE, .n_targets = 2),
	GROUP(in_another_class, .root = HOLDER_MODULE, .n_targets = 1),
	GROUP(in_nodes, .root = HOLDER_MODULE, .n_targets = 1),
	GROUP(in_a_frame, .root = HOLDER_FRAME, .n_targets = 1),
	GROUP(in_a_frame, .root = HOLDER_UNKNOWN, .n_targets = 1, .n_left_out = 7),
};

static char type[] = "app.Session";

static const struct holders by_type = {
	.pid = 42,
	.python_version = "3.11.2",
	.type = type,
	.n_instances = 20000,
	.n_targets = 10000,
	.n_unheld = 1,
	.groups = groups,
	.n_groups = 6,
	.n_more_groups = 2,
	.n_steps = 3,
	.end = HOLDERS_TOO_DEEP,
	.losses = {.torn_threads = 1, .left_out = 1},
	.elapsed_s = 1.5,
};

static const struct holders by_address = {
	.pid = 42,
	.python_version = "3.11.2",
	.type = type,
	.address = 0x2200,
	.n_instances = 1,
	.n_targets = 1,
	.groups = groups,
	.n_groups = 1,
	.n_steps = 1,
	.end = HOLDERS_COMPLETE,
	.losses = {.torn = {.blocks = 1}, .referents = {.unreadable = 2, .implausible = 3}},
};

static char *rendered(int (*render)(const struct holders *holders, FILE *out), const struct holders *of)
{
	char *text = NULL;
	size_t bytes;
	FILE *memory = open_memstream(&text, &bytes);

	assert_int_equal(render(of, memory), 0);
	fclose(memory);
	return text;
}

static void test_text_of_a_type(void **state)
{
	char *text = rendered(render_why_text, &by_type);

	assert_string_equal(
		text,
		"app.Session: 20,000 instances, of which 10,000 were looked at, held by\n\n"
		"      9,998  module app.cache -> dict[…] -> list[…] -> app.Session\n"
		"    such as  module app.cache -> dict['9f3c…'] -> list[3] -> app.Session at 0x2200\n"
		"          2  class app.Registry.items -> evil_[31m\"\\\n"
		"    such as  class app.Registry.items -> evil_[31m\"\\ at 0x3200\n"
		"          1  module app.Registry -> class application.Registry.items -> [type] at 0x3200\n"
		"          1  module app.head -> app.Node.next -> … 3 more of the same … -> app.Node at "
		"0x4400\n"
		"          1  frame of handle (/srv/app.py:12) local x -> app.Session at 0x5100\n"
		"          1  [C code, not any Python object] -> frame of handle (/srv/app.py:12) local x\n"
		"               -> … 7 more … -> app.Session at 0x5100\n"
		"          1  [by a longer chain (--depth)]\n"
		"             [and in 2 other ways]\n\n"
		"note: process 42, Python 3.11.2, searched 3 steps back in 1.50 s while it ran on\n"
		"note: torn: 0 blocks in pools that changed at each reading; of 0 objects references are "
		"missing\n"
		"note: 1 thread was too fast: what only those frames hold is not known\n"
		"note: 1 holder was left out: too many hold the same object\n");
	free(text);
}

static void test_text_of_an_object(void **state)
{
	char *text = rendered(render_why_text, &by_address);

	assert_string_equal(
		text, "app.Session at 0x2200, held by\n\n"
		      "  module app.cache -> dict['9f3c…'] -> list[3] -> app.Session at 0x2200\n\n"
		      "note: process 42, Python 3.11.2, searched 1 step back in 0.00 s while it ran on\n"
		      "note: torn: 1 block in pools that changed at each reading; of 5 objects references "
		      "are missing\n");
	free(text);
}

static void test_json(void **state)
{
	char *text = rendered(render_why_json, &by_type);
	json_t *report = json_loads(text, 0, NULL), *ways = json_object_get(report, "ways"), *chain;

	assert_int_equal(json_array_size(ways), 6);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(ways, 0), "held")), 9998);
	assert_string_equal(json_string_value(json_object_get(json_array_get(ways, 4), "root")), "frame");
	chain = json_object_get(json_array_get(ways, 0), "chain");
	assert_int_equal(json_array_size(chain), 5);
	assert_string_equal(json_string_value(json_object_get(json_array_get(chain, 2), "step")),
			    "['9f3c…']");
	assert_string_equal(json_string_value(json_object_get(json_array_get(chain, 4), "address")),
			    "0x2200");
	assert_true(json_is_null(json_object_get(json_array_get(chain, 4), "step")));
	assert_string_equal(json_string_value(json_object_get(report, "end")), "depth");
	assert_true(json_is_null(json_object_get(report, "address")));
	json_decref(report);
	free(text);
}

static void test_dot(void **state)
{
	char *text = rendered(render_why_dot, &by_type);

	assert_non_null(strstr(text, "\"0x3200\" [label=\"evil_[31m\\\"\\\\\"];"));
	assert_non_null(strstr(text, "\"0x2000\" -> \"0x2100\" [label=\"['9f3c…']\"];"));
	assert_non_null(strstr(text, "style=dashed, label=\"7 more\"];"));
	assert_non_null(strstr(text, "one of 9998 of 10000"));
	assert_string_equal(text + strlen(text) - 2, "}\n");
	free(text);
}

static void test_a_full_device(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	assert_non_null(full);
	assert_int_equal(render_why_text(&by_type, full), -ENOSPC);
	fclose(full);
	full = fopen("/dev/full", "w");
	assert_int_equal(render_why_json(&by_type, full), -ENOSPC);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_of_a_type), cmocka_unit_test(test_text_of_an_object),
		cmocka_unit_test(test_json),           cmocka_unit_test(test_dot),
		cmocka_unit_test(test_a_full_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
