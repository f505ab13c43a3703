# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds objects of many types and says what it holds, in the very state in which it then waits.

`pools` prints the interpreter's pool table to standard error. `types` prints one line of JSON: type address -> name and
number of the objects that the garbage collector knows; `sizes` the same of all objects of a type that it can know, with
the bytes that sys.getsizeof() has for them; `growth` what objgraph says has grown. Each then waits for a line, and
nothing is allocated or freed in between.

`make KIND N` makes N objects of a type that the collector does not know, `contain KIND` makes some that own buffers,
and both say how many bytes they have; `peaks` makes the longest objects of some types, and says where; `hold` makes
what `growth` finds; `name` makes types with strange names, `spoil` one with none; `scribble` writes over blocks and a
pool header; `become` executes another program. `churn` starts a thread that makes and drops objects without end, `grow`
one that keeps what it makes, `collect` one that looks for garbage, `fork` one that makes processes.
"""
import collections
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

HAS_GC = 1 << 14
POOLED = 512
SIZES = (0, 1, 3, 5, 6, 10, 11, 25, 40, 100, 1000)  # of what owns keys or items
KINDS = {
    "int": lambda i: 10 ** 12 + i,
    "float": lambda i: i + 0.5,
    "complex": lambda i: complex(i, 1),
    "str": lambda i: "text %d" % i,
    "bytes": lambda i: b"bytes %d" % i,
    "object": lambda i: object(),
    "range": lambda i: range(i, 2 * i + 10 ** 9),
}
CONTAINERS = {
    "list": lambda size: list(range(size)),
    "grown": lambda size: [i for i in range(size)],
    "dict": lambda size: dict.fromkeys(range(size)),
    "words": lambda size: {str(i): i for i in range(size)},
    "set": lambda size: set(range(size)),
    "frozenset": lambda size: frozenset(range(size + 1)),  # there is one without items
    "collections.deque": lambda size: collections.deque(range(size)),
    "bytearray": lambda size: bytearray(size),
    "tuple": lambda size: tuple(range(min(size, 40))) + ([],),
    "inspected.Row": lambda size: inspected.Row(range(size)),
    "inspected.Table": lambda size: inspected.Table(dict.fromkeys(range(size))),
    "ValueError": lambda size: ValueError(size),
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


def is_counted(one):
    """What nobody but its holder knows of is found in the pools alone."""
    return type(one).__flags__ & HAS_GC and (gc.is_tracked(one) or sys.getsizeof(one) <= POOLED)


def sum_sizes():
    totals, met, pending = {}, set(), gc.get_objects()
    own = [id(totals), id(met), id(pending)]
    while pending:
        one = pending.pop()
        if id(one) in met or id(one) in own:
            continue
        met.add(id(one))
        pending += gc.get_referents(one)
        if is_counted(one):
            total = totals.setdefault(id(type(one)), [name_of(type(one)), 0, 0])
            total[1] += 1
            total[2] += sys.getsizeof(one)
    return json.dumps({hex(kind): total for kind, total in totals.items()}).encode() + b"\n"


def growth():
    """What objgraph says: [type, how many more than the last time], the most first."""
    objgraph = importlib.import_module("objgraph")  # not every machine has it
    return json.dumps([[name, more] for name, _, more in objgraph.growth(limit=1000)]).encode() + b"\n"


def say_and_wait(count, times=2):
    gc.collect()
    gc.unfreeze()  # 3.12 begins with some, which get_objects() leaves out
    for _ in range(times):  # whatever is made at the first time
        text = count()
    while text:
        text = text[os.write(1, text):]
    os.read(0, 4096)


def types():
    say_and_wait(count_types)


def sizes():
    say_and_wait(sum_sizes)


def pools():
    sys._debugmallocstats()
    os.write(1, b"waiting\n")
    os.read(0, 4096)


def say_growth():
    say_and_wait(growth, 1)


def hold_more():
    """Of some types more than of others, all known to the collector."""
    makers = (lambda: [HELD], lambda: {"held": HELD}, Outer.Inner, lambda: {1}, lambda: collections.deque(),
              lambda: (HELD,), ValueError, Large)
    for i, maker in enumerate(makers):
        HELD.append([maker() for _ in range(4000 - 400 * i)])


def make(kind, count):
    HELD.append([KINDS[kind](i) for i in range(int(count))])
    return str(sum(map(sys.getsizeof, HELD[-1])))


def contain(kind):
    """Large and small ones."""
    HELD.append([CONTAINERS[kind](size) for size in SIZES for _ in range(100)])
    return str(sum(map(sys.getsizeof, HELD[-1])))


def peaks():
    made = [list(range(30000)), set(range(30000)), dict.fromkeys(range(1000000)), collections.deque(range(30000)),
            bytearray(300000)]
    HELD.append(made)
    return json.dumps([[name_of(type(one)), hex(id(one)), len(one), sys.getsizeof(one)] for one in made])


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


def collect_forever():
    while True:
        gc.collect()


def collect():
    threading.Thread(target=collect_forever, daemon=True).start()


def grow_forever():
    while True:
        HELD.append([Outer.Inner() for _ in range(200)])
        time.sleep(0.05)


def grow():
    threading.Thread(target=grow_forever, daemon=True).start()


def fork_forever():
    while True:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)


def fork():
    threading.Thread(target=fork_forever, daemon=True).start()


def become():
    os.execv("/bin/sleep", ["sleep", "60"])


def name_badly():
    """Names that are no UTF-8, no str, and so long that nobody wants to read them."""
    long_name = "x" * (1 << 20)
    for name, module in (("\udcff\ud800", "main"), ("kind", "\udcff"), ("kind", 17), (long_name, long_name)):
        kind = type("kind", (), {"__module__": module})
        kind.__qualname__ = name
        HELD.append([kind() for _ in range(20)])


def spoil_names():
    """What is a name no more: of a class its str, and what is in its place then."""
    write = importlib.import_module("ctypes").memmove
    kind = type("spoiled", (), {})
    HELD.append([kind() for _ in range(77)] + [b"\xff\xfe\x1b[31m\xc3" * 10])
    name = next(one for one in range(id(kind), id(kind) + 1200, 8) if read_word(one) == id(kind.__qualname__))
    write(name, (8).to_bytes(8, "little"), 8)
    write(id(kind) + 24, (id(HELD[-1][-1]) + 32).to_bytes(8, "little"), 8)


def read_word(address):
    return importlib.import_module("ctypes").c_uint64.from_address(address).value


def churn():
    threading.Thread(target=churn_forever, daemon=True).start()


if __name__ == "__main__":
    gc.disable()
    hold()
    steps.serve({"types": types, "sizes": sizes, "growth": say_growth, "pools": pools, "make": make, "contain": contain,
                 "peaks": peaks, "hold": hold_more, "name": name_badly, "spoil": spoil_names, "scribble": scribble,
                 "become": become, "churn": churn, "collect": collect, "grow": grow, "fork": fork})
