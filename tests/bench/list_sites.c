// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Prints the probe sites of an ELF file: kind, address, place of the block. For tests and for looking at a
 * build. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "elf_image.h"
#include "probe_plan.h"

static const char *const kinds[] = {"pop", "push", "slow", "code"};

static void print_site(const struct probe_site *site)
{
	printf("%s 0x%" PRIx64 " %s reg=%u disp=%d\n", kinds[site->cookie.kind], site->address,
	       site->cookie.place == SITE_IN_REGISTER ? "register" : "memory", site->cookie.reg,
	       site->cookie.disp);
}

int main(int argc, char **argv)
{
	struct elf_image *image;
	struct probe_plan plan;
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: list_sites ELF\n");
		return 2;
	}
	err = elf_image__open(open(argv[1], O_RDONLY | O_CLOEXEC), &image);
	if (!err)
		err = probe_plan__make(image, true, 0, &plan);
	if (err) {
		fprintf(stderr, "list_sites: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	for (size_t i = 0; i < plan.n_sites; i++)
		print_site(&plan.sites[i]);
	fprintf(stderr, "%s: %zu pops, %zu pushes, %zu slow, %zu unlocated\n", argv[1], plan.n_pops,
		plan.n_pushes, plan.n_slow, plan.n_unlocated);
	probe_plan__free(&plan);
	elf_image__free(image);
	return 0;
}
