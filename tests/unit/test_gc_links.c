/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gc_links.h"

#define POOL_BYTES 16384
#define POOL UINT64_C(0x7f0000004000)
#define OUTSIDE UINT64_C(0x7f0000100000)
#define N_NODES 9 /* 4 in the pool, then some outside */
#define TYPE UINT64_C(0x900000)
#define NODE_BYTES (GC_NODE_WORDS * 8)

/* The memory of a target that has nothing but nodes. */
static uint64_t memory[N_NODES][GC_NODE_WORDS];
static struct pool_map pools;
static struct gc_links *links;
static uint64_t visited[N_NODES];
static size_t n_visited, n_reads;

static uint64_t address_of(int node)
{
	return node < 4 ? POOL + POOL_HEADER_BYTES + (uint64_t)node * NODE_BYTES
			: OUTSIDE + (uint64_t)node * NODE_BYTES;
}

static int read_one(const struct memory_request *request)
{
	for (int i = 0; i < N_NODES; i++) {
		if (request->address != address_of(i))
			continue;
		memcpy(request->to, memory[i], request->bytes);
		return 0;
	}
	return -EFAULT;
}

/* In place of user/memory_reader.c. */
int memory_reader__read_many(struct memory_reader *reader, struct memory_request *requests, size_t n)
{
	for (size_t i = 0; i < n; i++)
		requests[i].error = read_one(&requests[i]);
	n_reads += n;
	return 0;
}

static int setup(void **state)
{
	memset(memory, 0, sizeof(memory));
	n_visited = n_reads = 0;
	pools = pool_map__of(POOL_BYTES);
	return pool_map__add(&pools, POOL, 0) || gc_links__new(NULL, &pools, &links);
}

static int teardown(void **state)
{
	gc_links__free(links);
	pool_map__free(&pools);
	return 0;
}

static int visit(void *context, const struct gc_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(n_visited < N_NODES);
		assert_int_equal(nodes[i].words[3], TYPE);
		visited[n_visited++] = nodes[i].address;
	}
	return 0;
}

/* A list, as the collector keeps it. */
static void link_nodes(const int *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t *words = memory[nodes[i]];

		words[0] = address_of(nodes[(i + 1) % n]);
		words[1] = address_of(nodes[(i + n - 1) % n]);
		words[2] = 1;
		words[3] = TYPE;
	}
}

#define LINK(...) link_nodes((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void follow(void)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(gc_links__add(links, address_of(i), memory[i], GC_NODE_WORDS), 0);
	assert_int_equal(gc_links__follow(links, visit, NULL), 0);
}

static void check_visited(size_t n)
{
	assert_int_equal(n_visited, n);
	for (size_t i = 0; i < n; i++)
		assert_true(visited[i] >= OUTSIDE);
}

static void test_nothing_outside(void **state)
{
	LINK(0, 1, 2, 3);
	follow();
	check_visited(0);
	assert_int_equal(n_reads, 0);
}

static void test_runs_outside(void **state)
{
	LINK(4, 0, 5, 6, 7, 1, 8, 2);
	follow();
	check_visited(5);
	follow(); /* each comes once */
	check_visited(5);
	assert_int_equal(gc_links__torn(links), 0);
}

static void test_flags(void **state)
{
	LINK(0, 4, 5);
	memory[0][0] |= 3;
	memory[4][0] |= 1;
	memory[4][1] |= 1;
	follow();
	check_visited(2);
}

static void test_while_the_collector_counts(void **state)
{
	LINK(0, 4, 5);
	memory[0][1] = 5 << 2 | 2;
	memory[4][1] = 7 << 2 | 2;
	memory[5][1] = 1 << 2 | 2;
	follow();
	check_visited(2);
}

static void test_managed_attributes_lie_in_front(void **state)
{
	uint64_t block[GC_NODE_WORDS + 2] = {0};

	LINK(1, 4, 5);
	memcpy(block + 2, memory[1], NODE_BYTES);
	assert_int_equal(gc_links__add(links, address_of(1) - 16, block, GC_NODE_WORDS + 2), 0);
	assert_int_equal(gc_links__follow(links, visit, NULL), 0);
	check_visited(2);
}

static void test_what_is_no_link(void **state)
{
	LINK(0, 4, 5);
	memory[4][1] = address_of(2);
	memory[1][0] = OUTSIDE - 64; /* where there is nothing */
	memory[1][1] = address_of(0);
	memory[1][2] = 1;
	memory[1][3] = TYPE;
	follow();
	check_visited(0);
	assert_int_equal(gc_links__torn(links), 0);
}

static void test_a_link_that_changes_all_the_time(void **state)
{
	LINK(0, 5);
	assert_int_equal(gc_links__add(links, address_of(0), memory[0], GC_NODE_WORDS), 0);
	LINK(0, 4, 5);
	memory[4][1] = address_of(1);
	memory[5][1] = address_of(1);
	assert_int_equal(gc_links__follow(links, visit, NULL), 0);
	check_visited(0);
	assert_int_equal(gc_links__torn(links), 1);
}

/* It was read before something was put in between. */
static void test_a_link_that_has_changed(void **state)
{
	LINK(0, 5);
	assert_int_equal(gc_links__add(links, address_of(0), memory[0], GC_NODE_WORDS), 0);
	LINK(0, 4, 5);
	assert_int_equal(gc_links__follow(links, visit, NULL), 0);
	check_visited(2);
	assert_int_equal(gc_links__torn(links), 0);
}

static void test_what_is_no_object(void **state)
{
	for (int i = 0; i < 4; i++) {
		LINK(0, 1, 2, 3);
		memory[0][0] = address_of(4);
		memory[0][i] = 0;
		follow();
	}
	memory[0][0] = address_of(4);
	memory[0][3] = POOL; /* no type lies in a pool */
	follow();
	check_visited(0);
	assert_int_equal(n_reads, 0);
}

static int stop(void *context, const struct gc_node *nodes, size_t n)
{
	return -ENOMEM;
}

static void test_a_visitor_ends_it(void **state)
{
	LINK(0, 4, 5);
	assert_int_equal(gc_links__add(links, address_of(0), memory[0], GC_NODE_WORDS), 0);
	assert_int_equal(gc_links__follow(links, stop, NULL), -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runs_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_while_the_collector_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_managed_attributes_lie_in_front, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_that_changes_all_the_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_that_has_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_object, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_visitor_ends_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
