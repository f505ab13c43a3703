# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program that asks too much of whoever looks at it: `threads N`, `mappings N`, `stacks N` different ones that each
keep a block, `codes N` different functions that each keep one, `blocks N` kept; and `work`. Driven by steps.py.
"""
import mmap
import threading
import time
import types

import steps

BIG = 600  # not pymalloc's
KEPT = []


def start_threads(count):
    threading.stack_size(64 << 10)
    started = threading.Barrier(2)
    for _ in range(int(count)):
        threading.Thread(target=wait, args=(started,), daemon=True).start()
        started.wait()


def wait(started):
    started.wait()
    time.sleep(100000)


def map_memory(count):
    """None of them can be merged with its neighbour."""
    for i in range(int(count)):
        KEPT.append(mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                              mmap.PROT_READ | (mmap.PROT_WRITE if i % 2 else 0)))


def left(depth):
    descend(depth >> 1)


def right(depth):
    descend(depth >> 1)


def descend(path):
    if path <= 1:
        KEPT.append(object())
    elif path & 1:
        left(path)
    else:
        right(path)


def make_stacks(count):
    """Each number is a way down, by its bits."""
    for path in range(1 << 17, (1 << 17) + int(count)):
        descend(path)


def keep():
    KEPT.append(object())


def make_codes(count):
    for number in range(int(count)):
        code = keep.__code__.replace(co_name="x" * 200 + str(number), co_firstlineno=number + 1)
        types.FunctionType(code, globals())()


def keep_blocks(count):
    KEPT.extend(bytearray(BIG) for _ in range(int(count)))


def work():
    KEPT.extend([object() for _ in range(1000)])


steps.serve({"threads": start_threads, "mappings": map_memory, "stacks": make_stacks, "codes": make_codes,
             "blocks": keep_blocks, "work": work})
