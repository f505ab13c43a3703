// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stack_sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include "clock.h"
#include "stack_sample.h"
#include "stack_sampler.skel.h"

#define PERIOD_NS 50000 /* of the time that the thread runs */
#define WAIT_NS UINT64_C(10000000)
#define POLL_US 100

struct stack_sampler {
	struct stack_sampler_bpf *skeleton;
	struct stack_sample *sample;
	int err; /* why it cannot be loaded */
};

void stack_sampler__free(struct stack_sampler *sampler)
{
	if (!sampler)
		return;
	if (sampler->sample)
		munmap(sampler->sample, sizeof(*sampler->sample));
	stack_sampler_bpf__destroy(sampler->skeleton);
	free(sampler);
}

/* --- the program ------------------------------------------------------------------------------------- */

static struct stack_sampler_config make_config(const struct python *python)
{
	struct frame_extent extent = python__frame_extent(&python->layout);

	return (struct stack_sampler_config){
		.frame_start = extent.start,
		.frame_bytes = extent.bytes,
		.tstate_thread_id = python->runtime.thread_id,
		.py = python->layout,
	};
}

static int load(struct stack_sampler *sampler, const struct python *python)
{
	struct stack_sampler_config config = make_config(python);
	void *sample;
	int err;

	sampler->skeleton = stack_sampler_bpf__open();
	if (!sampler->skeleton)
		return -errno;
	memcpy((void *)&sampler->skeleton->rodata->sampler_config, &config, sizeof(config));
	err = stack_sampler_bpf__load(sampler->skeleton);
	if (err)
		return err;
	sample = mmap(NULL, sizeof(*sampler->sample), PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(sampler->skeleton->maps.stack_samples), 0);
	if (sample == MAP_FAILED)
		return -errno;
	sampler->sample = sample;
	return 0;
}

struct stack_sampler *stack_sampler__new(const struct python *python)
{
	struct stack_sampler *sampler = calloc(1, sizeof(*sampler));

	if (sampler)
		sampler->err = load(sampler, python);
	return sampler;
}

/* --- one sample -------------------------------------------------------------------------------------- */

static int open_timer(pid_t native_id)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = PERIOD_NS,
	};
	int fd = syscall(SYS_perf_event_open, &attr, native_id, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static uint32_t sample_state(const struct stack_sampler *sampler)
{
	return __atomic_load_n(&sampler->sample->state, __ATOMIC_ACQUIRE);
}

static void copy_sample(const struct stack_sample *sample, struct python_stack *ret_stack)
{
	ret_stack->n_frames = sample->n_frames;
	ret_stack->truncated = sample->truncated;
	for (size_t i = 0; i < sample->n_frames; i++)
		ret_stack->frames[i] = (struct stack_frame){sample->frames[i].address, sample->frames[i].code,
							    sample->frames[i].instr};
}

/* libbpf would load a program to find out how to attach another one, and nothing is to be loaded any more. */
static int run_until_taken(struct stack_sampler *sampler, int timer)
{
	int program = bpf_program__fd(sampler->skeleton->progs.sample_stack);
	int link = bpf_link_create(program, timer, BPF_PERF_EVENT, NULL);
	uint64_t end_ns = now_ns() + WAIT_NS;

	if (link < 0)
		return link;
	while (sample_state(sampler) == SAMPLE_WANTED && now_ns() < end_ns)
		usleep(POLL_US);
	close(link);
	return sample_state(sampler) == SAMPLE_TAKEN ? 0 : -EAGAIN;
}

int stack_sampler__read(struct stack_sampler *sampler, pid_t native_id, uint64_t thread_state,
			struct python_stack *ret_stack)
{
	int timer, err;

	if (sampler->err)
		return sampler->err;
	sampler->sample->thread_state = thread_state;
	__atomic_store_n(&sampler->sample->state, SAMPLE_WANTED, __ATOMIC_RELEASE);
	timer = open_timer(native_id);
	if (timer < 0)
		return timer;
	err = run_until_taken(sampler, timer);
	close(timer);
	if (!err)
		copy_sample(sampler->sample, ret_stack);
	return err;
}
