// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stack_sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include "clock.h"
#include "stack_sample.h"
#include "stack_sampler.skel.h"

#define PERIOD_NS 50000 /* of the time that the thread runs */
#define WAIT_NS UINT64_C(10000000)
#define POLL_US 100

struct stack_sampler {
	const struct python *python;
	struct stack_sampler_bpf *skeleton; /* NULL: not loaded yet */
	struct stack_sample *sample;
	int err; /* why it cannot be loaded */
};

struct stack_sampler *stack_sampler__new(const struct python *python)
{
	struct stack_sampler *sampler = calloc(1, sizeof(*sampler));

	if (sampler)
		sampler->python = python;
	return sampler;
}

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

static int load(struct stack_sampler *sampler)
{
	struct stack_sampler_config config = make_config(sampler->python);
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

/* --- one sample -------------------------------------------------------------------------------------- */

static int attach(struct stack_sampler *sampler, pid_t native_id, struct bpf_link **ret_link)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = PERIOD_NS,
	};
	int fd = syscall(SYS_perf_event_open, &attr, native_id, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_link = bpf_program__attach_perf_event(sampler->skeleton->progs.sample_stack, fd);
	if (*ret_link)
		return 0;
	close(fd);
	return -errno;
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

int stack_sampler__read(struct stack_sampler *sampler, pid_t native_id, uint64_t thread_state,
			struct python_stack *ret_stack)
{
	uint64_t end_ns = now_ns() + WAIT_NS;
	struct bpf_link *link = NULL;
	int err;

	if (!sampler->skeleton && !sampler->err)
		sampler->err = load(sampler);
	if (sampler->err)
		return sampler->err;
	sampler->sample->thread_state = thread_state;
	__atomic_store_n(&sampler->sample->state, SAMPLE_WANTED, __ATOMIC_RELEASE);
	err = attach(sampler, native_id, &link);
	if (err)
		return err;
	while (sample_state(sampler) == SAMPLE_WANTED && now_ns() < end_ns)
		usleep(POLL_US);
	bpf_link__destroy(link);
	if (sample_state(sampler) != SAMPLE_TAKEN)
		return -EAGAIN;
	copy_sample(sampler->sample, ret_stack);
	return 0;
}
