/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_ADDRESS_MAP_H
#define LINGER_ADDRESS_MAP_H

#include <stddef.h>
#include <stdint.h>

/* Addresses, each with a number. A map of zeros is empty and ready; no address is 0. */
struct address_map {
	struct address_slot {
		uint64_t address; /* 0: empty */
		uint32_t value;
	} * slots;
	size_t n;
	size_t n_slots; /* a power of two, or 0 */
};

#define ADDRESS_MAP_NONE UINT32_MAX

/* The number of an address, or ADDRESS_MAP_NONE. */
uint32_t address_map__find(const struct address_map *map, uint64_t address);

/* In place of what the address had. 0 or -ENOMEM. */
int address_map__put(struct address_map *map, uint64_t address, uint32_t value);

void address_map__free(struct address_map *map);

#endif /* LINGER_ADDRESS_MAP_H */
