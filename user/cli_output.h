/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CLI_OUTPUT_H
#define LINGER_CLI_OUTPUT_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "profile.h"
#include "profile_diff.h"
#include "render.h"

/* What every command that writes a profile asks for, in the same words: where, in which format, which value
 * and which domains. */
struct cli_output {
	const char *path; /* NULL: standard output */
	const struct renderer *renderer;
	enum profile_value value;
	bool value_given;
	uint32_t domains; /* a bit per enum linger_domain; 0: not said */
	bool force;
};

#define CLI_ALL_DOMAINS ((1u << LINGER_DOMAINS) - 1)

/* The options, as a child of the command's own parser, which hands over a struct cli_output in ARGP_KEY_INIT:
 * state->child_inputs[0]. When parsing has ended there is a renderer. */
extern const struct argp cli_output_argp;

/* To be called before anything that takes long: whether the file can be written. */
int cli_output__check(const struct cli_output *cli, struct error *error);

int cli_output__write(const struct cli_output *cli, const struct profile *profile, struct error *error);
int cli_output__write_diff(const struct cli_output *cli, const struct profile_diff *diff,
			   struct error *error);

#endif /* LINGER_CLI_OUTPUT_H */
