// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Asked by trying: a child filters the system call, then makes it. Outside the kernel's own trampoline the
 * call ends in SIGILL, which tells that it was let through.
 */
#include "return_probes.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_URETPROBE 335 /* x86-64 */
#define FILTERED 1       /* first argument of the call that the filter refuses */

/* How far the child came. */
enum stage {
	STAGE_NONE,
	STAGE_REFUSED, /* the filter applies to the call */
	STAGE_ABSENT,  /* the kernel has no such call */
};

static int refuse_call(void)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_URETPROBE, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FILTERED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(insns) / sizeof(insns[0]), .filter = insns};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ?: prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void __attribute__((noreturn)) try_call(volatile enum stage *stage)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){});
	prctl(PR_SET_DUMPABLE, 0);
	if (!refuse_call() && syscall(NR_URETPROBE, FILTERED) < 0 && errno == EDOM) {
		*stage = STAGE_REFUSED;
		if (syscall(NR_URETPROBE, 0) < 0 && errno == ENOSYS)
			*stage = STAGE_ABSENT;
	}
	_exit(0);
}

bool return_probes__pass_seccomp(void)
{
	void *memory =
		mmap(NULL, sizeof(enum stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile enum stage *stage = memory;
	bool passes;
	pid_t child;

	if (memory == MAP_FAILED)
		return false;
	child = fork();
	if (child == 0)
		try_call(stage);
	passes = child > 0 && waitpid(child, NULL, 0) == child && *stage != STAGE_REFUSED;
	munmap(memory, sizeof(*stage));
	return passes;
}
