/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_SYSCALL_FILTER_H
#define LINGER_SYSCALL_FILTER_H

#include <stdint.h>

/*
 * What the process may ask of the kernel from now on, a bit each; to compute, to read files, to write to what
 * is open and to end is always allowed. Whatever else it asks for, the kernel answers that there is no such
 * system call; so what linger never does, it cannot do: stop, trace or signal a process, write to another's
 * memory, execute a program, open a connection, change an existing file.
 */
enum syscall_group {
	SYSCALLS_ITERATORS = 1 << 0, /* to read memory and maps through BPF objects that are loaded */
	SYSCALLS_VM_READS = 1 << 1,  /* process_vm_readv */
	SYSCALLS_TIMERS = 1 << 2,    /* to interrupt a thread and read its stack */
	SYSCALLS_PROBES = 1 << 3,    /* to attach loaded BPF programs, by processes that keep them */
	SYSCALLS_KEEPER = 1 << 4,    /* to be such a process, once they are attached */
	SYSCALLS_COMMAND = 1 << 5,   /* to wait for the command, and pass on signals */
	SYSCALLS_NEW_FILES = 1 << 6, /* to make files, and move them into place */
	SYSCALLS_OLD_FILES = 1 << 7, /* to open what exists for writing: devices and pipes */
};

/* command_pidfd: of SYSCALLS_COMMAND. 0 or a negative errno. */
int syscall_filter__load(uint32_t groups, int command_pidfd);

#endif /* LINGER_SYSCALL_FILTER_H */
