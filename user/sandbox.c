// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sandbox.h"

#include <linux/capability.h>
#include <sys/stat.h>

#include "privileges.h"
#include "syscall_filter.h"

/* DAC_READ_SEARCH: files of others, and what of /proc is their owner's alone. BPF: kernels before 5.19 want
 * it for each use of a map. */
#define READS (CAPABILITY(CAP_DAC_READ_SEARCH) | CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_BPF))

/* PERFMON: perf events, of threads that are interrupted and of windows. KILL: the command may have become
 * another user's. */
static const struct {
	uint64_t capabilities;
	uint32_t syscalls;
} rests[] = {
	[SANDBOX_REPORT] = {CAPABILITY(CAP_DAC_READ_SEARCH), 0},
	[SANDBOX_READ] = {READS, SYSCALLS_ITERATORS},
	[SANDBOX_STACKS] = {READS | CAPABILITY(CAP_PERFMON), SYSCALLS_ITERATORS | SYSCALLS_TIMERS},
	[SANDBOX_RECORD] = {READS | CAPABILITY(CAP_PERFMON), SYSCALLS_ITERATORS | SYSCALLS_PROBES},
	[SANDBOX_RECORD_COMMAND] = {READS | CAPABILITY(CAP_PERFMON) | CAPABILITY(CAP_KILL),
				    SYSCALLS_ITERATORS | SYSCALLS_PROBES | SYSCALLS_COMMAND},
};

static uint32_t syscalls_for(const char *output)
{
	struct stat st;

	if (!output)
		return 0;
	if (!stat(output, &st) && !S_ISREG(st.st_mode))
		return SYSCALLS_NEW_FILES | SYSCALLS_OLD_FILES;
	return SYSCALLS_NEW_FILES;
}

static bool is_entered; /* by this process, or by the one that made it */

void sandbox__enter_as_keeper(void)
{
	if (is_entered)
		return;
	privileges__drop_all();
	syscall_filter__load(SYSCALLS_KEEPER, -1);
}

struct sandbox_outcome sandbox__enter(const struct sandbox_needs *needs)
{
	uint32_t syscalls = rests[needs->rest].syscalls | (needs->reads_by_ptrace ? SYSCALLS_VM_READS : 0);
	struct sandbox_outcome outcome = {};

	for (int i = 0; i < SANDBOX_MAX_OUTPUTS; i++)
		syscalls |= syscalls_for(needs->outputs[i]);
	outcome.privileges_err = privileges__drop(rests[needs->rest].capabilities, needs->outputs,
						  SANDBOX_MAX_OUTPUTS, &outcome.capabilities);
	outcome.filter_err = syscall_filter__load(syscalls, needs->command_pidfd);
	is_entered = true;
	return outcome;
}
