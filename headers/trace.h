/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_TRACE_H
#define LINGER_TRACE_H

/*
 * The contract of the tracing programs with user space: load-time configuration, map keys and values. Both
 * sides compile it; fixed-width types only.
 *
 * A stack is a row of (code object, instruction offset) in `frame_pool`; what a code object is called and its
 * line table are in `code_info` and `text_pool`. The pools are plain arrays, filled from the front by an
 * atomic counter, that user space maps and reads without a system call.
 */

#include "counters.h"
#include "domain.h"
#include "py_layout.h"

#define LINGER_MAX_FRAMES 256               /* innermost frames kept of a stack */
#define LINGER_TEXT_CHUNK 64                /* bytes of one text_pool element */
#define LINGER_MAX_NAME_BYTES 1024          /* of a function's or file's name */
#define LINGER_MAX_TABLE_BYTES (256 * 1024) /* of a line table */
#define LINGER_GENERATIONS 65536            /* slots of code_generations, a power of two */
#define LINGER_THREAD_NAME_BYTES 16
#define LINGER_SCRATCH_SLOTS 4 /* frame walks under way on one CPU */

/* Stack ids below LINGER_FIRST_STACK are the domains' own: blocks whose stack found no room in the table. */
#define LINGER_FIRST_STACK LINGER_DOMAINS

/* Code id 0: a code object that could not be read or found no room. */
#define LINGER_NO_CODE 0

/* Py_tss_t (CPython Include/pythread.h). */
struct py_tss {
	__s32 is_initialized;
	__u32 key; /* of pthread_getspecific */
};
_Static_assert(sizeof(struct py_tss) == 8, "py_tss is CPython's");

struct trace_config {
	__u32 tgid;       /* of the target, in the initial pid namespace */
	__u32 pool_bytes; /* pymalloc pool size, a power of two */
	__u32 max_stacks;
	__u32 max_frames; /* elements of frame_pool */
	__u32 max_codes;
	__u32 max_chunks;       /* elements of text_pool */
	__u32 frame_start;      /* offset of the first of a frame's fields that the walk reads */
	__u32 frame_bytes;      /* from there to the end of the last, at most PY_FRAME_BYTES */
	__u32 tstate_thread_id; /* where a thread state keeps pthread_self() of its thread */
	__u32 thread_library;   /* enum thread_library */
	__u32 block_buckets;    /* a power of two */
	__u32 sampled;          /* events are seen in windows; see enum trace_phase */
	__u64 current_tstate; /* address of the pointer to the thread state that holds the GIL; 0: not used */
	__u64 finalizing;     /* address of what is not 0 once the interpreter takes itself down */
	__u64 thread_key;     /* address of the struct py_tss under which each thread keeps its state */
	struct py_layout py;
};
_Static_assert(sizeof(struct trace_config) == 120, "trace_config is shared with BPF");

/* --- probe sites ------------------------------------------------------------------------------------ */

enum site_kind {
	SITE_POP,          /* a block has just been taken off a pool's free list */
	SITE_PUSH,         /* a block is going back onto it */
	SITE_SLOW_RESULT,  /* the slow path has returned a block, or NULL */
	SITE_CODE_DEALLOC, /* entry of the code object's deallocator */
	SITE_FINALIZE,     /* entry of a function that ends the interpreter */
};

/* Not about a block: watched by a program of their own. */
static inline __u8 site_kind__is_of_interpreter(__u8 kind)
{
	return kind == SITE_CODE_DEALLOC || kind == SITE_FINALIZE;
}

enum site_place {
	SITE_IN_REGISTER, /* the block's address is in `reg` */
	SITE_IN_MEMORY,   /* at [reg + disp]: a spill slot, or the pool's own free list head */
};

/* Numbering of x86-64 general registers in a site: the encoding's own. */
enum site_reg {
	SITE_RAX,
	SITE_RCX,
	SITE_RDX,
	SITE_RBX,
	SITE_RSP,
	SITE_RBP,
	SITE_RSI,
	SITE_RDI,
	SITE_R8,
	SITE_R9,
	SITE_R10,
	SITE_R11,
	SITE_R12,
	SITE_R13,
	SITE_R14,
	SITE_R15,
};

/* The probe's cookie: how to find the block at this site. */
union site_cookie {
	struct {
		__u8 kind;  /* enum site_kind */
		__u8 place; /* enum site_place */
		__u8 reg;   /* enum site_reg */
		__u8 pad;
		__s32 disp;
	};
	__u64 value;
};
_Static_assert(sizeof(union site_cookie) == 8, "a cookie is 64 bits");

/* No register: the function has no such argument. */
#define SITE_NO_REG 0xff

/*
 * The cookie of a probe in a function of the malloc family, as early in it as the kernel probes cheaply:
 * which registers hold the arguments there.
 */
union raw_cookie {
	struct {
		__u8 old;       /* block that is given back: of free and realloc */
		__u8 size;      /* SITE_NO_REG: the function frees */
		__u8 count;     /* the size counts so many times */
		__u8 result_at; /* address at which the block is put (posix_memalign); else it is returned */
		__u32 pad;
	};
	__u64 value;
};
_Static_assert(sizeof(union raw_cookie) == 8, "a cookie is 64 bits");

/* --- maps ------------------------------------------------------------------------------------------- */

/*
 * The live set is a shadow of the heap: for every stretch of it in which a block was seen allocated, a slot
 * per 16 bytes, which is how blocks are aligned. A slot is 0 or holds the live block that begins there: stack
 * id << 32 | size in bytes. With 248 slots an element of the hash fills one of the kernel's 2 KiB
 * allocations.
 */
#define LINGER_SLOT_BYTES 16
#define LINGER_STRETCH_SLOTS 248
#define LINGER_STRETCH_BYTES (LINGER_STRETCH_SLOTS * LINGER_SLOT_BYTES)

struct live_key {
	__u64 stretch; /* address / LINGER_STRETCH_BYTES */
	__u64 target;
};

struct live_stretch {
	__u64 slots[LINGER_STRETCH_SLOTS];
};

#define LINGER_LIVE(stack_id, bytes) ((__u64)(stack_id) << 32 | (__u32)(bytes))
#define LINGER_LIVE_STACK(slot) ((__u32)((slot) >> 32))
#define LINGER_LIVE_BYTES(slot) ((__u32)(slot))

/* Blocks that are sparse and of any size; see block_set.bpf.h. */
struct block_key {
	__u64 address;
	__u64 target;
};

struct block_value {
	__u64 bytes;
	__u32 stack_id;
	__u32 pad;
};
_Static_assert(sizeof(struct block_value) == 16, "block_value is shared with BPF");

/* The addresses fill a cache line. 0: an empty slot. */
#define LINGER_BUCKET_SLOTS 8
struct block_bucket {
	__u64 addresses[LINGER_BUCKET_SLOTS];
	struct block_value blocks[LINGER_BUCKET_SLOTS];
};
_Static_assert(sizeof(struct block_bucket) == 192, "block_bucket is shared with BPF");

/* The bucket to which an address leads; n_buckets is a power of two. */
static inline __u32 block_bucket__index(__u64 address, __u32 n_buckets)
{
	return (address >> 4) * 0x9e3779b97f4a7c15ULL >> 32 & (n_buckets - 1);
}

/*
 * The bytes of a block of an earlier window, which user space puts in so that this one takes it out when it
 * is freed or handed out again. For the counts it is a block of which nothing is known.
 */
#define LINGER_UNKNOWN_BYTES (~0ULL)

struct stack_key {
	__u64 hash[2];
};

/* What a stack holds. Bytes and blocks only grow; live = allocated - freed. */
struct linger_stack {
	__u64 alloc_blocks;
	__u64 alloc_bytes;
	__u64 free_blocks;
	__u64 free_bytes;
	__u32 first_frame; /* in frame_pool, innermost first */
	__u16 n_frames;
	__u8 domain;
	__u8 truncated;
	char thread[LINGER_THREAD_NAME_BYTES]; /* the kernel's name for it; may lack the final 0 */
	__u8 native;                           /* the thread never ran Python */
	__u8 pad[7];                           /* one cache line each */
};
_Static_assert(sizeof(struct linger_stack) == 64, "linger_stack is shared with BPF");

/* A frame in frame_pool: code id << 32 | instruction offset in bytes (signed: -1 has not started). */
#define LINGER_FRAME(code_id, instr) ((__u64)(code_id) << 32 | (__u32)(instr))
#define LINGER_FRAME_CODE(frame) ((__u32)((frame) >> 32))
#define LINGER_FRAME_INSTR(frame) ((__s32)(frame))

struct code_key {
	__u64 address;
	__u64 generation; /* of the address: code objects end and their addresses are used again */
};

struct text_ref {
	__u32 chunk; /* first element in text_pool */
	__u32 bytes;
};

enum code_flags {
	CODE_NAME_UNREAD = 1 << 0, /* a page was not resident, or the pool was full: worth another try */
	CODE_FILE_UNREAD = 1 << 1,
	CODE_TABLE_UNREAD = 1 << 2,
	CODE_READY = 1 << 3, /* set last */
};

struct linger_code {
	__u64 address;
	struct text_ref name;
	struct text_ref filename;
	struct text_ref line_table;
	__s32 first_line;
	__u8 name_kind; /* bytes per character: 1 (Latin-1), 2 or 4 */
	__u8 filename_kind;
	__u8 flags; /* enum code_flags */
	__u8 pad;
	__s32 first_traceable; /* index of the instruction at which a frame counts as running, in units of two
				  bytes */
	__u32 pad2;
	__u64 pad3;
};
_Static_assert(sizeof(struct linger_code) == 56, "linger_code is shared with BPF");

/* Of the object and the raw domain. */
enum trace_phase {
	TRACE_NOTHING,
	TRACE_ALL,
	TRACE_FREES, /* what is allocated from here on is not recorded, what is freed is still taken out */
};

/* In sampled mode one run in so many is timed. A power of two. */
#define LINGER_TIMED_RUNS 16

/*
 * Hits of probes after the recording's end, by the probed address: a place in a page, so that it does not
 * matter where the file is mapped. Two sites may share one.
 */
#define LINGER_LATE_PLACES 4096

static inline __u32 late_place(__u64 address)
{
	return address & (LINGER_LATE_PLACES - 1);
}

/* How far the pools are filled, and what became of the target. One element. */
struct trace_state {
	__u32 active;      /* events count only while this is 1 */
	__u32 phase;       /* enum trace_phase */
	__u32 execed;      /* the target replaced its program */
	__u32 forked;      /* processes that it forked, which inherit the breakpoints */
	__u32 codes_ended; /* code objects were deallocated, see code_generation.bpf.h */
	__u32 next_stack;
	__u32 next_frame;
	__u32 next_code;
	__u32 next_chunk;
	__u32 ending;      /* the interpreter has been told to end: it waits for its threads, then ends */
	__u32 finalized;   /* it has begun to take itself down, which ended the recording */
	__u32 spilled;     /* blocks were put into the hash */
	__u64 thread_path; /* to a thread's state, see thread_path.h; 0: not known yet */
	/* Sampled mode: */
	__u32 window; /* its running number */
	__u32 pad;
	__u64 hits;      /* of probes by the target, whatever became of them */
	__u64 hit_limit; /* when so many are reached, the phase becomes TRACE_FREES */
	__u64 timed_ns;  /* the programs' own time in one run of LINGER_TIMED_RUNS */
	/* When it is over: */
	__u32 late_hits[LINGER_LATE_PLACES];
};

/*
 * One system call that changed mappings, as the ranges that went and came. It takes effect between begin_ns
 * and end_ns: what it removes is gone for others from begin_ns on, what it adds is there at end_ns.
 */
struct mapping_event {
	__u64 begin_ns;
	__u64 end_ns;
	__u64 remove_start;
	__u64 remove_bytes; /* 0: nothing */
	__u64 add_start;
	__u64 add_bytes; /* 0: nothing */
	__u32 stack_id;
	__u32 pad;
};
_Static_assert(sizeof(struct mapping_event) == 56, "mapping_event is shared with BPF");

#endif /* LINGER_TRACE_H */
