/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_RETURN_PROBES_H
#define LINGER_RETURN_PROBES_H

#include <stdbool.h>

/*
 * Whether a return probe is harmless to a process with a seccomp filter. From Linux 6.11 a function with a
 * return probe comes back through a system call of its own; until 6.14 (and the stable releases that took the
 * mend) filters, which do not know it, killed the process or made it fail.
 */
bool return_probes__pass_seccomp(void);

#endif /* LINGER_RETURN_PROBES_H */
