# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects of many types that it keeps, changes, drops and replaces when told, and the addresses where they are.

`make` builds COUNT objects of each kind in each of three groups and prints `GROUP/KIND ADDRESS...;...`; then
`collect` runs the collector, `mutate` changes the group `kept` in place, `drop` lets the group `dropped` go, and
`replace` lets the group `replaced` go and makes others of the same types, which get the same addresses; `churn`
does that with one kind. `busy` starts a thread that makes and drops objects of all kinds.
"""
import collections
import gc
import sys
import threading

import steps

COUNT = 40
GROUPS = {}


class Plain:
    def __init__(self, i):
        self.first = "first %d" % i
        self.second = i + 1000


class Slotted:
    __slots__ = ("first", "second", "third")

    def __init__(self, i):
        self.first, self.second, self.third = i + 1000, "second %d" % i, i + 0.5


class Text(str):
    pass


class Table(dict):
    pass


class Row(list):
    pass


Pair = collections.namedtuple("Pair", "first second")


def closure(i):
    held = "held %d" % i
    return lambda: held


def generator(i):
    text = "text %d" % i
    yield text
    yield text


def started(i):
    running = generator(i)
    next(running)
    return running


# Kinds by what their content says when another of the same type takes the place: always, or not at once.
TELLING = {
    "int": lambda i: i + 10 ** 12,
    "float": lambda i: i + 0.25,
    "complex": lambda i: complex(i + 1, i + 2),
    "str": lambda i: "some text %d" % i,
    "wide": lambda i: "some \u20ac text %d" % i,
    "bytes": lambda i: b"some bytes %d" % i,
    "tuple": lambda i: ("item %d" % i, i + 1000),
    "nested": lambda i: ([i], [i]),
}
OTHERS = {
    "object": lambda i: object(),
    "list": lambda i: [i + 1000],
    "empty": lambda i: [],
    "dict": lambda i: {"key": i + 1000},
    "bare": lambda i: {},
    "set": lambda i: {i + 1000},
    "frozenset": lambda i: frozenset((i + 1000, i + 2000)),
    "plain": Plain,
    "slotted": Slotted,
    "text": lambda i: Text("some text %d" % i),
    "table": lambda i: Table(key=i + 1000),
    "row": lambda i: Row([i + 1000]),
    "pair": lambda i: Pair("first %d" % i, i + 1000),
    "error": lambda i: ValueError("value %d" % i),
    "closure": closure,
    "started": started,
    "deque": lambda i: collections.deque([i + 1000]),
    "ordered": lambda i: collections.OrderedDict(key=i + 1000),
    "slice": lambda i: slice(i + 1000, i + 2000),
    "method": lambda i: Plain(i).__init__,
}
KINDS = {**TELLING, **OTHERS}


def build(group, start):
    # The list is complete before the first object is: growing it would take what the objects should get.
    for kind, one in KINDS.items():
        out = GROUPS.setdefault(group, {}).setdefault(kind, [None] * COUNT)
        for i in range(COUNT):
            out[i] = one(start + i)


def make():
    for group in ("kept", "dropped", "replaced"):
        build(group, 0)
    return ";".join("%s/%s %s" % (group, kind, " ".join("%x" % id(one) for one in objects))
                    for group, kinds in GROUPS.items() for kind, objects in kinds.items())


def telling():
    return " ".join(TELLING)


def mutate():
    kept = GROUPS["kept"]
    for i in range(COUNT):
        for kind in ("list", "empty", "row", "deque"):
            kept[kind][i].extend(range(5 * i))
        for kind in ("dict", "bare", "table", "ordered"):
            kept[kind][i].update({"new %d" % n: n for n in range(i)})
        kept["set"][i].update(range(3 * i))
        kept["plain"][i].second = "another"
        kept["plain"][i].third = "a new one"
        kept["slotted"][i].third = "another"
        kept["text"][i].attribute = "a new one"
        vars(kept["plain"][i])
        hash(kept["str"][i])
        hash(kept["tuple"][i])
        kept["wide"][i].encode()
        sys.intern(kept["str"][i])
        next(kept["started"][i])


def refer():
    """More references, from the outside and from within."""
    GROUPS["references"] = [list(objects) for objects in GROUPS["kept"].values()]


def drop():
    del GROUPS["dropped"]


def replace():
    for objects in GROUPS["replaced"].values():
        objects[:] = [None] * COUNT
    build("replaced", 500)


def churn(kind, start):
    """Drops the kind's objects; makes others unless start is `-`."""
    out = GROUPS["replaced"][kind]
    out[:] = [None] * COUNT
    if start != "-":
        for i in range(COUNT):
            out[i] = KINDS[kind](int(start) + i)


def keep_busy():
    """Temporaries of all kinds, in the same pools, and a collector that runs."""
    while True:
        for one in KINDS.values():
            [one(i) for i in range(COUNT)]
        gc.collect(0)


def busy():
    threading.Thread(target=keep_busy, daemon=True).start()


if __name__ == "__main__":
    gc.disable()
    steps.serve({"make": make, "telling": telling, "mutate": mutate, "refer": refer, "drop": drop, "busy": busy,
                 "replace": replace, "churn": churn, "collect": lambda: str(gc.collect())})
