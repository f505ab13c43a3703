# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds objects of many types and says what it holds, in the very state in which it then waits.

`pools` prints the interpreter's pool table to standard error, `types` one line of JSON: type address -> name and
number of the objects that the garbage collector knows. Both then wait for a line, and nothing
is allocated or freed in between. `make KIND N` makes N objects of a type that the collector does not know; `churn`
starts a thread that makes and drops objects without end, `grow` one that keeps what it makes, `scribble` writes over blocks and a pool header.
"""
import gc
import importlib
import json
import os
import random
import sys
import threading
import time

import inspected
import steps

KINDS = {
    "int": lambda i: 10 ** 12 + i,
    "float": lambda i: i + 0.5,
    "complex": lambda i: complex(i, 1),
    "str": lambda i: "text %d" % i,
    "bytes": lambda i: b"bytes %d" % i,
    "object": lambda i: object(),
    "range": lambda i: range(i, 2 * i + 10 ** 9),
}
HELD = []
HOSTILE = ("Gr\u00f6\u00dfe", "\u540d\u524d", "\U0001f40d", "red \x1b[31m", "x" * (1 << 20))


class Outer:
    class Inner:
        pass


class Large:
    __slots__ = ["slot_%d" % i for i in range(80)]


class LargeWithDict:
    __slots__ = ["slot_%d" % i for i in range(80)] + ["__dict__", "__weakref__"]


def hold_large():
    """What is in no pool: alone and in long runs, in the collector's lists between small objects."""
    HELD.append([Large() for _ in range(3000)])
    HELD.append([one for _ in range(30) for one in (LargeWithDict(), [])])
    for one in HELD[-1][::2]:
        one.attribute = one
    HELD.append([(i,) * 100 + ([],) for i in range(40)])
    HELD.append([type("Kind%d" % i, (), {}) for i in range(200)])


def hold():
    hold_large()
    inspected.build("kept", 0)
    HELD.append([Outer.Inner() for _ in range(20)])
    for name in HOSTILE:
        kind = type(name, (), {})
        HELD.append([kind() for _ in range(20)])


def name_of(kind):
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def count_types():
    objects, counts = gc.get_objects(), {}
    for one in objects:
        counts[type(one)] = counts.get(type(one), 0) + 1
    return json.dumps({hex(id(kind)): [name_of(kind), n] for kind, n in counts.items()}).encode() + b"\n"


def types():
    gc.collect()
    gc.unfreeze()  # 3.12 begins with some, which get_objects() leaves out
    count_types()  # whatever is made at the first time
    text = count_types()
    while text:
        text = text[os.write(1, text):]
    os.read(0, 4096)


def pools():
    sys._debugmallocstats()
    os.write(1, b"waiting\n")
    os.read(0, 4096)


def make(kind, count):
    HELD.append([KINDS[kind](i) for i in range(int(count))])


def noise(generator, count):
    """Words that look like what is found in objects, and others."""
    words = (0, 1, 2, id(dict), id(type), id(HELD), generator.getrandbits(47) & ~7, generator.getrandbits(64))
    return b"".join(generator.choice(words).to_bytes(8, "little") for _ in range(count))


def scribble(pool_bytes):
    """Over objects that nobody touches any more, and over the headers of the pools of the largest."""
    write = importlib.import_module("ctypes").memmove  # not every interpreter has it
    generator = random.Random(5)
    work = []
    for words in (6, 8, 30, 62):
        objects = [bytes(8 * words - 40) for _ in range(3000)]
        HELD.append(objects)
        work += [(id(one), noise(generator, words), 8 * words) for one in objects]
    work += [(address & -int(pool_bytes), noise(generator, 6), 48) for address, _, _ in work[-300::30]]
    HELD.append(work)
    for address, text, size in work:
        write(address, text, size)


def churn_forever():
    while True:
        for one in inspected.KINDS.values():
            [one(i) for i in range(50)]


def grow_forever():
    while True:
        HELD.append([Outer.Inner() for _ in range(200)])
        time.sleep(0.05)


def grow():
    threading.Thread(target=grow_forever, daemon=True).start()


def churn():
    threading.Thread(target=churn_forever, daemon=True).start()


if __name__ == "__main__":
    gc.disable()
    hold()
    steps.serve({"types": types, "pools": pools, "make": make, "scribble": scribble, "churn": churn,
                 "grow": grow})
