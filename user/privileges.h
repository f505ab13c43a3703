/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_PRIVILEGES_H
#define LINGER_PRIVILEGES_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

/* A capability (linux/capability.h) in a set. */
#define CAPABILITY(number) (UINT64_C(1) << (number))

#define PRIVILEGES_TEXT_BYTES 256

/*
 * Gives up, for good, all capabilities but those of the set that the process has, and with them the right to
 * gain any by executing something. Of those that writing into other users' directories takes, what the
 * outputs need is kept too; NULL in their list: none. ret_kept is set in any case: what is wanted and was
 * there. 0 or a negative errno.
 */
int privileges__drop(uint64_t wanted, const char *const *outputs, size_t n_outputs, uint64_t *ret_kept);

/* All of them. 0 or a negative errno. */
int privileges__drop_all(void);

/* "bpf, perfmon", or "none". */
const char *privileges__describe(uint64_t set, char text[static PRIVILEGES_TEXT_BYTES]);

#endif /* LINGER_PRIVILEGES_H */
