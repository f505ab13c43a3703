// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asm/termbits.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>

#define ALWAYS UINT32_MAX /* in every group */
#define INT 0xffffffffull /* the bits of an argument that is an int */
#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC)
#define NAMESPACES                                                                                           \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |        \
	 CLONE_NEWNET)

/*
 * A call that one of the groups may make; if mask is not 0, only where the argument has that value under it.
 * Which of several that mean the same is made differs by version of libc, so they are all there.
 */
struct rule {
	uint32_t groups;
	int call;
	unsigned int argument;
	uint64_t mask, value;
};

static const struct rule rules[] = {
	/* memory: none that code can be put into */
	{ALWAYS, SCMP_SYS(brk)},
	{ALWAYS, SCMP_SYS(mmap), 2, PROT_EXEC, 0},
	{ALWAYS, SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
	{ALWAYS, SCMP_SYS(mremap)},
	{ALWAYS, SCMP_SYS(munmap)},
	{ALWAYS, SCMP_SYS(madvise)},
	/* files: to read */
	{ALWAYS, SCMP_SYS(openat), 2, WRITES, O_RDONLY},
	{ALWAYS, SCMP_SYS(read)},
	{ALWAYS, SCMP_SYS(readv)},
	{ALWAYS, SCMP_SYS(pread64)},
	{ALWAYS, SCMP_SYS(lseek)},
	{ALWAYS, SCMP_SYS(stat)},
	{ALWAYS, SCMP_SYS(lstat)},
	{ALWAYS, SCMP_SYS(fstat)},
	{ALWAYS, SCMP_SYS(newfstatat)},
	{ALWAYS, SCMP_SYS(statx)},
	{ALWAYS, SCMP_SYS(access)},
	{ALWAYS, SCMP_SYS(faccessat)},
	{ALWAYS, SCMP_SYS(faccessat2)},
	{ALWAYS, SCMP_SYS(readlink)},
	{ALWAYS, SCMP_SYS(readlinkat)},
	{ALWAYS, SCMP_SYS(getdents64)},
	{ALWAYS, SCMP_SYS(fcntl)},
	{ALWAYS, SCMP_SYS(close)},
	/* files: to write to what is open */
	{ALWAYS, SCMP_SYS(write)},
	{ALWAYS, SCMP_SYS(writev)},
	{ALWAYS, SCMP_SYS(ioctl), 1, INT, TCGETS},
	{ALWAYS, SCMP_SYS(ioctl), 1, INT, TCGETS2},
	/* files: to make, with or without a name */
	{SYSCALLS_NEW_FILES, SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_EXCL, O_WRONLY | O_CREAT | O_EXCL},
	{SYSCALLS_NEW_FILES, SCMP_SYS(openat), 2, WRITES | O_TMPFILE, O_WRONLY | O_TMPFILE},
	{SYSCALLS_NEW_FILES, SCMP_SYS(linkat), 4, INT, AT_SYMLINK_FOLLOW},
	{SYSCALLS_NEW_FILES, SCMP_SYS(rename)},
	{SYSCALLS_NEW_FILES, SCMP_SYS(renameat)},
	{SYSCALLS_NEW_FILES, SCMP_SYS(renameat2)},
	{SYSCALLS_NEW_FILES, SCMP_SYS(unlink)},
	{SYSCALLS_NEW_FILES, SCMP_SYS(unlinkat)},
	{SYSCALLS_OLD_FILES, SCMP_SYS(openat), 2, WRITES, O_WRONLY},
	/* time, and waiting */
	{ALWAYS, SCMP_SYS(clock_gettime)},
	{ALWAYS, SCMP_SYS(gettimeofday)},
	{ALWAYS, SCMP_SYS(clock_nanosleep)},
	{ALWAYS, SCMP_SYS(nanosleep)},
	{ALWAYS, SCMP_SYS(poll)},
	{ALWAYS, SCMP_SYS(ppoll)},
	{ALWAYS, SCMP_SYS(futex)},
	{ALWAYS, SCMP_SYS(restart_syscall)},
	{ALWAYS, SCMP_SYS(sched_yield)},
	/* signals: to receive */
	{ALWAYS, SCMP_SYS(rt_sigaction)},
	{ALWAYS, SCMP_SYS(rt_sigprocmask)},
	{ALWAYS, SCMP_SYS(rt_sigreturn)},
	{ALWAYS, SCMP_SYS(rt_sigtimedwait)},
	{ALWAYS, SCMP_SYS(sigaltstack)},
	/* the process itself */
	{ALWAYS, SCMP_SYS(getpid)},
	{ALWAYS, SCMP_SYS(gettid)},
	{ALWAYS, SCMP_SYS(geteuid)},
	{ALWAYS, SCMP_SYS(getrandom)},
	{ALWAYS, SCMP_SYS(getrusage)},
	{ALWAYS, SCMP_SYS(sysinfo)},
	{ALWAYS, SCMP_SYS(exit)},
	{ALWAYS, SCMP_SYS(exit_group)},
	/* BPF: what is loaded is all that there will be */
	{SYSCALLS_ITERATORS, SCMP_SYS(bpf), 0, INT, BPF_ITER_CREATE},
	{SYSCALLS_ITERATORS, SCMP_SYS(bpf), 0, INT, BPF_MAP_LOOKUP_ELEM},
	{SYSCALLS_ITERATORS, SCMP_SYS(bpf), 0, INT, BPF_OBJ_GET_INFO_BY_FD},
	{SYSCALLS_VM_READS, SCMP_SYS(process_vm_readv)},
	{SYSCALLS_PROBES | SYSCALLS_TIMERS, SCMP_SYS(bpf), 0, INT, BPF_LINK_CREATE},
	{SYSCALLS_TIMERS, SCMP_SYS(perf_event_open)},
	{SYSCALLS_PROBES, SCMP_SYS(ioctl), 1, INT, PERF_EVENT_IOC_DISABLE},
	/* processes that keep probes, and talk through a pair of sockets */
	{SYSCALLS_PROBES, SCMP_SYS(pipe2)},
	{SYSCALLS_PROBES, SCMP_SYS(clone), 0, NAMESPACES, 0},
	{SYSCALLS_PROBES, SCMP_SYS(socketpair), 0, INT, AF_UNIX},
	{SYSCALLS_PROBES, SCMP_SYS(setsid)},
	{SYSCALLS_PROBES, SCMP_SYS(prctl), 0, INT, PR_SET_NAME},
	{SYSCALLS_PROBES, SCMP_SYS(set_robust_list)},
	{SYSCALLS_PROBES | SYSCALLS_KEEPER, SCMP_SYS(dup2)},
	{SYSCALLS_PROBES | SYSCALLS_KEEPER, SCMP_SYS(close_range)},
	{SYSCALLS_PROBES | SYSCALLS_KEEPER, SCMP_SYS(sendto), 4, UINT64_MAX, 0},
	{SYSCALLS_PROBES | SYSCALLS_KEEPER, SCMP_SYS(recvfrom)},
	{SYSCALLS_PROBES | SYSCALLS_COMMAND, SCMP_SYS(wait4)},
};

static int add_rule(scmp_filter_ctx filter, const struct rule *rule)
{
	struct scmp_arg_cmp condition =
		SCMP_CMP64(rule->argument, SCMP_CMP_MASKED_EQ, rule->mask, rule->value);

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call, rule->mask ? 1 : 0, &condition);
}

/* To itself, as abort() does, and to the command. */
static int add_signals(scmp_filter_ctx filter, uint32_t groups, int command_pidfd)
{
	const struct rule own = {ALWAYS, SCMP_SYS(tgkill), 0, INT, getpid()};
	const struct rule command = {SYSCALLS_COMMAND, SCMP_SYS(pidfd_send_signal), 0, INT, command_pidfd};
	int err = add_rule(filter, &own);

	return err || !(groups & command.groups) ? err : add_rule(filter, &command);
}

/* Without the slower execution that some kernels give to whoever has a filter. */
static int set_attributes(scmp_filter_ctx filter)
{
	return seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS))
		       ?: seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
}

int syscall_filter__load(uint32_t groups, int command_pidfd)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int err = filter ? set_attributes(filter) : -ENOMEM;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && !err; i++)
		if (rules[i].groups == ALWAYS || rules[i].groups & groups)
			err = add_rule(filter, &rules[i]);
	if (!err)
		err = add_signals(filter, groups, command_pidfd);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
