# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects with names, for `linger get`. Command: `truth`, a JSON object: expression -> [type, length or null, size
in bytes, repr]."""
import collections
import json
import sys


class Slotted:
    __slots__ = ("name",)


class Base:
    inherited = ["from", "the", "base"]
    count = 17

    @property
    def computed(self):
        raise AssertionError("no code runs")


class Session(Base):
    __slots__ = ("user",)

    def __init__(self):
        self.user = ["alice"]
        self.items = [["first"], ["last"]]


class Plain:
    def __init__(self, n):
        for i in range(n):
            setattr(self, "attribute_%d" % i, {"value": i})


class Text(str):
    pass


cache = {"key_%d" % i: [i] for i in range(1000)}
cache["schl\u00fcssel"] = ("latin", 1)
cache["\u043a\u043b\u044e\u0447"] = {"wide"}
cache["\U0001f40d"] = frozenset([1, 2, 3])
sessions = {"alice": Session()}
slotted = Slotted()
slotted.name = ["slot"]
plain, large = Plain(3), Plain(40)
integer, negative, zero, large_integer, huge = 17, -(1 << 40), 0, 1 << 100, 1 << 1000
true, nothing, real, whole, tiny = True, None, 0.1, 3.0, -1.5e-300
short, long_text, wide = "it's\n", "secret" * 10, "\u65e5\u672c\u8a9e"
text_of_class = Text("short")
raw, long_raw = b"a\x00\xff", b"secret" * 10
queue = collections.deque(range(200))
items, empty, pair = list(range(100)), [], (1, 2)
members, frozen = set(range(50)), frozenset("ab")
buffer = bytearray(100)

EXPRESSIONS = """
cache cache["key_999"] cache["schl\u00fcssel"] cache["\u043a\u043b\u044e\u0447"] cache["\U0001f40d"]
sessions["alice"].user sessions["alice"].items[-1] sessions["alice"].inherited sessions["alice"].count
Session.inherited slotted.name plain.attribute_2 large.attribute_39 integer negative zero large_integer true
nothing real whole tiny
short wide text_of_class raw
queue queue[150] items items[99] items[-100] empty pair pair[1] members frozen buffer
long_text long_raw collections.OrderedDict
""".split()


def length(kept):
    try:
        return len(kept)
    except TypeError:
        return None


def truth():
    kept = {expression: eval(expression) for expression in EXPRESSIONS}
    return {expression: [type(one).__name__, length(one), sys.getsizeof(one), repr(one)]
            for expression, one in kept.items()}


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "truth":
            break
        print(json.dumps(truth()), flush=True)


main()
