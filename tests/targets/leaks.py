# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that leak at known lines in front of churn, and some that do not leak: leaks.py PROGRAM [SECONDS].

Each is a busy loop: honest work of which nothing stays (JSON, formatting, small objects, comprehensions), and now
and then an item that does. Lines that say `# leak: NAME` at their end allocate what the leak NAME keeps.

The truth is counted, not traced: at the start each leak runs alone while the interpreter's own pool table tells
what an item costs, in blocks of pymalloc and the bytes of their size classes; from then on items are counted.
Two things keep that exact. Containers outgrow pymalloc at once, so an item's cost does not depend on their
length. And items are made of what has no free list that the churn fills (strings, bytes, slotted objects, tuples of
five): a dict or an integer taken from a free list was allocated by whoever used it first, which is the churn.

Commands: `go`, `pause`, and `truth`, which is answered between two iterations with a line of JSON: for each leak
its lines and what it has leaked since the start.
"""
import asyncio
import functools
import gc
import json
import os
import re
import select
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from steps import reply

CALIBRATION = 4000  # items


# --- churn --------------------------------------------------------------------------------------------------

class Article:
    __slots__ = ("name", "price", "tags")

    def __init__(self, number):
        self.name = "article-%d" % number
        self.price = 10.5 + number
        self.tags = ["new", "gift-%d" % number]

    def fields(self):
        return {"name": self.name, "price": self.price, "tags": self.tags}


class Order:
    def __init__(self, number):
        self.number = number
        self.articles = [Article(i) for i in range(number, number + 5 + number % 4)]

    def document(self):
        return {"order": self.number, "customer": f"customer {self.number * 7}",
                "articles": [article.fields() for article in self.articles]}


def churn(number):
    text = json.dumps(Order(number).document())
    articles = json.loads(text)["articles"]
    labels = {article["name"]: "%s at %.2f" % (article["name"], article["price"]) for article in articles}
    words = [word.upper() for label in labels.values() for word in label.split()]
    return len(" ".join(sorted(words)).encode())


# --- leaks --------------------------------------------------------------------------------------------------

CACHE = {}


def dict_cache(number):
    CACHE["session-%012d" % number] = "profile of user %012d, " % number * 5  # leak: dict_cache


class Visit:
    __slots__ = ("path", "body")

    def __init__(self, path, body):
        self.path = path
        self.body = body


VISITS = []


def history(number):
    VISITS.append(Visit("/page/%012d" % number, b"%0120d" % number))  # leak: history


HOOKS = []


def register(path, status, user, session, body):  # leak: closure
    def flush():  # leak: closure
        return path, status, user, session, body
    HOOKS.append(flush)


def closure(number):
    register("/page", 200, "ada", None, "shown %0150d" % number)  # leak: closure


@functools.lru_cache(maxsize=None)
def lookup(name):
    return "the row of %s, " % name * 6  # leak: lru_cache


def unbounded_lru_cache(number):
    lookup("user-%012d" % number)  # leak: lru_cache


class Connection:
    __slots__ = ("peer",)
    opened = []

    def __init__(self, peer):
        self.peer = peer
        Connection.opened.append(self)


def class_attribute(number):
    Connection("peer %0100d" % number)  # leak: class_attribute


class WorkerState(threading.local):
    def __init__(self):
        self.jobs = []


WORKER = WorkerState()


def thread_local(number):
    WORKER.jobs.append("job %0100d" % number)  # leak: thread_local


TASKS = set()


async def notify(number):
    return "notified %0200d" % number  # leak: tasks


def spawn(number):
    TASKS.add(asyncio.get_running_loop().create_task(notify(number), name="task %012d" % number))  # leak: tasks


ERRORS = []


def parse(text):
    message = "not a field: " + text  # leak: exceptions
    raise ValueError("form", 400, "field", None, message)  # leak: exceptions


def handle(text):
    try:
        parse(text)  # leak: exceptions
    except ValueError as error:
        ERRORS.append(error)


def handling():
    """A generator, for a frame that is kept keeps its callers' frames too, and a generator that waits has none."""
    while True:
        number = yield
        handle("%0100d" % number)  # leak: exceptions


HANDLING = handling()
next(HANDLING)


class Node:
    __slots__ = ("name", "other")


def cycle(number):
    left, right = Node(), Node()  # leak: cycle
    left.other, right.other = right, left
    left.name = "node %0100d" % number  # leak: cycle


SLOW = []


def slow(number):
    SLOW.append("slow %0150d" % number)  # leak: slow


OFTEN, SELDOM = [], []


def often(number):
    OFTEN.append("often %0150d" % number)  # leak: often


def seldom(number):
    SELDOM.append("seldom %0150d" % number)  # leak: seldom


DEEP = []


def descend(depth, number):
    if depth:
        descend(depth - 1, number)
    else:
        DEEP.append("deep %0150d" % number)  # leak: recursion


def recursion(number):
    descend(120, number)


# --- no leaks -----------------------------------------------------------------------------------------------

WARM_SHARE = 0.4  # of the run: after it the cache is as large as it gets
TOOTH_S = 6

WARM = {}
TOOTH = []


def warm_up(number, elapsed_s, duration_s):
    if elapsed_s < WARM_SHARE * duration_s:
        WARM["key-%012d" % number] = "value of %012d, " % number * 5


def sawtooth(number, elapsed_s, duration_s):
    tooth = int(elapsed_s / TOOTH_S)
    if TOOTH and TOOTH[0] != tooth:
        TOOTH.clear()
    if not TOOTH:
        TOOTH.append(tooth)
    TOOTH.append("point %0100d" % number)


# --- programs -----------------------------------------------------------------------------------------------

class Leak:
    """Runs in those iterations whose number leaves one of the remainders when divided by the period."""

    def __init__(self, name, step, period=2, remainders=(0,)):
        self.name, self.step, self.period, self.remainders = name, step, period, remainders
        self.items = self.item_blocks = self.item_bytes = 0

    def run(self, number):
        if number % self.period in self.remainders:
            self.step(number)
            self.items += 1

    def calibrate(self, within):
        """Alone, so that only what it keeps makes a difference. The first items empty the free lists."""
        for number in range(CALIBRATION):
            within(self.step, number)
        before = pools()
        for number in range(CALIBRATION, 2 * CALIBRATION):
            within(self.step, number)
        after = pools()
        self.item_blocks = (after[0] - before[0]) / CALIBRATION
        self.item_bytes = (after[1] - before[1]) / CALIBRATION

    def truth(self):
        return {"lines": marked_lines(self.name), "items": self.items,
                "blocks": round(self.items * self.item_blocks), "bytes": round(self.items * self.item_bytes)}


def directly(work, number):
    work(number)


@functools.lru_cache(maxsize=None)
def worker():
    return ThreadPoolExecutor(1)


def in_worker(work, number):
    worker().submit(work, number).result()


@functools.lru_cache(maxsize=None)
def event_loop():
    return asyncio.new_event_loop()


def in_loop(work, number):
    """What the work starts has run when this returns."""
    async def handler():
        work(number)
        await asyncio.sleep(0)
    event_loop().run_until_complete(handler())


class Program:
    def __init__(self, *leaks, within=directly, honest=None, collect=True):
        self.leaks, self.within, self.honest, self.collect = leaks, within, honest, collect

    def prepare(self, duration_s):
        self.duration_s = duration_s
        gc.disable()
        pools()  # what it imports and caches is not an item's
        for leak in self.leaks:
            leak.calibrate(self.within)
        if self.collect:
            gc.enable()

    def iterate(self, number, elapsed_s):
        churn(number)
        for leak in self.leaks:
            leak.run(number)
        if self.honest:
            self.honest(number, elapsed_s, self.duration_s)

    def truth(self):
        return json.dumps({leak.name: leak.truth() for leak in self.leaks})


PROGRAMS = {
    "dict_cache": Program(Leak("dict_cache", dict_cache)),
    "list": Program(Leak("history", history)),
    "closure": Program(Leak("closure", closure, period=4)),
    "lru_cache": Program(Leak("lru_cache", unbounded_lru_cache)),
    "class_attribute": Program(Leak("class_attribute", class_attribute)),
    "thread_local": Program(Leak("thread_local", thread_local, period=1), within=in_worker),
    "tasks": Program(Leak("tasks", spawn, period=8), within=in_loop),
    "exceptions": Program(Leak("exceptions", HANDLING.send, period=8)),
    "cycle": Program(Leak("cycle", cycle), collect=False),
    "slow": Program(Leak("slow", slow, period=14)),
    "two": Program(Leak("often", often, 4, (0, 1, 2)), Leak("seldom", seldom, 4, (3,))),
    "recursion": Program(Leak("recursion", recursion, period=1)),
    "churn": Program(),
    "warm_up": Program(honest=warm_up),
    "sawtooth": Program(honest=sawtooth),
}


@functools.lru_cache(maxsize=None)
def marked_lines(name):
    with open(__file__) as source:
        return [number for number, line in enumerate(source, 1) if line.endswith("# leak: %s\n" % name)]


def pools():
    """(blocks, bytes) in use in pymalloc's pools: the table that goes to standard error."""
    table = os.memfd_create("pools")
    errors = os.dup(2)
    os.dup2(table, 2)
    sys._debugmallocstats()
    os.dup2(errors, 2)
    text = os.pread(table, 1 << 20, 0).decode()
    os.close(errors)
    os.close(table)
    rows = re.findall(r"^ *\d+ +(\d+) +\d+ +(\d+) +\d+$", text, re.M)
    return sum(int(blocks) for _, blocks in rows), sum(int(size) * int(blocks) for size, blocks in rows)


def serve(program):
    """Iterates between the commands until standard input ends."""
    poller = select.poll()
    poller.register(0, select.POLLIN)
    running, number, started = False, 2 * CALIBRATION, time.monotonic()
    reply("ready")
    while True:
        while running and not poller.poll(0):
            elapsed_s = time.monotonic() - started
            program.within(functools.partial(program.iterate, elapsed_s=elapsed_s), number)
            number += 1
        command = os.read(0, 4096).decode().strip()
        if not command:
            return
        if command == "go":
            running, started = True, time.monotonic()
        elif command == "pause":
            running = False
        reply(program.truth() if command == "truth" else "done")


def main(name, duration_s="60"):
    PROGRAMS[name].prepare(float(duration_s))
    serve(PROGRAMS[name])


if __name__ == "__main__":
    main(*sys.argv[1:])
