// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "return_probes.h"
#include "tracepoint.h"

static const struct feature catalogue[FEATURES] = {
	[FEATURE_BTF] = {"btf", "the kernel's type information, to which the programs are fitted", "5.2",
			 "use a kernel built with CONFIG_DEBUG_INFO_BTF", .required = true},
	[FEATURE_BPF] = {"bpf", "loading tracing programs", "5.2",
			 "run as root, or with CAP_BPF and CAP_PERFMON", .required = true},
	[FEATURE_RINGBUF] = {"ringbuf", "mapping events in order", "5.8", "use a newer kernel",
			     .required = true},
	[FEATURE_BPF_LOOP] = {"bpf_loop", "reading names and line tables of any length", "5.17",
			      "use a newer kernel", .required = true},
	[FEATURE_ATTACH_COOKIE] = {"attach_cookie", "telling the probe sites apart", "5.15",
				   "use a newer kernel", .required = true},
	[FEATURE_UPROBE_MULTI] = {"uprobe_multi", "sampled mode: hundreds of probes in and out at once",
				  "6.6", "record with '--mode exact' for seconds, or with '--mode mapping'"},
	[FEATURE_TRACEPOINTS] =
		{"syscall_tracepoints", "the mapping domain", "4.7",
		 "use a kernel built with CONFIG_FTRACE_SYSCALLS, and run with CAP_SYS_ADMIN"},
	[FEATURE_OPEN_GATE] = {"open_gate", "recording a command from its first allocation", "5.0",
			       "use a kernel built with CONFIG_FANOTIFY_ACCESS_PERMISSIONS, and run with "
			       "CAP_SYS_ADMIN"},
	[FEATURE_SECCOMP_RETURNS] = {"seccomp_returns",
				     "the raw domain of processes with a seccomp filter, as in containers",
				     "6.14 (6.11 to 6.13 lack it)",
				     "record such processes with '--domain object,mapping'"},
};

/* --- capabilities ------------------------------------------------------------------------------------ */

static bool has_capability(int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

const char *kernel__missing_capability(void)
{
	/* CAP_SYS_ADMIN includes the two that were split from it. */
	if (!has_capability(CAP_BPF) && !has_capability(CAP_SYS_ADMIN))
		return "CAP_BPF";
	if (!has_capability(CAP_PERFMON) && !has_capability(CAP_SYS_ADMIN))
		return "CAP_PERFMON";
	if (!has_capability(CAP_SYS_PTRACE))
		return "CAP_SYS_PTRACE"; /* to read /proc/PID of other users; nothing is attached with it */
	return NULL;
}

/* --- features ---------------------------------------------------------------------------------------- */

static int load_trivial(enum bpf_attach_type type)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "linger_probe", "GPL", insns, 2, &opts);
}

static bool probe_bpf(void)
{
	int fd = load_trivial(0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/*
 * A directory cannot be probed; a kernel that knows the link type gets as far as noticing that. The first
 * kernels with it took the process id for that of a single thread; they were mended together with the check
 * of that id.
 */
static bool probe_uprobe_multi(void)
{
	unsigned long offset = 0;
	LIBBPF_OPTS(bpf_link_create_opts, opts, .uprobe_multi.path = "/", .uprobe_multi.offsets = &offset,
		    .uprobe_multi.cnt = 1);
	int prog = load_trivial(BPF_TRACE_UPROBE_MULTI), link, checked;

	if (prog < 0)
		return false;
	link = bpf_link_create(prog, -1, BPF_TRACE_UPROBE_MULTI, &opts);
	opts.uprobe_multi.pid = -1;
	checked = bpf_link_create(prog, -1, BPF_TRACE_UPROBE_MULTI, &opts);
	if (link >= 0)
		close(link);
	if (checked >= 0)
		close(checked);
	close(prog);
	return link == -EBADF && checked == -EINVAL;
}

static bool probe_tracepoints(void)
{
	return tracepoint__id("syscalls", "sys_enter_mmap") > 0;
}

/* Tried on a file that nobody else can open. */
static bool probe_open_gate(void)
{
	int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
	int file = memfd_create("linger_probe", MFD_CLOEXEC);
	bool works =
		group >= 0 && file >= 0 && !fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, file, NULL);

	if (group >= 0)
		close(group);
	if (file >= 0)
		close(file);
	return works;
}

static bool is_switched_off(const char *name)
{
	const char *list = getenv("LINGER_WITHOUT");
	size_t len = strlen(name);

	for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (!strncmp(at, name, len) && (!at[len] || at[len] == ','))
			return true;
	return false;
}

static bool probe(enum feature_id id)
{
	switch (id) {
	case FEATURE_BTF:
		return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	case FEATURE_BPF:
		return probe_bpf();
	case FEATURE_RINGBUF:
		return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) == 1;
	case FEATURE_BPF_LOOP:
		return libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop, NULL) == 1;
	case FEATURE_ATTACH_COOKIE:
		return libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie, NULL) == 1;
	case FEATURE_UPROBE_MULTI:
		return probe_uprobe_multi();
	case FEATURE_TRACEPOINTS:
		return probe_tracepoints();
	case FEATURE_OPEN_GATE:
		return probe_open_gate();
	case FEATURE_SECCOMP_RETURNS:
		return return_probes__pass_seccomp();
	default:
		return false;
	}
}

void kernel__probe(struct kernel_features *ret_features)
{
	bool blind = kernel__missing_capability();

	for (int id = 0; id < FEATURES; id++) {
		struct feature *feature = &ret_features->list[id];

		*feature = catalogue[id];
		feature->present = !is_switched_off(feature->name) && probe(id);
		feature->untold = !feature->present && blind;
	}
}

int kernel__check(const struct kernel_features *features, struct error *error)
{
	const char *capability = kernel__missing_capability();

	if (capability) {
		error__set(error, -EPERM, "failed to trace: the capability %s is missing", capability);
		error__hint(error, "run linger as root, for instance with sudo");
		return -EPERM;
	}
	for (int id = 0; id < FEATURES; id++) {
		const struct feature *feature = &features->list[id];

		if (!feature->required || feature->present)
			continue;
		error__set(error, -EOPNOTSUPP, "failed to trace: this kernel lacks %s (%s; Linux %s has it)",
			   feature->name, feature->purpose, feature->since);
		error__hint(error, "%s", feature->advice);
		return -EOPNOTSUPP;
	}
	return 0;
}

int kernel__check_gate(const struct kernel_features *features, struct error *error)
{
	const struct feature *gate = &features->list[FEATURE_OPEN_GATE];
	int err = has_capability(CAP_SYS_ADMIN) ? -EOPNOTSUPP : -EPERM;

	if (gate->present)
		return 0;
	if (err == -EPERM)
		error__set(error, err, "failed to start a command: the capability CAP_SYS_ADMIN is missing");
	else
		error__set(error, err, "failed to start a command: this kernel lacks %s (%s)", gate->name,
			   gate->purpose);
	error__hint(error, "%s; or start it without linger, and record it with -p", gate->advice);
	return err;
}

int kernel__check_returns(const struct kernel_features *features, bool has_filter, struct error *error)
{
	const struct feature *feature = &features->list[FEATURE_SECCOMP_RETURNS];

	if (!has_filter || feature->present)
		return 0;
	error__set(error, -EOPNOTSUPP,
		   "failed to record malloc: the process has a seccomp filter, which on this kernel does not "
		   "let "
		   "return probes pass");
	error__hint(error, "%s", feature->advice);
	return -EOPNOTSUPP;
}
