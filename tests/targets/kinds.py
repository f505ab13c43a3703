# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Blocks of many kinds: each kind is made by another copy of the allocator's fast path.

An optimised build holds a hundred copies and more, so a kind of object is the unit in which coverage is lost:
one missed copy can be a tenth of a workload. Commands: `warm`, `build KIND|all`, `half`, `clear`, `kinds`.
"""
import array
import collections
import datetime
import functools
import gc
import json
import types
import weakref

import steps

COUNT = {"all": 3000, "moved": 24000}  # blocks of each kind of a group
COUNT_ALONE = 20000
TEN_KEYS = ["key_%d" % i for i in range(10)]
TEXT = '{"id": 1, "name": "linger", "tags": ["a", "b"], "nested": {"x": 1.5, "y": 12345}}'
KEEP = []
WARM = []


class Plain:
    def __init__(self, value):
        self.first = value
        self.second = None


class Slotted:
    __slots__ = ("first", "second")

    def __init__(self, value):
        self.first = value
        self.second = None


class Keyed(dict):
    pass


Pair = collections.namedtuple("Pair", "first second")


@types.coroutine
def pause():
    yield


async def waiting():
    await pause()


def started_coroutine(i):
    # Started, because deleting one that never ran makes the interpreter print a warning each time.
    coroutine = waiting()
    coroutine.send(None)
    return coroutine


def counting(limit):
    while limit:
        yield limit
        limit -= 1


def started_generator(i):
    generator = counting(3)
    next(generator)
    return generator


def closure(i):
    def inner():
        return i
    return inner


def raised(i):
    try:
        raise ValueError(i)
    except ValueError as error:
        return error.with_traceback(None)


def grown_list(i):
    items = []
    for _ in range(i % 60):
        items.append(None)
    return items


def grown_bytearray(i):
    data = bytearray()
    for _ in range(i % 24):
        data += b"0123456789abcdef"
    return data


def grown_str(i):
    text = str(i)
    for _ in range(i % 12):
        text += "0123456789abcdefghijkl"
    return text


def grown_dict(i):
    table = {}
    for key in TEN_KEYS:
        table[key] = None
    return table


def shrunk_list(i):
    items = [None] * 60
    while len(items) > i % 60:
        items.pop()
    return items


# The kinds that the workload must hold, in the order of the table that is printed for a failure.
KINDS = {
    "dict": lambda i: {},
    "dict_keys": lambda i: {"a": i, "b": None, "c": None},
    "dict_ten_keys": lambda i: dict.fromkeys(TEN_KEYS),
    "dict_of_int": lambda i: {i: None, i + 1: None},
    "dict_subclass": lambda i: Keyed(),
    "instance": Plain,
    "instance_slots": Slotted,
    "object": lambda i: object(),
    "list": lambda i: [],
    "list_storage": lambda i: [None] * (i % 60 + 1),
    "list_copy": lambda i: TEN_KEYS[:],
    "str_ascii": lambda i: "name %d" % i,
    "str_latin1": lambda i: "\xe9%d" % i,
    "str_ucs2": lambda i: "\u0436%d" % i,
    "str_ucs4": lambda i: "\U0001d11e%d" % i,
    "str_join": lambda i: "-".join(("ab", "cd", "ef")),
    "str_slice": lambda i: TEXT[i % 20:i % 20 + 40],
    "str_format": lambda i: "{:>12}".format(i),
    "str_split": lambda i: "alpha beta gamma".split(),
    "bytes": lambda i: b"%d" % i,
    "bytes_sized": lambda i: bytes(i % 470),
    "bytearray": lambda i: bytearray(i % 480 + 1),
    "float": lambda i: i * 0.5,
    "int": lambda i: i + 1000000,
    "int_large": lambda i: (i + 1) << 100,
    "complex": lambda i: complex(i, 1),
    "tuple": lambda i: (i, None),
    "tuple_sized": lambda i: tuple(TEN_KEYS[:i % 10 + 1]),
    "tuple_grown": lambda i: tuple(None for _ in range(i % 24)),
    "namedtuple": lambda i: Pair(i, None),
    "set": lambda i: {i},
    "set_table": lambda i: set(TEN_KEYS),
    "frozenset": lambda i: frozenset((i,)),
    "closure": closure,
    "partial": lambda i: functools.partial(closure, i),
    "bound_method": lambda i: TEN_KEYS.append,
    "coroutine": started_coroutine,
    "generator": started_generator,
    "iterator": lambda i: iter(TEN_KEYS),
    "enumerate": lambda i: enumerate(TEN_KEYS),
    "slice": lambda i: slice(i, None),
    "range": lambda i: range(i, i + 1000),
    "exception": raised,
    "weakref": lambda i: weakref.ref(closure, KEEP.append),
    "memoryview": lambda i: memoryview(b"linger"),
    "datetime": lambda i: datetime.datetime(2024, 1, 1, 1, 1, i % 60),
    "timedelta": lambda i: datetime.timedelta(i),
    "array": lambda i: array.array("i", (1, 2, 3)),
    "ordered_dict": lambda i: collections.OrderedDict(a=i),
    "json": lambda i: json.loads(TEXT),
}

# Blocks that move (or stay) when realloc changes their size.
MOVED = {
    "grown_list": grown_list,
    "grown_bytearray": grown_bytearray,
    "grown_str": grown_str,
    "grown_dict": grown_dict,
    "shrunk_list": shrunk_list,
}
EVERY = dict(KINDS, **MOVED)


def selected(what):
    groups = {"all": KINDS, "moved": MOVED}
    return groups[what] if what in groups else {what: EVERY[what]}


def warm():
    """Runs everything once, so that caches, interned strings and specialised code exist before the baseline.

    Kept alive: freed blocks would fill the free lists with blocks from before the recording."""
    for make in EVERY.values():
        WARM.append([make(i) for i in range(300, 360)])


def build(what):
    count = COUNT.get(what, COUNT_ALONE)
    for make in selected(what).values():
        KEEP.append([make(i) for i in range(300, 300 + count)])


def half():
    for blocks in KEEP:
        del blocks[::2]


def clear():
    del KEEP[:]


def names():
    return " ".join(EVERY)


if __name__ == "__main__":
    gc.disable()
    steps.serve({"warm": warm, "build": build, "half": half, "clear": clear, "kinds": names})
