// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int error__set(struct error *error, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	error->hint[0] = 0;
	return err;
}

void error__hint(struct error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->hint, sizeof(error->hint), format, args);
	va_end(args);
}
