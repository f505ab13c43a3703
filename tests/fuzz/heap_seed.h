/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_HEAP_SEED_H
#define LINGER_HEAP_SEED_H

/* Adds heaps of all versions, with types of all kinds and an instance of each, for fake_target__take_heap. */
void heap_seed__add(void);

#endif /* LINGER_HEAP_SEED_H */
