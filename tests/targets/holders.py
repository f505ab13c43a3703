# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds objects in many ways and says by which chain, as objgraph finds it.

`chain CASE` prints the objects from a module to the one instance of the class CASE: type name and address of each,
the module first. `addresses CASE` prints the addresses of all its instances, `node N` that of a node in a linked list.
Nothing is changed afterwards.
"""
import asyncio
import atexit
import gc
import json
import sys
import threading
import weakref

import steps

MANY = 1000


class InDict:
    pass


class InClass:
    pass


class InClosure:
    pass


class InCallbacks:
    def on_event(self):
        pass


class InTraceback:
    pass


class InTask:
    pass


class InAttribute:
    pass


class InSlot:
    pass


class InFrame:
    pass


class InCode:
    def on_exit(self):
        pass


class InCycle:
    pass


class Many:
    pass


class Node:
    __slots__ = ("next",)

    def __init__(self, following):
        self.next = following


class Weak:
    pass


class Registry:
    items = [InClass()]


class Manager:
    def __init__(self):
        self.session = InAttribute()
        self.sessions = {}


class Slotted:
    __slots__ = ("session",)


class Outer:
    class Same:
        pass


class Same:
    pass


CACHE = {"9f3c27d0a1b2c3d4e5f60718": [None, InDict()], "short": None}
MANAGER = Manager()
SLOTTED = Slotted()
SLOTTED.session = InSlot()
CALLBACKS = [InCallbacks().on_event]
BY_KEY = {i: [Many()] for i in range(MANY)}
SAME = [Outer.Same(), Same()]
ERROR = HANDLER = FUTURE = HEAD = LOOP = WEAK = None


def make_handler():
    held = InClosure()

    def handler():
        return held
    return handler


def fail():
    held = InTraceback()
    raise ValueError(len(str(held)))


def keep_error():
    global ERROR
    try:
        fail()
    except ValueError as error:
        ERROR = error


async def wait(future):
    held = InTask()
    await future
    return held


def keep_task():
    """The loop keeps only tasks that can go on; this one waits for a future that is kept."""
    global FUTURE, LOOP
    LOOP = asyncio.new_event_loop()
    FUTURE = LOOP.create_future()
    LOOP.create_task(wait(FUTURE))
    LOOP.run_until_complete(asyncio.sleep(0))


def keep_frame(started):
    local = InFrame()
    started.set()
    threading.Event().wait()
    return local


def keep_cycle():
    """Of two, so that their dicts are in it too."""
    first, second = InCycle(), InCycle()
    first.other, second.other = second, first


def keep_weakly():
    global WEAK
    weak = Weak()
    weak.self = weak
    WEAK = weakref.ref(weak)


def hold():
    global HANDLER, HEAD
    HANDLER = make_handler()
    keep_error()
    keep_task()
    for _ in range(MANY):
        HEAD = Node(HEAD)
    MANAGER.sessions.update({(i, "x"): Many() for i in range(5)})
    atexit.register(InCode().on_exit)
    started = threading.Event()
    threading.Thread(target=keep_frame, args=(started,), daemon=True).start()
    started.wait()
    gc.collect()
    gc.disable()
    keep_cycle()
    keep_weakly()


def instances(kind):
    return [one for one in gc.get_objects() if type(one) is globals()[kind]]


def name_of(kind):
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def chain(kind):
    import objgraph  # pylint: disable=import-outside-toplevel
    (wanted,) = instances(kind)
    found = objgraph.find_backref_chain(wanted, objgraph.is_proper_module, extra_ignore=[id(sys._getframe())])
    return json.dumps([[name_of(type(one)), hex(id(one))] for one in found])


def addresses(kind):
    return json.dumps([hex(id(one)) for one in instances(kind)])


def node(number):
    """The address of a node that so many others lead to."""
    one = HEAD
    for _ in range(int(number)):
        one = one.next
    return hex(id(one))


if __name__ == "__main__":
    hold()
    steps.serve({"chain": chain, "addresses": addresses, "node": node})
