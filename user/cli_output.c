/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

#define DOMAIN_LIST_BYTES 128

enum { OPTION_VALUE = 512, OPTION_DOMAIN, OPTION_FORCE };

static const struct argp_option options[] = {
	{"output", 'o', "FILE", 0, "write to FILE; without it folded stacks to a pipe, a table to a terminal",
	 2},
	{"format", 'f', "FORMAT", 0, "folded, svg, text or pprof; without it by the ending of FILE", 2},
	{"value", OPTION_VALUE, "VALUE", 0,
	 "inuse_space (the default; of a file that is read its own), inuse_objects, alloc_space or "
	 "alloc_objects",
	 2},
	{"domain", OPTION_DOMAIN, "LIST", 0,
	 "which of object, raw, mapping, separated by commas (default: all)", 2},
	{"force", OPTION_FORCE, NULL, 0, "overwrite existing files", 2},
	{},
};

/* --- parsing ----------------------------------------------------------------------------------------- */

static const char *domain_list(char buffer[static DOMAIN_LIST_BYTES])
{
	size_t len = 0;

	for (int domain = 0; domain < LINGER_DOMAINS; domain++)
		len += snprintf(buffer + len, DOMAIN_LIST_BYTES - len, "%s%s", domain ? ", " : "",
				linger_domain__name(domain));
	return buffer;
}

static uint32_t parse_domains(struct argp_state *state, const char *text)
{
	char *list = strdup(text), *rest = NULL;
	uint32_t domains = 0;

	for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		enum linger_domain domain = 0;

		if (linger_domain__parse(name, &domain))
			argp_error(state, "'%s' is no domain; there are %s", name,
				   domain_list((char[DOMAIN_LIST_BYTES]){}));
		domains |= 1u << domain;
	}
	free(list);
	if (!domains)
		argp_error(state, "--domain wants some of %s", domain_list((char[DOMAIN_LIST_BYTES]){}));
	return domains;
}

static const struct renderer *parse_format(struct argp_state *state, const char *text)
{
	const struct renderer *renderer = renderer__by_name(text);

	if (!renderer)
		argp_error(state, "'%s' is no format; there are folded, svg, text and pprof", text);
	return renderer;
}

static void choose_renderer(struct argp_state *state, struct cli_output *output)
{
	if (!output->renderer && output->path)
		output->renderer = renderer__by_path(output->path);
	if (!output->renderer && output->path)
		argp_error(
			state,
			"cannot tell the format of '%s' from its ending: add -f folded, svg, text or pprof",
			output->path);
	if (!output->renderer)
		output->renderer = isatty(STDOUT_FILENO) ? &render_text : &render_folded;
	if (output->renderer->is_binary && !output->path && isatty(STDOUT_FILENO))
		argp_error(state, "-f %s is not for a terminal: name a file with -o", output->renderer->name);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct cli_output *output = state->input;

	switch (key) {
	case 'o':
		output->path = arg;
		break;
	case 'f':
		output->renderer = parse_format(state, arg);
		break;
	case OPTION_VALUE:
		if (profile_value__parse(arg, &output->value))
			argp_error(state,
				   "'%s' is no value; there are inuse_space, inuse_objects, alloc_space and "
				   "alloc_objects",
				   arg);
		output->value_given = true;
		break;
	case OPTION_DOMAIN:
		output->domains = parse_domains(state, arg);
		break;
	case OPTION_FORCE:
		output->force = true;
		break;
	case ARGP_KEY_END:
		choose_renderer(state, output);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp cli_output_argp = {.options = options, .parser = parse_option};

/* --- writing ----------------------------------------------------------------------------------------- */

int cli_output__check(const struct cli_output *cli, struct error *error)
{
	return cli->path ? output__check(cli->path, cli->force, error) : 0;
}

int cli_output__write(const struct cli_output *cli, const struct profile *profile, struct error *error)
{
	struct output *output;
	int err = output__open(cli->path, cli->force, &output, error);

	if (err)
		return err;
	err = renderer__render(cli->renderer, profile, cli->value, output__stream(output));
	return output__finish(output, err, error);
}

int cli_output__write_diff(const struct cli_output *cli, const struct profile_diff *diff, struct error *error)
{
	struct output *output;
	int err = output__open(cli->path, cli->force, &output, error);

	if (err)
		return err;
	err = cli->renderer->render_diff(diff, cli->value, output__stream(output));
	return output__finish(output, err, error);
}
