// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What writing to another user's place may take: to make a file there, and to replace one in a directory like
 * /tmp. */
static const uint64_t of_outputs = CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_FOWNER);

/* What the process has of a set. */
static uint64_t permitted(uint64_t set)
{
	uint64_t found = 0;

	capng_get_caps_process();
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++)
		if (set & CAPABILITY(i) && capng_have_capability(CAPNG_PERMITTED, i))
			found |= CAPABILITY(i);
	return found;
}

static void add(capng_type_t type, uint64_t set)
{
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++)
		if (set & CAPABILITY(i))
			capng_update(CAPNG_ADD, type, i);
}

/* in_reserve: can be taken up again, but has no effect meanwhile. */
static int apply(uint64_t effective, uint64_t in_reserve, capng_select_t sets)
{
	capng_clear(CAPNG_SELECT_ALL);
	add(CAPNG_EFFECTIVE, effective);
	add(CAPNG_PERMITTED, effective | in_reserve);
	return capng_apply(sets) ? -EPERM : 0;
}

/* --- outputs ----------------------------------------------------------------------------------------- */

static uint64_t needed_in(const char *directory)
{
	struct stat st;
	uint64_t needed = 0;

	if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS))
		needed |= CAPABILITY(CAP_DAC_OVERRIDE);
	if (!stat(directory, &st) && st.st_mode & S_ISVTX && st.st_uid != geteuid())
		needed |= CAPABILITY(CAP_FOWNER);
	return needed;
}

/* Asked while none of them has an effect. */
static uint64_t needed_for(const char *path)
{
	char *copy = path ? strdup(path) : NULL;
	uint64_t needed = copy ? needed_in(dirname(copy)) : 0;

	/* It is written to itself if it is a device or a pipe. */
	if (path && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) && errno == EACCES)
		needed |= CAPABILITY(CAP_DAC_OVERRIDE);
	free(copy);
	return needed;
}

/* --- the module -------------------------------------------------------------------------------------- */

int privileges__drop(uint64_t wanted, const char *const *outputs, size_t n_outputs, uint64_t *ret_kept)
{
	uint64_t in_reserve = permitted(of_outputs & ~wanted), kept = permitted(wanted), needed = 0;
	int err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0, next_err;

	next_err = apply(kept, in_reserve, CAPNG_SELECT_ALL);
	err = err ?: next_err;
	for (size_t i = 0; i < n_outputs; i++)
		needed |= needed_for(outputs[i]);
	kept |= needed & in_reserve;
	next_err = apply(kept, 0, CAPNG_SELECT_CAPS);
	*ret_kept = kept;
	return err ?: next_err;
}

/* Not with the library, which remembers whose capabilities it is about: this is for a process that shares
 * linger's memory. */
int privileges__drop_all(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct nothing[2] = {};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &header, nothing))
		return -errno;
	return 0;
}

const char *privileges__describe(uint64_t set, char text[static PRIVILEGES_TEXT_BYTES])
{
	size_t len = 0;

	strcpy(text, "none");
	for (unsigned int i = 0; i <= CAP_LAST_CAP && len < PRIVILEGES_TEXT_BYTES; i++)
		if (set & CAPABILITY(i))
			len += snprintf(text + len, PRIVILEGES_TEXT_BYTES - len, "%s%s", len ? ", " : "",
					capng_capability_to_name(i));
	return text;
}
