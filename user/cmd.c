// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "render_common.h"

#define MAX_LINE_BYTES (2 * PATH_MAX)

/* In one piece: others write to the same terminal. */
static void __attribute__((format(printf, 3, 0)))
put_line(FILE *out, const char *prefix, const char *format, va_list args)
{
	char text[MAX_LINE_BYTES], *cleaned;

	vsnprintf(text, sizeof(text), format, args);
	cleaned = render_cleaned(text);
	fprintf(out, "%s%s\n", prefix, cleaned ? cleaned : "out of memory");
	free(cleaned);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(stderr, "linger: ", format, args);
	va_end(args);
}

void say_hint(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(stderr, "hint: ", format, args);
	va_end(args);
}

void print_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(stdout, "", format, args);
	va_end(args);
}

long parse_number(struct argp_state *state, const char *text, long min, long max, const char *what)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max)
		argp_error(state, "'%s' is not %s", text, what);
	return value;
}

pid_t parse_pid(struct argp_state *state, const char *text)
{
	return parse_number(state, text, 1, INT32_MAX, "a process id");
}

void report_error(const struct error *error)
{
	say("%s", error->message);
	if (error->hint[0])
		say_hint("%s", error->hint);
}

enum exit_status error_status(int err)
{
	return err == -EOPNOTSUPP || err == -ENOEXEC || err == -EPERM || err == -EACCES ? STATUS_UNSUPPORTED
											: STATUS_FAILURE;
}
