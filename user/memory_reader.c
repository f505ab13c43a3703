// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "memory_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/types.h>

#include "clock.h"
#include "reader.h"
#include "reader.skel.h"

#define PAGE_BYTES 4096
#define NEAR_BYTES 1024
#define INITIAL_PID_NAMESPACE 0xeffffffcu /* PROC_PID_INIT_INO (linux/proc_ns.h) */

struct memory_reader {
	pid_t pid;
	uint32_t tgid;
	struct reader_bpf *skeleton; /* NULL: process_vm_readv */
	struct bpf_link *link;
	struct reader_state *state;
	char *buffer;
	struct reading_cost cost;
};

/* --- the BPF iterator -------------------------------------------------------------------------------- */

static void *map_memory(struct bpf_map *map, size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/*
 * Visits the target alone where the kernel can (6.1), else every task, of which the program picks the target.
 */
static struct bpf_link *attach_iterator(struct reader_bpf *skeleton, pid_t pid)
{
	union bpf_iter_link_info info = {.task.tid = pid};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));

	return bpf_program__attach_iter(skeleton->progs.read_memory, &opts);
}

static int run_iterator(struct memory_reader *reader)
{
	int fd = bpf_iter_create(bpf_link__fd(reader->link)), err = 0;
	char nothing[64];

	if (fd < 0)
		return -errno;
	reader->state->done = 0;
	while (read(fd, nothing, sizeof(nothing)) > 0)
		;
	if (!reader->state->done)
		err = -ESRCH;
	close(fd);
	return err;
}

static int load_skeleton(struct memory_reader *reader, bool visit_all)
{
	reader->skeleton = reader_bpf__open();
	if (!reader->skeleton)
		return -errno;
	reader->skeleton->rodata->reader_tgid = visit_all ? reader->pid : 0;
	return reader_bpf__load(reader->skeleton);
}

static int open_bpf(struct memory_reader *reader)
{
	int err = load_skeleton(reader, false);

	if (err)
		return err;
	reader->link = attach_iterator(reader->skeleton, reader->pid);
	if (!reader->link) {
		reader_bpf__destroy(reader->skeleton);
		err = load_skeleton(reader, true);
		if (err)
			return err;
		reader->link = bpf_program__attach_iter(reader->skeleton->progs.read_memory, NULL);
	}
	if (!reader->link)
		return -errno;
	reader->state = map_memory(reader->skeleton->maps.reader_requests, sizeof(*reader->state));
	reader->buffer = map_memory(reader->skeleton->maps.reader_buffer, READER_BUFFER_BYTES);
	if (!reader->state || !reader->buffer)
		return -ENOMEM;
	err = run_iterator(reader);
	reader->tgid = reader->state->tgid;
	return err;
}

static void close_bpf(struct memory_reader *reader)
{
	if (reader->state)
		munmap(reader->state, sizeof(*reader->state));
	if (reader->buffer)
		munmap(reader->buffer, READER_BUFFER_BYTES);
	bpf_link__destroy(reader->link);
	reader_bpf__destroy(reader->skeleton);
	reader->state = NULL;
	reader->buffer = NULL;
	reader->link = NULL;
	reader->skeleton = NULL;
}

/*
 * A read costs about the same whatever its length, so requests that follow each other on one page, in the
 * order of their addresses, are served by one. Not across pages: each request has its own error, and what can
 * be read is a matter of whole pages.
 */
static bool is_near(const struct memory_request *last, const struct memory_request *next)
{
	uint64_t end = last->address + last->bytes, next_end = next->address + next->bytes;

	return next->address >= end && next->address - end <= NEAR_BYTES &&
	       last->address / PAGE_BYTES == (next_end - 1) / PAGE_BYTES;
}

static uint32_t buffer_bytes(const struct reader_request *read)
{
	return (read->bytes + 7) & ~7u;
}

/* Turns requests into reads, as many as fit in one run of the iterator; returns how many it took. */
static size_t plan_reads(struct reader_state *state, const struct memory_request *requests, size_t n)
{
	struct reader_request *read = NULL;
	uint32_t offset = 0, n_reads = 0;
	size_t count;

	for (count = 0; count < n; count++) {
		const struct memory_request *request = &requests[count];

		if (read && is_near(request - 1, request)) {
			read->bytes = request->address + request->bytes - read->address;
			continue;
		}
		offset += read ? buffer_bytes(read) : 0;
		if (n_reads == READER_MAX_REQUESTS || offset > READER_BUFFER_BYTES - READER_MAX_BYTES)
			break;
		read = &state->requests[n_reads++];
		*read = (struct reader_request){
			.address = request->address,
			.bytes = request->bytes,
			.offset = offset,
		};
	}
	state->n_requests = n_reads;
	return count;
}

/* As many of the requests as fit in one run of the iterator; returns how many, or a negative errno. */
static long run_batch(struct memory_reader *reader, struct memory_request *requests, size_t n)
{
	size_t count = plan_reads(reader->state, requests, n);
	const struct reader_request *read = reader->state->requests;
	int err = run_iterator(reader);

	if (err)
		return err;
	for (size_t i = 0; i < count; i++) {
		struct memory_request *request = &requests[i];

		if (i && !is_near(request - 1, request))
			read++;
		request->error = read->error;
		if (!read->error)
			memcpy(request->to,
			       reader->buffer + read->offset + (request->address - read->address),
			       request->bytes);
	}
	return count;
}

/* --- process_vm_readv -------------------------------------------------------------------------------- */

static int read_with_syscall(const struct memory_reader *reader, struct memory_request *request)
{
	struct iovec local = {.iov_base = request->to, .iov_len = request->bytes};
	struct iovec remote = {.iov_base = (void *)request->address, .iov_len = request->bytes};
	ssize_t n = process_vm_readv(reader->pid, &local, 1, &remote, 1, 0);

	if (n < 0)
		return -errno;
	return n == (ssize_t)request->bytes ? 0 : -EFAULT;
}

/* Without the iterator nobody tells what the target's id is in the initial pid namespace, unless we are in
 * it. */
static bool is_initial_pid_namespace(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == INITIAL_PID_NAMESPACE;
}

/* --- the module -------------------------------------------------------------------------------------- */

int memory_reader__open(pid_t pid, struct memory_reader **ret_reader, struct error *error)
{
	struct memory_reader *reader = calloc(1, sizeof(*reader));
	int err;

	if (!reader)
		return error__set(error, -ENOMEM, "failed to read process %d: out of memory", pid);
	reader->pid = pid;
	reader->tgid = pid;
	err = open_bpf(reader);
	if (err)
		close_bpf(reader);
	if (err == -ESRCH) {
		memory_reader__free(reader);
		return error__set(error, -ESRCH, "failed to read process %d: it has just ended", pid);
	}
	if (err && !is_initial_pid_namespace()) {
		memory_reader__free(reader);
		error__set(error, -EOPNOTSUPP,
			   "failed to read process %d: this kernel has no BPF task iterator", pid);
		error__hint(error,
			    "Linux 5.18 has it; or run linger in the host's pid namespace (hostPID: true)");
		return -EOPNOTSUPP;
	}
	*ret_reader = reader;
	return 0;
}

void memory_reader__free(struct memory_reader *reader)
{
	if (!reader)
		return;
	close_bpf(reader);
	free(reader);
}

bool memory_reader__is_bpf(const struct memory_reader *reader)
{
	return reader->skeleton;
}

uint32_t memory_reader__tgid(const struct memory_reader *reader)
{
	return reader->tgid;
}

struct reading_cost memory_reader__cost(const struct memory_reader *reader)
{
	return reader->cost;
}

static int read_many(struct memory_reader *reader, struct memory_request *requests, size_t n)
{
	size_t done = 0;

	while (reader->skeleton && done < n) {
		long count = run_batch(reader, requests + done, n - done);

		if (count < 0)
			return count;
		done += count;
	}
	for (; done < n; done++) {
		requests[done].error = read_with_syscall(reader, &requests[done]);
		if (requests[done].error == -ESRCH)
			return -ESRCH;
	}
	return 0;
}

int memory_reader__read_many(struct memory_reader *reader, struct memory_request *requests, size_t n)
{
	uint64_t start_ns = now_ns();
	int err = read_many(reader, requests, n);

	reader->cost.ns += now_ns() - start_ns;
	for (size_t i = 0; i < n && !err; i++)
		reader->cost.bytes += requests[i].error ? 0 : requests[i].bytes;
	return err;
}

int memory_reader__read(struct memory_reader *reader, uint64_t address, void *to, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		struct memory_request request = {
			.address = address + done,
			.to = (char *)to + done,
			.bytes = bytes - done > READER_MAX_BYTES ? READER_MAX_BYTES : bytes - done,
		};
		int err = memory_reader__read_many(reader, &request, 1);

		if (err || request.error)
			return err ? err : request.error;
		done += request.bytes;
	}
	return 0;
}
