/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_DOMAIN_H
#define LINGER_DOMAIN_H

/*
 * Who serves a piece of memory. Domains nest (an arena is a mapping that holds objects), so they are
 * reported side by side and never added up.
 */
enum linger_domain {
	LINGER_DOMAIN_OBJECT,  /* pymalloc blocks, at most 512 bytes */
	LINGER_DOMAIN_RAW,     /* the libc malloc family: larger Python blocks, what C extensions take */
	LINGER_DOMAIN_MAPPING, /* mmap, munmap, mremap, brk */
	LINGER_DOMAINS,
};

#endif /* LINGER_DOMAIN_H */
