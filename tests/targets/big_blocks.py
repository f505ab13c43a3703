# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Large blocks made the usual ways, each on lines of its own; what is kept is kept in KEEP.

tracemalloc, in a run of its own (argument --tracemalloc), is the oracle: bytes per line, in both domains together.
It counts what was asked for, and so does linger in the raw domain; pymalloc's blocks however are of size classes,
16 bytes apart. So the small objects here have sizes that are classes: an int of two digits is 32 bytes, bytes(31)
is 64. Neither type has a free list for these, which only tracemalloc would see used.
Commands: `baseline`, `build`, `build_numpy` (for both: what they make), `lines` (what tracemalloc saw, as JSON).
"""
import array
import gc
import json
import sys
import tracemalloc

import steps

MILLION = 1000000
KEYS = list(range(1 << 31, (1 << 31) + MILLION))
CHUNK = "0123456789" * 500
CHUNK_BYTES = CHUNK.encode()
KEEP = {}


def list_at_once():
    KEEP["list_at_once"] = [None] * MILLION


def list_appended():
    out = []
    for key in KEYS:
        out.append(key)
    KEEP["list_appended"] = out


def list_copied():
    KEEP["list_copied"] = KEYS[:]


def dict_filled():
    table = {}
    for key in KEYS:
        table[key] = None
    KEEP["dict_filled"] = table


def dict_emptied():
    table = dict.fromkeys(KEYS)
    table.clear()
    KEEP["dict_emptied"] = table


def set_filled():
    KEEP["set_filled"] = set(KEYS)


def bytes_at_once():
    KEEP["bytes_at_once"] = bytes(10 << 20)


def bytes_dropped():
    for _ in range(20):
        KEEP["bytes_dropped"] = bytes(1 << 20)
    del KEEP["bytes_dropped"]


def str_grown():
    text = ""
    for _ in range(2000):
        text += CHUNK
    KEEP["str_grown"] = text


def str_wide():
    KEEP["str_wide"] = "\U0001d11e" * MILLION


def bytearray_grown():
    data = bytearray()
    for _ in range(2000):
        data += CHUNK_BYTES
    KEEP["bytearray_grown"] = data


def bytearray_shrunk():
    data = bytearray(10 << 20)
    del data[2 << 20:]
    KEEP["bytearray_shrunk"] = data


def array_grown():
    numbers = array.array("d")
    for _ in range(1000):
        numbers.extend(KEYS[:1000])
    KEEP["array_grown"] = numbers


def medium_blocks():
    out = KEEP["medium_blocks"] = [None] * 5000
    for i in range(5000):
        out[i] = bytes(500 + i % 1000)


def small_ints():
    out = KEEP["small_ints"] = [None] * 100000
    for i in range(100000):
        out[i] = -KEYS[i]


def small_bytes():
    out = KEEP["small_bytes"] = [None] * 50000
    for i in range(50000):
        out[i] = bytes(31)


def numpy_arrays(numpy):
    KEEP["zeros"] = numpy.zeros(MILLION)
    KEEP["ones"] = numpy.ones((1000, 500))
    KEEP["range"] = numpy.arange(MILLION, dtype="float32")
    KEEP["sum"] = KEEP["zeros"] + 1
    KEEP["part"] = KEEP["range"][::3]  # a view: it has no memory of its own
    KEEP["copy"] = KEEP["range"][::3].copy()
    for size in range(10000, 60000, 5000):
        KEEP["turns"] = numpy.empty(size) * 2
    KEEP["joined"] = numpy.concatenate([KEEP["ones"], KEEP["ones"]])
    grown = numpy.zeros(1000)
    grown.resize(200000, refcheck=False)
    KEEP["grown"] = grown
    KEEP["text"] = numpy.full(50000, "linger")


def build():
    for make in (list_at_once, list_appended, list_copied, dict_filled, dict_emptied, set_filled, bytes_at_once,
                 bytes_dropped, str_grown, str_wide, bytearray_grown, bytearray_shrunk, array_grown, medium_blocks,
                 small_ints, small_bytes):
        make()


def build_numpy():
    numpy_arrays(sys.modules["numpy"])


def baseline():
    if "--tracemalloc" in sys.argv:
        tracemalloc.start()


def lines():
    """JSON: [[file, line, bytes]...] and the sum of all traces."""
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    totals = {}
    for trace in snapshot.traces:
        key = (trace.traceback[0].filename, trace.traceback[0].lineno)
        totals[key] = totals.get(key, 0) + trace.size
    return json.dumps([[[name, line, size] for (name, line), size in sorted(totals.items())], sum(totals.values())])


if __name__ == "__main__":
    gc.disable()
    if "--numpy" in sys.argv:
        import numpy
        numpy_arrays(numpy)  # what numpy makes once
        KEEP.clear()
    steps.serve({"baseline": baseline, "build": build, "build_numpy": build_numpy, "lines": lines})
