# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Mappings made, cut, moved and dropped through libc; each case knows how many bytes it leaves.

A case makes all its mappings in functions of its own, so the profile's leaf functions separate them from what
the interpreter and malloc map meanwhile. `settle` makes those two reach for the kernel beforehand.
Commands: `settle`, `run` (JSON {function: bytes}), `objects` (fills arenas; see the harness for their truth).
"""
import ctypes
import gc
import json
import mmap
import threading

import steps

PAGE = mmap.PAGESIZE
READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
MAP_FIXED = 0x10
MREMAP_MAYMOVE = 1
MREMAP_FIXED = 2
FAILED = ctypes.c_void_p(-1).value
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2

KEEP = []
CASES = []

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
libc.mremap.restype = ctypes.c_void_p
libc.mremap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p)
libc.sbrk.restype = ctypes.c_void_p
libc.sbrk.argtypes = (ctypes.c_long,)


def case(function):
    CASES.append(function)
    return function


def unmap(address, pages):
    if libc.munmap(address, pages * PAGE):
        raise OSError(ctypes.get_errno(), "munmap")


def checked(address):
    if address == FAILED:
        raise OSError(ctypes.get_errno(), "mmap")
    return address


# A mapping is made by libc.mmap called in the case itself: the innermost Python frame is the case's.

@case
def whole_kept():
    checked(libc.mmap(None, 16 * PAGE, READ_WRITE, PRIVATE, -1, 0))
    return {"whole_kept": 16}


@case
def odd_length():
    checked(libc.mmap(None, 3 * PAGE + 1, READ_WRITE, PRIVATE, -1, 0))
    return {"odd_length": 4}


@case
def whole_dropped():
    unmap(checked(libc.mmap(None, 16 * PAGE, READ_WRITE, PRIVATE, -1, 0)), 16)
    return {"whole_dropped": 0}


@case
def middle_dropped():
    start = checked(libc.mmap(None, 32 * PAGE, READ_WRITE, PRIVATE, -1, 0))
    unmap(start + 8 * PAGE, 8)
    unmap(start + 9 * PAGE, 2)  # already gone: takes nothing
    return {"middle_dropped": 24}


def left_half(start):
    checked(libc.mmap(start, 16 * PAGE, READ_WRITE, PRIVATE | MAP_FIXED, -1, 0))


def right_half(start):
    checked(libc.mmap(start + 16 * PAGE, 16 * PAGE, READ_WRITE, PRIVATE | MAP_FIXED, -1, 0))


@case
def across_two():
    start = checked(libc.mmap(None, 32 * PAGE, READ_WRITE, PRIVATE, -1, 0))
    unmap(start, 32)
    left_half(start)
    right_half(start)
    unmap(start + 12 * PAGE, 10)
    return {"across_two": 0, "left_half": 12, "right_half": 10}


def laid_over(start):
    checked(libc.mmap(start + 8 * PAGE, 8 * PAGE, READ_WRITE, PRIVATE | MAP_FIXED, -1, 0))


@case
def fixed_base():
    laid_over(checked(libc.mmap(None, 32 * PAGE, READ_WRITE, PRIVATE, -1, 0)))
    return {"fixed_base": 24, "laid_over": 8}


@case
def grown_in_place():
    start = checked(libc.mmap(None, 32 * PAGE, READ_WRITE, PRIVATE, -1, 0))
    unmap(start + 16 * PAGE, 16)
    if checked(libc.mremap(start, 16 * PAGE, 24 * PAGE, 0, None)) != start:
        raise OSError("mremap moved what it may not move")
    return {"grown_in_place": 24}


@case
def moved():
    start = checked(libc.mmap(None, 32 * PAGE, READ_WRITE, PRIVATE, -1, 0))
    # The upper half is in the way.
    if checked(libc.mremap(start, 16 * PAGE, 64 * PAGE, MREMAP_MAYMOVE, None)) == start:
        raise OSError("mremap grew over a mapping")
    return {"moved": 16 + 64}


@case
def shrunk():
    start = checked(libc.mmap(None, 32 * PAGE, READ_WRITE, PRIVATE, -1, 0))
    libc.mremap(start, 32 * PAGE, 10 * PAGE, 0, None)
    return {"shrunk": 10}


def moved_over(start, target):
    checked(libc.mremap(start, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target))


@case
def moved_onto():
    start = checked(libc.mmap(None, 32 * PAGE, READ_WRITE, PRIVATE, -1, 0))
    other = checked(libc.mmap(None, 8 * PAGE, READ_WRITE, PRIVATE, -1, 0))
    moved_over(other, start + 4 * PAGE)
    # Whether a move keeps the stack of the mapping or takes that of the mremap is not what is tested.
    return {"moved_onto moved_over": 32}


@case
def refused():
    if libc.mmap(None, 1 << 60, READ_WRITE, PRIVATE, -1, 0) != FAILED:
        raise OSError("an exabyte was mapped")
    start = checked(libc.mmap(None, 4 * PAGE, READ_WRITE, PRIVATE, -1, 0))
    if libc.munmap(start + 1, PAGE) == 0 or libc.mremap(start, 4 * PAGE, 1 << 60, MREMAP_MAYMOVE, None) != FAILED:
        raise OSError("the kernel took nonsense")
    return {"refused": 4}


@case
def module_mmap():
    KEEP.append(mmap.mmap(-1, 12 * PAGE))
    mmap.mmap(-1, 20 * PAGE).close()
    return {"module_mmap": 12}


@case
def break_moved():
    before = libc.sbrk(0)
    checked(libc.sbrk(40 * PAGE))
    checked(libc.sbrk(-16 * PAGE))
    return {"break_moved": (libc.sbrk(0) - before) // PAGE}


def mapped_by_thread():
    KEEP.append(checked(libc.mmap(None, 16 * PAGE, READ_WRITE, PRIVATE, -1, 0)))


@case
def other_thread():
    thread = threading.Thread(target=mapped_by_thread)
    thread.start()
    thread.join()
    unmap(KEEP.pop(), 6)  # by another thread than the one that mapped it
    return {"mapped_by_thread": 10}


def settle():
    """Leaves room in malloc's heap and in an arena, so that neither maps anything during the cases."""
    libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)
    libc.mallopt(M_TOP_PAD, 16 << 20)
    KEEP.append([bytes(1000) for _ in range(1000)])
    spare = [bytes(size) for size in range(0, 470, 8) for _ in range(100)]
    KEEP.append(spare[::50])
    json.dumps({"moved": 1})
    thread = threading.Thread(target=len, args=((),))
    thread.start()
    thread.join()


def run():
    left = {}
    for function in CASES:
        left.update(function())
    return json.dumps({name: pages * PAGE for name, pages in left.items()})


def fill(out):
    for i in range(len(out)):
        out[i] = bytes(400)


def objects():
    KEEP.append([None] * 40000)
    fill(KEEP[-1])


if __name__ == "__main__":
    gc.disable()
    steps.serve({"settle": settle, "run": run, "objects": objects})
