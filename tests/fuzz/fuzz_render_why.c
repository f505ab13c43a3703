// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is written of the chains that hold an object. */
#include "check.h"
#include "fuzz.h"
#include "input.h"
#include "render_why.h"

#define MAX_GROUPS 4
#define MAX_LINKS 8

static struct holder_link make_link(struct input *input)
{
	return (struct holder_link){
		.address = input__number(input),
		.type = input__optional_text(input),
		.name = input__optional_text(input),
		.step = input__optional_text(input),
		.shape = input__optional_text(input),
		.is_joined = input__below(input, 2),
		.is_repeated = input__below(input, 2),
	};
}

/* A chain has what is held at least. */
static struct holders_group make_group(struct input *input)
{
	struct holders_group group = {
		.root = input__below(input, HOLDER_NO_ROOT),
		.n_targets = input__number(input),
		.n_links = 1 + input__below(input, MAX_LINKS),
		.n_left_out = input__number(input),
	};

	group.links = input__array(input, group.n_links, sizeof(*group.links));
	for (size_t i = 0; i < group.n_links; i++)
		group.links[i] = make_link(input);
	return group;
}

static struct holders make_holders(struct input *input)
{
	struct holders holders = {
		.pid = input__number(input),
		.python_version = "3.11.2",
		.type = input__optional_text(input),
		.address = input__number(input),
		.n_instances = input__number(input),
		.n_targets = input__number(input),
		.n_unheld = input__number(input),
		.n_groups = input__below(input, MAX_GROUPS),
		.n_more_groups = input__number(input),
		.n_steps = input__number(input),
		.end = input__below(input, HOLDERS_INTERRUPTED + 1),
		.losses = {.torn_threads = input__number(input), .left_out = input__number(input)},
		.elapsed_s = input__number(input) / 1e3,
	};

	holders.groups = input__array(input, holders.n_groups, sizeof(*holders.groups));
	for (size_t i = 0; i < holders.n_groups; i++)
		holders.groups[i] = make_group(input);
	return holders;
}

static void check(const struct holders *holders, int (*render)(const struct holders *holders, FILE *out),
		  void (*check_page)(const struct page *page))
{
	struct page page;

	page__open(&page);
	page__finish(&page, render(holders, page.out));
	check_page(&page);
	page__free(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, n};
	struct holders holders = make_holders(&input);

	check(&holders, render_why_text, check__text);
	check(&holders, render_why_json, check__json);
	check(&holders, render_why_dot, check__dot);
	input__free(&input);
	return 0;
}

void fuzz__add_seeds(void)
{
	input__add_seed();
}
