/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_THREAD_PATH_H
#define LINGER_THREAD_PATH_H

/*
 * The way from a thread's fs base to the value of a pthread key, as one number that can be stored at once:
 * the offset of the value in the low half; or that of a pointer, and one more than the value's offset behind
 * it in the high half.
 */

/* Whose struct pthread it is. */
enum thread_library {
	THREADS_OF_GLIBC,
	THREADS_OF_MUSL,
};

/*
 * glibc's struct pthread on x86-64 holds the first 32 keys inline, then pointers to further blocks of 32; a
 * key takes 16 bytes (sequence number, value). nptl/descr.h; unchanged from 2.31 to 2.42.
 */
#define GLIBC_FIRST_BLOCK 0x310
#define GLIBC_BLOCKS 0x510
#define GLIBC_KEYS_PER_BLOCK 32
#define GLIBC_MAX_KEYS 1024
#define GLIBC_THREAD_ID 0x2d0 /* the kernel's id of the thread, an int */

/* musl's holds a pointer to an array of the values. src/internal/pthread_impl.h; unchanged from 1.1.24 on. */
#define MUSL_VALUES 0x80
#define MUSL_MAX_KEYS 128

#define THREAD_PATH_BEHIND(pointer, offset) (((__u64)(offset) + 1) << 32 | (pointer))
#define THREAD_PATH_FIRST(path) ((__u32)(path))
#define THREAD_PATH_IS_BEHIND(path) ((path) >> 32)
#define THREAD_PATH_OFFSET(path) (((path) >> 32) - 1)

/* 0: no such key. */
static inline __u64 thread_path__of_key(__u32 key, __u32 library)
{
	__u64 value = key % GLIBC_KEYS_PER_BLOCK * 16 + 8;

	if (library == THREADS_OF_MUSL)
		return key < MUSL_MAX_KEYS ? THREAD_PATH_BEHIND(MUSL_VALUES, key * 8) : 0;
	if (key >= GLIBC_MAX_KEYS)
		return 0;
	if (key < GLIBC_KEYS_PER_BLOCK)
		return GLIBC_FIRST_BLOCK + value;
	return THREAD_PATH_BEHIND(GLIBC_BLOCKS + key / GLIBC_KEYS_PER_BLOCK * 8, value);
}

#endif /* LINGER_THREAD_PATH_H */
