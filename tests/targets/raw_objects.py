# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bytes objects of known sizes, kept: what PYTHONMALLOC, the debug hooks and tracemalloc make of them.

A bytes object has no free list and no second block, so one of n bytes is one request of sys.getsizeof(b"") + n.
The places to keep them exist before. Commands: `tracemalloc` (starts it), `keep`.
"""
import gc
import tracemalloc

import steps

SMALL, LARGE = range(10, 460), range(600, 1050)
KEPT = {"small": [None] * len(SMALL), "large": [None] * len(LARGE)}


def keep_small(out):
    for i in range(len(out)):
        out[i] = bytes(10 + i)


def keep_large(out):
    for i in range(len(out)):
        out[i] = bytes(600 + i)


def forget():
    for out in KEPT.values():
        out[:] = [None] * len(out)


def keep():
    keep_small(KEPT["small"])
    keep_large(KEPT["large"])


if __name__ == "__main__":
    gc.disable()
    keep()
    forget()
    steps.serve({"tracemalloc": tracemalloc.start, "keep": keep})
