// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * operator new and delete in all their forms, by numbers that the caller knows: where the allocator has its
 * own they are its functions, otherwise libstdc++'s, which call malloc and free. Either way a block counts
 * once.
 */
#include <cstddef>
#include <cstdint>
#include <new>

namespace
{
constexpr int forms = 6;
constexpr auto alignment = std::align_val_t{128};
void *blocks[4096];
std::size_t sizes[4096];
int n_blocks;

void *take(int form, std::size_t size)
{
	switch (form) {
	case 0:
		return ::operator new(size);
	case 1:
		return ::operator new[](size);
	case 2:
		return ::operator new(size, std::nothrow);
	case 3:
		return ::operator new[](size, std::nothrow);
	case 4:
		return ::operator new(size, alignment);
	default:
		return ::operator new[](size, alignment);
	}
}

void give_back(int form, void *start, std::size_t size)
{
	switch (form) {
	case 0:
		return ::operator delete(start);
	case 1:
		return ::operator delete[](start, size);
	case 2:
		return ::operator delete(start, std::nothrow);
	case 3:
		return ::operator delete[](start);
	case 4:
		return ::operator delete(start, alignment);
	default:
		return ::operator delete[](start, size, alignment);
	}
}
} // namespace

extern "C" {
/* `count` blocks of `size` bytes, by each form in turn. */
void cxx_fill(int count, std::size_t size)
{
	for (int i = 0; i < count; i++) {
		sizes[n_blocks] = size;
		blocks[n_blocks++] = take(i % forms, size);
	}
}

/* Deletes the first `count` of them by the form that made them, and nothing twice. */
void cxx_drop(int count)
{
	for (int i = 0; i < count; i++) {
		give_back(i % forms, blocks[i], sizes[i]);
		::operator delete(nullptr);
	}
}

/* Asks for more than there is: an exception each time. Returns how many were caught. */
int cxx_refuse(int count)
{
	static volatile std::size_t too_much = PTRDIFF_MAX - 4096;
	int caught = 0;

	for (int i = 0; i < count; i++) {
		try {
			::operator delete(take(i % forms, too_much));
		} catch (const std::bad_alloc &) {
			caught++;
		}
	}
	return caught;
}
}
