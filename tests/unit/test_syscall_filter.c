/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/bpf.h>
#include <linux/seccomp.h>

#include "syscall_filter.h"

#define ALL_GROUPS                                                                                           \
	(SYSCALLS_ITERATORS | SYSCALLS_VM_READS | SYSCALLS_TIMERS | SYSCALLS_PROBES | SYSCALLS_KEEPER |      \
	 SYSCALLS_COMMAND | SYSCALLS_NEW_FILES | SYSCALLS_OLD_FILES)
#define NO_FD -1
#define YES 42 /* as an exit status; it is not that of any failure */

static char path[] = "/tmp/linger-test-filter-XXXXXX";

static int setup(void **state)
{
	int fd = mkstemp(path);

	return fd < 0 || close(fd) ? -1 : 0;
}

static int teardown(void **state)
{
	return unlink(path);
}

/* The status of a child that calls what under the filter. */
static int under_filter(uint32_t groups, int (*what)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(syscall_filter__load(groups, NO_FD) ? 99 : what());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool is_refused(long result)
{
	return result == -1 && errno == ENOSYS;
}

/* The number of the first that is not refused; 0: all are. */
static int first_not_refused(const bool *refused, int n)
{
	for (int i = 0; i < n; i++)
		if (!refused[i])
			return i + 1;
	return 0;
}

/* --- never -------------------------------------------------------------------------------------------- */

static int touch_processes(void)
{
	static char *const command[] = {"/bin/true", NULL};
	struct iovec part = {.iov_base = path, .iov_len = 1};
	pid_t parent = getppid();
	const bool refused[] = {
		is_refused(ptrace(PTRACE_SEIZE, parent, NULL, NULL)),
		is_refused(process_vm_writev(parent, &part, 1, &part, 1, 0)),
		is_refused(kill(parent, 0)),
		is_refused(syscall(SYS_tgkill, parent, parent, 0)),
		is_refused(syscall(SYS_tkill, parent, 0)),
		is_refused(syscall(SYS_pidfd_open, parent, 0)),
		is_refused(syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0)),
		is_refused(execv(command[0], command)),
		is_refused(sched_setscheduler(parent, SCHED_BATCH, &(struct sched_param){0})),
		is_refused(syscall(SYS_prlimit64, parent, 0, NULL, NULL)),
	};

	return first_not_refused(refused, sizeof(refused));
}

static int reach_out(void)
{
	const bool refused[] = {
		is_refused(socket(AF_UNIX, SOCK_STREAM, 0)),
		is_refused(sendto(NO_FD, path, 1, 0, &(struct sockaddr){0}, sizeof(struct sockaddr))),
		is_refused(syscall(SYS_mount, NULL, path, "tmpfs", 0, NULL)),
		is_refused(syscall(SYS_init_module, NULL, 0, "")),
		is_refused(syscall(SYS_unshare, 0)),
		is_refused(syscall(SYS_setuid, getuid())),
		is_refused(prctl(PR_SET_DUMPABLE, 1)),
		is_refused(syscall(SYS_io_uring_setup, 1, NULL)),
		is_refused(syscall(SYS_memfd_create, "", 0)),
		is_refused(syscall(SYS_openat2, AT_FDCWD, path, NULL, 0)),
		is_refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0)),
	};

	return first_not_refused(refused, sizeof(refused));
}

static int load_code(void)
{
	const bool refused[] = {
		is_refused(syscall(SYS_bpf, BPF_PROG_LOAD, NULL, 0)),
		is_refused(syscall(SYS_bpf, BPF_MAP_CREATE, NULL, 0)),
		is_refused(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, NULL, 0)),
		is_refused(syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, NULL, 0)),
		is_refused((long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
		is_refused(mprotect((void *)((uintptr_t)path & -4096), 4096, PROT_READ | PROT_EXEC)),
	};

	return first_not_refused(refused, sizeof(refused));
}

static void test_what_is_never_done(void **state)
{
	assert_int_equal(under_filter(ALL_GROUPS, touch_processes), 0);
	assert_int_equal(under_filter(ALL_GROUPS, reach_out), 0);
	assert_int_equal(under_filter(ALL_GROUPS, load_code), 0);
}

/* --- by group ----------------------------------------------------------------------------------------- */

static bool can_open(int flags)
{
	int fd = open(path, flags, 0600);

	return fd >= 0 || errno != ENOSYS;
}

/* As bits: to read; to make a new file; to write to one that is there; to do both at once, or to empty it. */
static int open_in_all_ways(void)
{
	return can_open(O_RDONLY) | can_open(O_WRONLY | O_CREAT | O_EXCL) << 1 | can_open(O_WRONLY) << 2 |
	       can_open(O_RDWR) << 3 | can_open(O_RDWR | O_CREAT) << 3 | can_open(O_WRONLY | O_CREAT) << 3 |
	       can_open(O_WRONLY | O_TRUNC) << 3 | can_open(O_RDONLY | O_TRUNC) << 3;
}

static void test_files(void **state)
{
	assert_int_equal(under_filter(0, open_in_all_ways), 1);
	assert_int_equal(under_filter(SYSCALLS_NEW_FILES, open_in_all_ways), 1 | 2);
	assert_int_equal(under_filter(SYSCALLS_OLD_FILES, open_in_all_ways), 1 | 4);
}

static bool is_allowed(long result)
{
	return !is_refused(result);
}

static int call_in_all_ways(void)
{
	struct iovec part = {.iov_base = path, .iov_len = 1};

	return is_allowed(syscall(SYS_bpf, BPF_ITER_CREATE, NULL, 0)) |
	       is_allowed(process_vm_readv(getpid(), &part, 1, &part, 1, 0)) << 1 |
	       is_allowed(syscall(SYS_bpf, BPF_LINK_CREATE, NULL, 0)) << 2 |
	       is_allowed(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)) << 3 |
	       is_allowed(syscall(SYS_close_range, 100, 100, 0)) << 4 |
	       is_allowed(syscall(SYS_pidfd_send_signal, NO_FD, 0, NULL, 0)) << 5 |
	       is_allowed(unlink("/none")) << 6;
}

static void test_groups(void **state)
{
	assert_int_equal(under_filter(0, call_in_all_ways), 0);
	assert_int_equal(under_filter(SYSCALLS_ITERATORS, call_in_all_ways), 1);
	assert_int_equal(under_filter(SYSCALLS_VM_READS, call_in_all_ways), 2);
	assert_int_equal(under_filter(SYSCALLS_TIMERS, call_in_all_ways), 4 | 8);
	assert_int_equal(under_filter(SYSCALLS_PROBES, call_in_all_ways), 4 | 16);
	assert_int_equal(under_filter(SYSCALLS_KEEPER, call_in_all_ways), 16);
	assert_int_equal(under_filter(SYSCALLS_COMMAND, call_in_all_ways), 32);
	assert_int_equal(under_filter(SYSCALLS_NEW_FILES, call_in_all_ways), 64);
}

static int come_back_as_32_bit_code(void)
{
	long result;

	asm volatile("int $0x80" : "=a"(result) : "a"(20 /* getpid */) : "memory");
	return result == -ENOSYS ? YES : 0;
}

static void test_other_ways_into_the_kernel(void **state)
{
	assert_int_equal(under_filter(ALL_GROUPS, come_back_as_32_bit_code), YES);
}

static int find_attributes(void)
{
	char line[256];
	int filter = 0, sealed = 0;
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "Seccomp: %d", &filter);
		sscanf(line, "NoNewPrivs: %d", &sealed);
	}
	return filter == SECCOMP_MODE_FILTER && sealed == 1 ? YES : 0;
}

static void test_the_kernel_says_so(void **state)
{
	assert_int_equal(under_filter(0, find_attributes), YES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_never_done),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_other_ways_into_the_kernel),
		cmocka_unit_test(test_the_kernel_says_so),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
