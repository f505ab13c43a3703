# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program that knows whether it is unharmed: unharmed.py [REST_MS].

Threads keep structures of every domain, look at one after the other all the time, hold it to its checksum and to what
it is made of anew, and replace it. `progress` answers how many they have looked at, `verdict` ends the threads, looks
at everything once more and answers with a line of JSON. The other commands are what a fault may want of a target.
Between two structures a thread rests for REST_MS.
"""
import json
import mmap
import os
import random
import sys
import threading
import time
import zlib

import steps

KEEPERS = 2
SLOTS = 60
CHILD_ROUNDS = 20
TICKS_PER_S = 100  # in which threads are started
KEEP = []


class Node:
    def __init__(self, value, below):
        self.value, self.below = value, below

    def __eq__(self, other):
        return self.value == other.value and self.below == other.below

    def __repr__(self):
        return "Node(%r, %r)" % (self.value, self.below)


def make_tree(numbers, depth=5):
    return Node(numbers.random(), [make_tree(numbers, depth - 1) for _ in range(2)] if depth else [])


def make_mapping(numbers):
    memory = mmap.mmap(-1, 65536)
    memory.write(numbers.getrandbits(8 * 4096).to_bytes(4096, "little") * 16)
    return memory


MAKERS = (
    make_tree,
    make_mapping,
    lambda numbers: {"key %d" % i: numbers.random() * i for i in range(100)},
    lambda numbers: [(i, numbers.gauss(0, 1), str(numbers.random())) for i in range(80)],
    lambda numbers: numbers.getrandbits(8 * 20000).to_bytes(20000, "little"),
    lambda numbers: sorted(bytes([numbers.randrange(256)] * numbers.randrange(600)) for _ in range(40)),
    lambda numbers: "".join(chr(numbers.randrange(32, 0x2000)) for _ in range(500)),
    lambda numbers: sum(numbers.random() ** 2 for _ in range(500)),
)


def bytes_of(value):
    return value[:] if isinstance(value, mmap.mmap) else repr(value).encode()


class Kept:
    """One structure, what it was made of, and its checksum."""

    def __init__(self, seed):
        self.seed = seed
        self.value = self.make()
        self.sum = zlib.crc32(bytes_of(self.value))

    def make(self):
        return MAKERS[self.seed % len(MAKERS)](random.Random(self.seed))

    def is_whole(self):
        if zlib.crc32(bytes_of(self.value)) != self.sum:
            return False
        if isinstance(self.value, mmap.mmap):
            with self.make() as again:
                return again[:] == self.value[:]
        return self.make() == self.value


class Keeper:
    def __init__(self, seed, rest_s):
        self.rest_s, self.seed = rest_s, seed
        self.kept = [Kept(seed + i) for i in range(SLOTS)]
        self.rounds, self.broken, self.ended = 0, [], False

    def look(self, slot):
        try:
            if not self.kept[slot].is_whole():
                self.broken.append("the structure of seed %d has changed" % self.kept[slot].seed)
        except Exception as error:  # whatever it is, it does not belong here
            self.broken.append("%s: %s" % (type(error).__name__, error))

    def round(self):
        slot = self.rounds % SLOTS
        self.look(slot)
        if isinstance(self.kept[slot].value, mmap.mmap):
            self.kept[slot].value.close()
        self.kept[slot] = Kept(self.seed + SLOTS + self.rounds)
        self.rounds += 1

    def run(self):
        while not self.ended:
            self.round()
            time.sleep(self.rest_s)


class Keepers:
    def __init__(self, rest_s):
        self.keepers = [Keeper(1000003 * i, rest_s) for i in range(KEEPERS)]
        self.threads = [threading.Thread(target=keeper.run) for keeper in self.keepers]
        for thread in self.threads:
            thread.start()

    def progress(self):
        """Of the one that is behind."""
        return str(min(keeper.rounds for keeper in self.keepers))

    def end(self):
        for keeper in self.keepers:
            keeper.ended = True
        for thread in self.threads:
            thread.join()

    def verdict(self):
        self.end()
        for keeper in self.keepers:
            for slot in range(SLOTS):
                keeper.look(slot)
        return json.dumps({"rounds": sum(keeper.rounds for keeper in self.keepers),
                           "broken": [text for keeper in self.keepers for text in keeper.broken]})


# --- what a fault may want ----------------------------------------------------------------------------------

def check_child():
    keeper = Keeper(os.getpid(), 0)
    for _ in range(CHILD_ROUNDS):
        keeper.round()
    os._exit(1 if keeper.broken else 0)


def fork(count, check="0"):
    """How many of so many children ended well; one in CHECK has structures of its own to look at."""
    well = 0
    for i in range(int(count)):
        child = os.fork()
        if not child:
            if int(check) and i % int(check) == 0:
                check_child()
            os._exit(0)
        well += os.waitpid(child, 0)[1] == 0
    return str(well)


def replace():
    os.execv(sys.executable, [sys.executable, *sys.argv])


def run_threads(rate, seconds):
    """Threads that live for a moment, as close to so many a second as possible: how many, and in what time."""
    begin, started, ended = time.monotonic(), 0, []
    while time.monotonic() - begin < float(seconds):
        due = int((time.monotonic() - begin) * float(rate)) - started
        fresh = [threading.Thread(target=ended.append, args=(i,)) for i in range(min(due, int(rate) // TICKS_PER_S))]
        for thread in fresh:
            thread.start()
        for thread in fresh:
            thread.join()
        started += len(fresh)
        time.sleep(1 / TICKS_PER_S if not fresh else 0)
    assert len(ended) == started
    return "%d %.3f" % (started, time.monotonic() - begin)


def left(path, depth):
    return KEEP.append([path]) if not depth else (right if path & 1 else left)(path >> 1, depth - 1)


def right(path, depth):
    return KEEP.append([path]) if not depth else (right if path & 1 else left)(path >> 1, depth - 1)


def take_stacks(first, count, depth="20"):
    """Keeps a list under each of so many stacks, no two of which are the same."""
    for path in range(int(first), int(first) + int(count)):
        left(path, int(depth))
    return str(len(KEEP))


def take_codes(first, count):
    """Runs as many functions, which are kept as well."""
    for i in range(int(first), int(first) + int(count)):
        made = {}
        code = compile("def f(keep): keep.append([keep])", "made_%d.py" % i, "exec")
        exec(code, made)
        made["f"](KEEP)
        KEEP.append(made)
    return str(len(KEEP))


if __name__ == "__main__":
    keepers = Keepers(float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0)
    try:
        steps.serve({"progress": keepers.progress, "verdict": keepers.verdict, "fork": fork, "exec": replace,
                     "threads": run_threads, "stacks": take_stacks, "codes": take_codes})
    finally:
        keepers.end()
