/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_READER_H
#define LINGER_READER_H

/* The contract of the memory reader program (bpf/reader.bpf.c) with user space. */

#define READER_MAX_REQUESTS 4096
#define READER_MAX_BYTES 16384        /* of one request: a pool */
#define READER_BUFFER_BYTES (1 << 20) /* of all requests of one run, a power of two */

struct reader_request {
	__u64 address;
	__u32 bytes;
	__u32 offset; /* in the buffer */
	__s32 error;  /* 0 or a negative errno */
	__u32 pad;
};

struct reader_state {
	__u32 n_requests;
	__u32 done; /* the target was met */
	__u32 tgid; /* of the target, in the initial pid namespace */
	__u32 pad;
	struct reader_request requests[READER_MAX_REQUESTS];
};

#endif /* LINGER_READER_H */
