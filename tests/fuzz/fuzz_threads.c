// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The lists of interpreters and threads, their stacks and the code that these run, in a memory that is an
 * input. */
#include <stdlib.h>
#include <string.h>

#include "code_object.h"
#include "fake_target.h"
#include "fuzz.h"
#include "stack_reader.h"
#include "thread_states.h"

#define MAX_STATES 4 /* whose stacks are read */

static struct python_stack stack;

static void read_code(const struct python *python, const struct stack_frame *frame)
{
	struct code_object code = {};

	code_object__read(&code, &python->layout, NULL, frame->code);
	code_object__has_started(&code, frame->instr);
	fuzz__check(code_object__frame(&code, &python->layout, frame->instr).line >= 0,
		    "a line is not negative");
	code_object__free(&code);
}

static void read_stack(const struct python *python, struct stack_reader *reader, uint64_t thread_state)
{
	if (stack_reader__read(reader, thread_state, 0, &stack))
		return;
	fuzz__check(stack.n_frames <= LINGER_MAX_FRAMES, "a stack has so many frames at most");
	for (size_t i = 0; i < stack.n_frames; i += 1 + stack.n_frames / 4)
		read_code(python, &stack.frames[i]);
}

static void read_threads(const struct python *python)
{
	struct stack_reader *reader = stack_reader__new(NULL, python, NULL);
	struct thread_state *states;
	struct error error;
	size_t n;

	if (!thread_states__list(python, NULL, &states, &n, &error)) {
		fuzz__check(n <= MAX_THREAD_STATES, "so many threads at most are listed");
		for (size_t i = 0; i < n && i < MAX_STATES && reader; i++)
			read_stack(python, reader, states[i].address);
		free(states);
	}
	stack_reader__free(reader);
}

/* The bits of the head are where the interpreters are. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct python python;
	struct fake_head head;

	if (!fake_target__take_head(&bytes, &n, 7, &head, &python))
		return 0;
	python.interpreters = python.current_tstate = head.bits;
	fake_target__set(bytes, n, head.reads_per_change);
	read_threads(&python);
	return 0;
}
