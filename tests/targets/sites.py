# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Allocation sites on lines of their own, in the constructs whose line numbers are easy to get wrong.

tracemalloc, in a run of its own (argument --tracemalloc), is the oracle: bytes per line, every block rounded up
to its size class. `build` fills the sites; `lines` prints what tracemalloc saw.

tracemalloc gives a block to the line that used it last: one that realloc leaves where it is, and one that comes
from a type's free list, changes its line without an allocation that a probe could see. So no site grows a list
that it keeps, and none keeps tuples of the length of its temporaries (bytes(80) makes and drops a tuple of one).
"""
import functools
import gc
import json
import sys
import tracemalloc

import steps

N = 4000
INDICES = list(range(300, 300 + N))  # made here: ints that a loop makes have a free list too (3.14)
KEEP = {}
SPARE = []


def slots(name):
    """The blocks of a site go into a list that is large from the start: growing it would be a site itself."""
    KEEP[name] = [None] * (300 + N)
    return KEEP[name]


def drain_free_lists():
    """Uses up the free lists: tracemalloc counts what is taken from them, an allocator's probe cannot."""
    for i in range(2100):
        SPARE.append(({}, [], i + 0.5, i + 10 ** 9, slice(i, None)))
        SPARE.extend([tuple(SPARE[-1:] * size) for size in range(1, 21)])


def multi_line_expression(i, out):
    out[i] = (
        b"first %d" % i,
        "second %d" % i,
        [
            float(i),
            {"key": i,
             "other": str(i)},
        ],
    )


def chained_calls(i, out):
    out[i] = (
        "alpha beta %d" % i
    ).upper(
    ).replace(
        "ALPHA",
        "gamma",
    )


def keyword_call(i, out):
    out[i] = dict(
        first=str(i),
        second=bytes(
            40),
        third=i + 0.25,
    )


def conditional(i, out):
    out[i] = (
        bytes(60)
        if i % 2
        else
        bytes(90)
    )


def decorate(function):
    @functools.wraps(function)
    def wrapper(i, out):
        extra = bytes(50)
        out[i] = (extra, function(i))
    return wrapper


@decorate
@functools.lru_cache(
    maxsize=1)
def decorated(i):
    return bytes(70)


def guarded(i, out):
    kept = [None] * 4
    try:
        kept[0] = bytes(80)
        if i % 2:
            raise KeyError(i)
    except KeyError:
        kept[1] = bytes(100)
    else:
        kept[2] = bytes(120)
    finally:
        kept[3] = bytes(140)
    out[i] = kept


class Manager:
    __slots__ = ("entered", "used", "left")

    def __enter__(self):
        self.entered = bytes(33)
        return self

    def __exit__(self, *unused):
        self.left = (
            bytes(200)
        )


def with_statement(i, out):
    with Manager() as manager:
        manager.used = bytes(66)
    out[i] = manager


def comprehensions(out):
    KEEP["list"] = [
        bytes(130)
        for _ in range(N)
        if True
    ]
    KEEP["dict"] = {
        i:
        str(i)
        for i in INDICES}
    KEEP["set"] = {
        "member %d" % i
        for i in INDICES
    }
    KEEP["nested"] = [
        [
            bytes(150) for _ in range(2)
        ]
        for _ in range(N)
    ]


def generator(count):
    for i in range(count):
        block = bytes(160)
        yield (
            block,
            str(i),
        )


def generators(out):
    for i, block in enumerate(generator(N)):
        out[i] = block
    for i, block in enumerate(bytes(170) for _ in range(N)):
        out[i] = (out[i], block)


async def inner_coroutine(i):
    return bytes(180)


async def outer_coroutine(i):
    first = await inner_coroutine(i)
    return [
        first,
        await inner_coroutine(i),
    ]


def coroutines(i, out):
    try:
        outer_coroutine(i).send(None)
    except StopIteration as stop:
        out[i] = stop.value


def lambdas(out):
    make = lambda i: (
        bytes(190))
    for i, block in enumerate(map(make, range(N))):
        out[i] = block


class Node:
    __slots__ = ("left", "right")

    def __init__(self, left):
        self.left = left
        self.right = bytes(
            210)

    @property
    def copied(self):
        return [self.left,
                bytes(220)]


def methods(i, out):
    node = Node(bytes(230))
    out[i] = (node,
              node.copied)


def nested_functions(i, out):
    def middle():
        def innermost():
            return (i, bytes(240), out)
        return innermost, innermost()
    out[i] = middle()


def half_freed(out):
    for i in INDICES:
        out[i] = bytes(250)
    for i in INDICES[::2]:
        out[i] = None


def library(i, out):
    out[i] = json.loads('[{"a": 1.5}, "some text", [100000]]')


GENERATED = """
def generated(i, out):
    first = bytes(260)

    out[i] = (first,

              bytes(270))
"""


def build():
    for function in (multi_line_expression, chained_calls, keyword_call, conditional, decorated, guarded,
                     with_statement, coroutines, methods, nested_functions, library):
        out = slots(function.__code__.co_name + str(len(KEEP)))
        for i in INDICES:
            function(i, out)
    for function in (comprehensions, generators, lambdas, half_freed):
        function(slots(function.__name__))
    names = {}
    exec(compile(GENERATED, "<generated sites>", "exec"), names)
    out = slots("generated")
    for i in INDICES:
        names["generated"](i, out)


def baseline():
    drain_free_lists()
    if "--tracemalloc" in sys.argv:
        tracemalloc.start(1)


def lines():
    """JSON: [file, line, bytes], blocks up to 512 bytes only, rounded up to pymalloc's size classes."""
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    totals = {}
    for trace in snapshot.traces:
        if trace.size <= 512:
            key = (trace.traceback[0].filename, trace.traceback[0].lineno)
            totals[key] = totals.get(key, 0) + max(16, (trace.size + 15) // 16 * 16)
    return json.dumps([[name, line, size] for (name, line), size in sorted(totals.items())])


if __name__ == "__main__":
    gc.disable()
    steps.serve({"baseline": baseline, "build": build, "lines": lines})
