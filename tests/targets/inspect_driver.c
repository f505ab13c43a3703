/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 *   inspect_driver PID
 *
 * Inspects blocks of a process as its standard input says, and answers each line with one:
 *   take ADDRESS...   takes the fingerprints of the blocks around these addresses: how many are pymalloc's,
 * and the CPU time in ns inspect           the CPU time in ns, then the verdict of each block, in their order
 * ("none": not pymalloc's)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inspector.h"
#include "pool.h"
#include "python.h"

struct driver {
	struct target *target;
	struct memory_reader *reader;
	struct python python;
	struct inspector *inspector;
	struct inspected *blocks; /* no bytes: not a block of pymalloc */
	size_t n_blocks;
	struct inspected **inspected;
	size_t n_inspected;
};

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static int open_all(struct driver *driver, pid_t pid, struct error *error)
{
	int err = target__open(pid, &driver->target, error);

	if (!err)
		err = memory_reader__open(pid, &driver->reader, error);
	if (!err)
		err = python__inspect(driver->target, driver->reader, &driver->python, error);
	if (!err)
		err = inspector__new(driver->target, driver->reader, &driver->python.runtime,
				     &driver->inspector);
	return err;
}

static void close_all(struct driver *driver)
{
	free(driver->blocks);
	free(driver->inspected);
	inspector__free(driver->inspector);
	python__free(&driver->python);
	memory_reader__free(driver->reader);
	target__free(driver->target);
}

/* The block that an address lies in, as its pool says. */
static struct inspected find_block(struct driver *driver, uint64_t address)
{
	uint32_t pool_bytes = driver->python.runtime.pool_bytes, bytes;
	uint64_t start = address & ~(uint64_t)(pool_bytes - 1), blocks = start + POOL_HEADER_BYTES;
	struct pool_header pool;

	if (memory_reader__read(driver->reader, start, &pool, sizeof(pool)) ||
	    !pool__is_used(&pool, start, pool_bytes))
		return (struct inspected){.bytes = 0};
	bytes = pool__block_bytes(&pool);
	return (struct inspected){.address = blocks + (address - blocks) / bytes * bytes, .bytes = bytes};
}

static void choose_blocks(struct driver *driver, char *addresses)
{
	char *rest, *word = strtok_r(addresses, " \n", &rest);

	driver->n_blocks = driver->n_inspected = 0;
	for (; word; word = strtok_r(NULL, " \n", &rest)) {
		driver->blocks = realloc(driver->blocks, ++driver->n_blocks * sizeof(*driver->blocks));
		driver->blocks[driver->n_blocks - 1] = find_block(driver, strtoull(word, NULL, 16));
	}
	free(driver->inspected);
	driver->inspected = calloc(driver->n_blocks + 1, sizeof(*driver->inspected));
	for (size_t i = 0; i < driver->n_blocks; i++)
		if (driver->blocks[i].bytes)
			driver->inspected[driver->n_inspected++] = &driver->blocks[i];
}

static int take(struct driver *driver, char *addresses)
{
	uint64_t start_ns;
	int err;

	choose_blocks(driver, addresses);
	start_ns = cpu_ns();
	err = inspector__take(driver->inspector, driver->inspected, driver->n_inspected);
	printf("%zu %" PRIu64 "\n", driver->n_inspected, cpu_ns() - start_ns);
	return err;
}

static int inspect(struct driver *driver)
{
	uint64_t start_ns = cpu_ns();
	int err = inspector__inspect(driver->inspector, driver->inspected, driver->n_inspected);

	printf("%" PRIu64, cpu_ns() - start_ns);
	for (size_t i = 0; i < driver->n_blocks; i++)
		printf(" %s", driver->blocks[i].bytes ? verdict__name(driver->blocks[i].verdict) : "none");
	printf("\n");
	return err;
}

int main(int argc, char **argv)
{
	struct driver driver = {0};
	struct error error = {0};
	size_t capacity = 0;
	char *line = NULL;
	int err;

	if (argc != 2)
		return 2;
	err = open_all(&driver, atoi(argv[1]), &error);
	while (!err && getline(&line, &capacity, stdin) > 0) {
		err = strncmp(line, "take ", 5) ? inspect(&driver) : take(&driver, line + 5);
		fflush(stdout);
	}
	if (err)
		fprintf(stderr, "inspect_driver: %s %s\n", strerror(-err), error.message);
	free(line);
	close_all(&driver);
	return err ? 1 : 0;
}
