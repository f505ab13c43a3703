// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "trap_cost.h"

#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 8 /* the fastest counts: the others were interrupted */
#define PASSES 250

extern const char linger_trap_site[];

static __attribute__((noinline, noclone)) void pass_site(void)
{
	asm volatile(".globl linger_trap_site\n"
		     "linger_trap_site: jmp 1f\n"
		     "1:");
}

struct place {
	uintptr_t address;
	unsigned long offset; /* in the file */
	bool found;
};

/* The first object of all is the program itself. */
static int find_offset(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place *place = arg;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type != PT_LOAD || place->address - start >= segment->p_filesz)
			continue;
		place->offset = place->address - start + segment->p_offset;
		place->found = true;
	}
	return 1;
}

static double pass_ns(void)
{
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < PASSES; i++)
		pass_site();
	clock_gettime(CLOCK_MONOTONIC, &end);
	return ((end.tv_sec - begin.tv_sec) * 1e9 + end.tv_nsec - begin.tv_nsec) / PASSES;
}

int trap_cost__measure(const struct bpf_program *program, double *ret_ns)
{
	struct place place = {.address = (uintptr_t)linger_trap_site};
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = &place.offset, .cnt = 1);
	struct bpf_link *link;
	double least = 0;

	dl_iterate_phdr(find_offset, &place);
	if (!place.found)
		return -ENOENT;
	link = bpf_program__attach_uprobe_multi(program, getpid(), "/proc/self/exe", NULL, &opts);
	if (!link)
		return -errno;
	for (int i = 0; i < BATCHES; i++) {
		double ns = pass_ns();

		least = !i || ns < least ? ns : least;
	}
	bpf_link__destroy(link);
	*ret_ns = least;
	return 0;
}
