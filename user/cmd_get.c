// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#include <bpf/libbpf.h>

#include "cmd.h"
#include "look.h"
#include "memory_reader.h"
#include "object_finder.h"
#include "object_path.h"
#include "object_size.h"
#include "output.h"
#include "preview.h"
#include "referents.h"
#include "render_get.h"

struct arguments {
	struct look_options look;
	bool show_all;
	const char *name;
};

/* What is open while a target is looked at. */
struct subject {
	struct look look;
	struct referents *referents;
	struct previewer previewer;
};

/* --- command line ------------------------------------------------------------------------------------ */

enum { OPTION_NO_REDACT = 256 };

static const struct argp_option options[] = {
	{"no-redact", OPTION_NO_REDACT, NULL, 0,
	 "show the beginning of long str and bytes too (default: of those over 16 characters only the "
	 "length)",
	 1},
	{},
};

static const char documentation[] =
	"Shows one object of a running CPython process: its type, length, size and a short preview. NAME is "
	"what "
	"a program would write: a module, attributes, keys that are str and indices. No code of the process "
	"runs: properties are shown as such.\v"
	"Examples:\n"
	"  sudo linger get -p 1234 app.cache\n"
	"  sudo linger get -p 1234 \"__main__.sessions['alice'].items[-1]\"\n\n"
	"Exit status: 0 when the object was shown, 1 on failure (there is no such object), 2 when this "
	"process "
	"cannot be read or the usage was wrong.";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->look;
		break;
	case OPTION_NO_REDACT:
		args->show_all = true;
		break;
	case ARGP_KEY_ARG:
		if (args->name)
			argp_error(state, "'%s' is too much", arg);
		args->name = arg;
		break;
	case ARGP_KEY_END:
		look_options__want_pid(&args->look, state);
		if (!args->name)
			argp_error(state, "which object? Name it as a program does, app.cache say");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- the target -------------------------------------------------------------------------------------- */

static int open_subject(struct subject *subject, const struct arguments *args, struct error *error)
{
	struct look *look = &subject->look;
	int err = look__open(args->look.pid, SANDBOX_READ, args->look.path, look, error);

	if (err)
		return err;
	err = referents__new(look->reader, &look->python, &subject->referents);
	if (err == -EOPNOTSUPP)
		return error__set(error, err,
				  "failed to look into the objects of process %d: Python %s is not known",
				  args->look.pid, look->python.version);
	if (err)
		return error__set(error, err, "failed to look into process %d: out of memory",
				  args->look.pid);
	subject->previewer = previewer__make(look->reader, &look->python,
					     referents__shapes(subject->referents), !args->show_all);
	return 0;
}

static void close_subject(struct subject *subject)
{
	referents__free(subject->referents);
	look__close(&subject->look);
}

/* --- size -------------------------------------------------------------------------------------------- */

static int add_buffer(void *context, size_t from, uint64_t address, uint64_t bytes)
{
	*(uint64_t *)context += bytes;
	return 0;
}

/* As sys.getsizeof() has it, nearly. 0; -EFAULT: it cannot be told. */
static int measure(const struct subject *subject, uint64_t address, uint64_t *ret_bytes)
{
	const struct object_sizes sizes = {
		.layout = &subject->look.python.layout,
		.int_size_shift = object_layout__get(subject->look.python.minor)->long_tag_bits,
	};
	struct object_ref object = {.address = address};
	uint64_t words[OBJECT_SIZE_WORDS] = {0}, bytes = 0;
	const struct referent_visitor visitor = {.context = &bytes, .buffer = add_buffer};
	uint8_t type_bytes[OBJECT_TYPE_BYTES];
	struct referent_losses losses = {0};
	struct object_type type;
	int err = memory_reader__read(subject->look.reader, address, words, sizeof(words));

	object.type = words[1];
	if (!err)
		err = memory_reader__read(subject->look.reader, object.type, type_bytes, sizeof(type_bytes));
	if (!err &&
	    !object_type__parse(type_bytes, object.type, subject->look.python.runtime.gc_head_bytes, &type))
		err = -EFAULT;
	if (!err)
		err = referents__visit(subject->referents, &object, 1, &visitor, &losses);
	if (!err)
		*ret_bytes = bytes + object_sizes__of(&sizes, &type, words);
	return err;
}

/* --- the command ------------------------------------------------------------------------------------- */

static int look_at(struct subject *subject, const struct object_path *path, struct found_object *ret_found,
		   struct error *error)
{
	struct object_finder finder = {subject->look.reader, &subject->look.python, subject->referents,
				       &subject->previewer};
	int err = object_finder__find(&finder, path, &ret_found->address, error);

	if (err)
		return err;
	ret_found->name = path->text;
	err = previewer__look(&subject->previewer, ret_found->address, &ret_found->preview);
	if (!err)
		err = measure(subject, ret_found->address, &ret_found->size_bytes);
	if (err)
		error__set(error, err, "failed to get '%s': %s", path->text,
			   err == -ESRCH ? "the process has ended" : "it was changing");
	return err;
}

static int write_object(const struct look_options *look, const struct found_object *found,
			struct error *error)
{
	struct output *output;
	int err = output__open(look->path, look->force, &output, error);

	if (err)
		return err;
	err = look->json ? render_get_json(found, output__stream(output))
			 : render_get_text(found, output__stream(output));
	return output__finish(output, err, error);
}

/* Only of the process can an error mean that it cannot be read: a file that is not for us is a failure. */
static enum exit_status show(const struct arguments *args, const struct object_path *path,
			     struct error *error)
{
	enum exit_status status = STATUS_FAILURE;
	struct found_object found = {};
	struct subject subject = {};
	int err;

	if (look_options__check_path(&args->look, error))
		return status;
	err = open_subject(&subject, args, error);
	if (!err)
		err = look_at(&subject, path, &found, error);
	if (err)
		status = error_status(err);
	else if (!write_object(&args->look, &found, error))
		status = STATUS_OK;
	preview__free(&found.preview);
	close_subject(&subject);
	return status;
}

int cmd_get(int argc, char **argv)
{
	const struct argp_child children[] = {{.argp = &look_argp}, {}};
	const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "-p PID NAME",
		.doc = documentation,
		.children = children,
	};
	enum exit_status status = STATUS_UNSUPPORTED;
	struct arguments args = {};
	struct object_path path = {};
	struct error error = {};

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	libbpf_set_print(NULL);
	if (!object_path__parse(args.name, &path, &error))
		status = show(&args, &path, &error);
	if (status)
		report_error(&error);
	object_path__free(&path);
	return status;
}
