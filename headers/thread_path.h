/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_THREAD_PATH_H
#define LINGER_THREAD_PATH_H

/*
 * The way from a thread's fs base to the value of a pthread key, as one number that can be stored at once:
 * the offset of a pointer or value in the low half; if the high half is not 0, what is there is a pointer,
 * and the value lies at that offset behind it.
 *
 * glibc's struct pthread on x86-64 holds the first 32 keys inline, then pointers to further blocks of 32; a
 * key takes 16 bytes (sequence number, value). nptl/descr.h; unchanged from 2.31 to 2.42.
 */

#define PTHREAD_FIRST_BLOCK 0x310
#define PTHREAD_BLOCKS 0x510
#define PTHREAD_KEYS_PER_BLOCK 32
#define PTHREAD_MAX_KEYS 1024

/* 0: no such key. */
static inline __u64 thread_path__of_key(__u32 key)
{
	__u64 value = key % PTHREAD_KEYS_PER_BLOCK * 16 + 8;

	if (key >= PTHREAD_MAX_KEYS)
		return 0;
	if (key < PTHREAD_KEYS_PER_BLOCK)
		return PTHREAD_FIRST_BLOCK + value;
	return value << 32 | (PTHREAD_BLOCKS + key / PTHREAD_KEYS_PER_BLOCK * 8);
}

#endif /* LINGER_THREAD_PATH_H */
