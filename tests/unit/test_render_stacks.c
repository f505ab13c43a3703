/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "render_stacks.h"

static struct profile_frame frames[] = {
	{.function = "inner", .file = "/srv/a.py", .line = 7},
	{.function = "evil\x1b[31m", .file = "/srv/\xff.py", .line = 0},
	{.function = "[unknown]", .file = "[unknown]"},
};

static struct thread_stack threads[] = {
	{.thread_id = 0x7f0000001000,
	 .native_id = 12,
	 .name = "wor\nker",
	 .is_running = true,
	 .holds_gil = true,
	 .frames = frames,
	 .n_frames = 3},
	{.thread_id = 0x7f0000002000, .native_id = 13, .name = "torn", .is_torn = true},
	{.thread_id = 0x7f0000003000, .frames = frames, .n_frames = 1, .truncated = true},
	{.thread_id = 1, .native_id = 14, .name = "", .frames = frames},
};

static const struct thread_stacks stacks = {
	.pid = 11, .python_version = "3.11.2", .threads = threads, .n_threads = 4, .n_torn = 1};

static char *rendered(int (*render)(const struct thread_stacks *stacks, FILE *out),
		      const struct thread_stacks *of)
{
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);

	assert_int_equal(render(of, memory), 0);
	fclose(memory);
	return text;
}

static void test_text(void **state)
{
	char *text = rendered(render_stacks_text, &stacks);

	assert_string_equal(text,
			    "Thread 0x00007f0000001000 \"wor_ker\" (native id 12, running, holds the GIL)\n"
			    "  inner (/srv/a.py:7)\n"
			    "  evil_[31m (/srv/\xef\xbf\xbd.py)\n"
			    "  [unknown] ([unknown])\n"
			    "\n"
			    "Thread 0x00007f0000002000 \"torn\" (native id 13, idle)\n"
			    "  [torn]\n"
			    "\n"
			    "Thread 0x00007f0000003000 (native id not known)\n"
			    "  inner (/srv/a.py:7)\n"
			    "  [truncated]\n"
			    "\n"
			    "Thread 0x0000000000000001 \"\" (native id 14, idle)\n"
			    "  [no Python frame]\n"
			    "\n"
			    "note: process 11, Python 3.11.2: 4 stacks, 1 torn\n");
	free(text);
}

static void test_json(void **state)
{
	char *text = rendered(render_stacks_json, &stacks);
	json_t *report = json_loads(text, 0, NULL), *list = json_object_get(report, "threads");

	assert_int_equal(json_array_size(list), 4);
	assert_int_equal(json_integer_value(json_object_get(report, "torn")), 1);
	assert_int_equal(json_array_size(json_object_get(json_array_get(list, 0), "frames")), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "state")), "running");
	assert_true(json_is_true(json_object_get(json_array_get(list, 0), "holds_gil")));
	assert_true(json_is_true(json_object_get(json_array_get(list, 1), "torn")));
	assert_true(json_is_true(json_object_get(json_array_get(list, 2), "truncated")));
	assert_true(json_is_null(json_object_get(json_array_get(list, 2), "native_id")));
	assert_true(json_is_null(json_object_get(json_array_get(list, 2), "name")));
	assert_true(json_is_null(json_object_get(json_array_get(list, 2), "state")));
	json_decref(report);
	free(text);
}

static struct async_task tasks[] = {
	{.address = 0x7f0000005000,
	 .name = "fe\ntch",
	 .state = ASYNC_WAITING,
	 .future = 0x7f0000006000,
	 .future_type = "_asyncio.Future",
	 .frames = frames,
	 .n_frames = 2},
	{.address = 0x7f0000005100,
	 .name = "Task-2",
	 .state = ASYNC_WAITING,
	 .future = 0x7f0000005000,
	 .future_type = "_asyncio.Task",
	 .future_name = "fe\ntch",
	 .frames = frames,
	 .n_frames = 1,
	 .truncated = true},
	{.address = 0x7f0000005200, .state = ASYNC_RUNNING},
	{.address = 0x7f0000005300, .is_torn = true},
};

static const struct thread_stacks with_tasks = {
	.pid = 11,
	.python_version = "3.11.2",
	.tasks = {.tasks = tasks, .n = 4, .n_torn = 1, .n_left_out = 2, .n_unread_blocks = 3}};

static void test_tasks_text(void **state)
{
	char *text = rendered(render_stacks_text, &with_tasks);

	assert_string_equal(
		text,
		"Task \"fe_tch\" (waiting for _asyncio.Future at 0x7f0000006000)\n"
		"  inner (/srv/a.py:7)\n"
		"  evil_[31m (/srv/\xef\xbf\xbd.py)\n"
		"\n"
		"Task \"Task-2\" (waiting for _asyncio.Task \"fe_tch\")\n"
		"  inner (/srv/a.py:7)\n"
		"  [truncated]\n"
		"\n"
		"Task \"[unknown]\" (running)\n"
		"\n"
		"Task at 0x7f0000005300\n"
		"  [torn]\n"
		"\n"
		"note: process 11, Python 3.11.2: 0 stacks, 0 torn; 4 asyncio tasks, 1 torn; 2 more tasks "
		"are left out; 3 blocks of the heap changed too fast to look for tasks in them\n");
	free(text);
}

static void test_tasks_json(void **state)
{
	char *text = rendered(render_stacks_json, &with_tasks);
	json_t *report = json_loads(text, 0, NULL), *list = json_object_get(report, "tasks");
	json_t *task = json_array_get(list, 1), *future = json_object_get(task, "waits_for");

	assert_int_equal(json_array_size(list), 4);
	assert_int_equal(json_integer_value(json_object_get(report, "torn_tasks")), 1);
	assert_int_equal(json_integer_value(json_object_get(report, "left_out_tasks")), 2);
	assert_string_equal(json_string_value(json_object_get(task, "state")), "waiting");
	assert_string_equal(json_string_value(json_object_get(future, "address")), "0x7f0000005000");
	assert_string_equal(json_string_value(json_object_get(future, "name")), "fe_tch");
	assert_true(json_is_null(json_object_get(json_array_get(list, 2), "waits_for")));
	assert_true(json_is_null(json_object_get(json_array_get(list, 3), "state")));
	json_decref(report);
	free(text);
}

static void test_no_pymalloc(void **state)
{
	static const struct thread_stacks unknown = {
		.pid = 11, .python_version = "3.11.2", .tasks.no_pools = true};
	char *text = rendered(render_stacks_text, &unknown);
	char *json_text = rendered(render_stacks_json, &unknown);
	json_t *report = json_loads(json_text, 0, NULL);

	assert_string_equal(text,
			    "note: process 11, Python 3.11.2: 0 stacks, 0 torn; its asyncio tasks are not "
			    "known, it uses no pymalloc\n");
	assert_true(json_is_null(json_object_get(report, "tasks")));
	json_decref(report);
	free(json_text);
	free(text);
}

static void test_no_threads(void **state)
{
	static const struct thread_stacks nothing = {.pid = 11, .python_version = "3.11.2"};
	char *text = rendered(render_stacks_text, &nothing);

	assert_string_equal(text, "note: process 11, Python 3.11.2: 0 stacks, 0 torn\n");
	free(text);
}

static void test_full_disk(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	assert_true(render_stacks_text(&stacks, full) < 0);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),        cmocka_unit_test(test_json),
		cmocka_unit_test(test_tasks_text),  cmocka_unit_test(test_tasks_json),
		cmocka_unit_test(test_no_pymalloc), cmocka_unit_test(test_no_threads),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests_name("render_stacks", tests, NULL, NULL);
}
