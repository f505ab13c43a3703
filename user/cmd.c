// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cmd.h"

#include <errno.h>
#include <stdio.h>

void report_error(const struct error *error)
{
	fprintf(stderr, "linger: %s\n", error->message);
	if (error->hint[0])
		fprintf(stderr, "hint: %s\n", error->hint);
}

enum exit_status error_status(int err)
{
	return err == -EOPNOTSUPP || err == -ENOEXEC || err == -EPERM || err == -EACCES ? STATUS_UNSUPPORTED
											: STATUS_FAILURE;
}
