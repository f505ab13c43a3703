// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli_output.h"
#include "cmd.h"
#include "pprof_read.h"
#include "profile_diff.h"
#include "sandbox.h"

struct arguments {
	struct cli_output output;
	bool diff;
	const char *paths[2];
	unsigned int n_paths;
};

/* --- command line ------------------------------------------------------------------------------------ */

enum { OPTION_DIFF = 256 };

static const struct argp_option options[] = {
	{"diff", OPTION_DIFF, NULL, 0, "what grew and what shrank from the first file to the second", 1},
	{},
};

static const char documentation[] =
	"Shows a profile that 'linger record' wrote in pprof's format, or how two of them differ. Needs no "
	"root and no kernel. Reads heap profiles of other tools too.\v"
	"Examples:\n"
	"  linger report heap.pb.gz\n"
	"  linger report heap.pb.gz -o heap.svg\n"
	"  linger report heap.pb.gz --domain object --value alloc_space -f text\n"
	"  linger report --diff before.pb.gz after.pb.gz\n"
	"  linger report --diff before.pb.gz after.pb.gz -o growth.svg\n"
	"  linger report --diff before.pb.gz after.pb.gz | flamegraph.pl > growth.svg\n\n"
	"Exit status: 0 when the report was written, 1 on failure, 2 when the usage was wrong.";

static void finish_arguments(struct argp_state *state, struct arguments *args)
{
	if (args->diff && args->n_paths != 2)
		argp_error(state, "--diff compares two files: BEFORE AFTER");
	if (!args->diff && args->n_paths != 1)
		argp_error(state, args->n_paths ? "two files are compared with --diff"
						: "which file? Name one that 'linger record -f pprof' wrote");
	if (args->diff && !args->output.renderer->render_diff)
		argp_error(state, "-f %s cannot show a difference", args->output.renderer->name);
	if (!args->output.domains)
		args->output.domains = CLI_ALL_DOMAINS;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->output;
		break;
	case OPTION_DIFF:
		args->diff = true;
		break;
	case ARGP_KEY_ARG:
		if (args->n_paths == 2)
			argp_error(state, "'%s' is too much", arg);
		args->paths[args->n_paths++] = arg;
		break;
	case ARGP_KEY_END:
		finish_arguments(state, args);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- reports ----------------------------------------------------------------------------------------- */

/* The value that was asked for, or else what the file is about. */
static int choose_value(struct cli_output *output, const char *path, const struct pprof_content *content,
			struct error *error)
{
	if (!output->value_given)
		output->value = content->default_value;
	if (content->values >> output->value & 1)
		return 0;
	error__set(error, -EBADMSG, "failed to report '%s': it has no %s", path,
		   profile_value__name(output->value));
	error__hint(error, "it has %s: choose with --value", profile_value__name(content->default_value));
	return -EBADMSG;
}

static int read_file(struct arguments *args, const char *path, struct profile **ret_profile,
		     struct error *error)
{
	struct pprof_content content;
	int err = pprof_read__file(path, args->output.domains, &content, error);

	if (err)
		return err;
	err = choose_value(&args->output, path, &content, error);
	if (err) {
		profile__free(content.profile);
		return err;
	}
	/* Both files of a difference are shown by the same value: the first one's. */
	args->output.value_given = true;
	*ret_profile = content.profile;
	return 0;
}

static int report(struct arguments *args, struct error *error)
{
	struct profile *profile;
	int err = read_file(args, args->paths[0], &profile, error);

	if (err)
		return err;
	err = cli_output__write(&args->output, profile, error);
	profile__free(profile);
	return err;
}

static int report_diff(struct arguments *args, struct error *error)
{
	struct profile *before = NULL, *after = NULL;
	struct profile_diff *diff = NULL;
	int err = read_file(args, args->paths[0], &before, error);

	if (!err)
		err = read_file(args, args->paths[1], &after, error);
	if (!err && profile_diff__new(before, after, &diff))
		err = error__set(error, -ENOMEM, "failed to compare: out of memory");
	profile__free(before);
	profile__free(after);
	if (!err)
		err = cli_output__write_diff(&args->output, diff, error);
	profile_diff__free(diff);
	return err;
}

int cmd_report(int argc, char **argv)
{
	const struct argp_child children[] = {{.argp = &cli_output_argp}, {}};
	const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "FILE\n--diff BEFORE AFTER",
		.doc = documentation,
		.children = children,
	};
	struct arguments args = {};
	struct error error = {};
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	err = cli_output__check(&args.output, &error);
	sandbox__enter(&(struct sandbox_needs){.rest = SANDBOX_REPORT, .outputs = {args.output.path}});
	if (!err)
		err = args.diff ? report_diff(&args, &error) : report(&args, &error);
	if (!err)
		return STATUS_OK;
	report_error(&error);
	return STATUS_FAILURE;
}
