/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 *   stacks_driver PID COUNT
 *
 * Reads the stacks of a process so many times and prints each reading as JSON.
 */
#include <stdio.h>
#include <stdlib.h>

#include "render_stacks.h"
#include "thread_stacks.h"

static int read_once(const struct target *target, struct memory_reader *reader, const struct python *python,
		     struct stack_sampler *sampler, struct error *error)
{
	struct thread_stacks stacks;
	int err = thread_stacks__read(target, reader, python, sampler, &stacks, error);

	if (err)
		return err;
	err = render_stacks_json(&stacks, stdout);
	thread_stacks__free(&stacks);
	return err;
}

int main(int argc, char **argv)
{
	struct stack_sampler *sampler = NULL;
	struct memory_reader *reader = NULL;
	struct python python = {0};
	struct target *target = NULL;
	struct error error = {0};
	int err;

	if (argc != 3)
		return 2;
	err = target__open(atoi(argv[1]), &target, &error);
	if (!err)
		err = memory_reader__open(atoi(argv[1]), &reader, &error);
	if (!err)
		err = python__inspect(target, reader, &python, &error);
	if (!err)
		sampler = stack_sampler__new(&python);
	for (int i = atoi(argv[2]); i > 0 && !err; i--)
		err = read_once(target, reader, &python, sampler, &error);
	if (err)
		fprintf(stderr, "stacks_driver: %s\n", error.message);
	stack_sampler__free(sampler);
	python__free(&python);
	memory_reader__free(reader);
	target__free(target);
	return err ? 1 : 0;
}
