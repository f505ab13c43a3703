# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads that wait in all kinds of frames, and what the interpreter itself says of their stacks. Driven by steps.py.

Only the thread that answers the commands cannot be asked about: all the others, the main thread too, stand still.
At SIGUSR1 faulthandler writes what it says of all of them, without running any Python.
"""
import faulthandler
import json
import signal
import sys
import threading
import time

import steps

DEEP = 100
CASES = {}
LOCK = threading.Lock()


def case(function):
    CASES[function.__name__] = function
    return function


def park():
    LOCK.acquire()


@case
def lock():
    park()


@case
def sleep():
    time.sleep(100000)


@case
def event():
    threading.Event().wait()


def descend(depth):
    if depth:
        descend(
            depth - 1)
    else:
        park()


@case
def deep_recursion():
    descend(DEEP)


@case
def very_deep_recursion():
    descend(300)


def numbers():
    yield 1
    yield from further()


def further():
    park()
    yield 2


@case
def generators():
    for _ in numbers():
        pass


def nested_generators(depth):
    if depth:
        yield from nested_generators(depth - 1)
    else:
        park()
        yield


@case
def deep_generators():
    list(nested_generators(30))


async def awaited():
    park()


async def stream():
    await awaited()
    yield


async def main_coroutine():
    async for _ in stream():
        pass


@case
def coroutines():
    main_coroutine().send(None)


@case
def comprehension():
    [[park()
      for _ in range(1)]
     for _ in range(1)]


@case
def generator_expression():
    list(
        park()
        for _ in range(1))


def decorate(function):
    def wrapper(*arguments):
        return function(
            *arguments)
    return wrapper


class Thing:
    def __init__(self):
        self.method(
        )

    @decorate
    def method(self):
        self.value

    @property
    def value(self):
        self[0]

    def __getitem__(self, key):
        (lambda:
            park())()


@case
def methods():
    Thing()


@case
def called_from_c():
    sorted([1], key=lambda value: list(map(lambda inner:
                                           max([inner], key=lambda _: park()), [value])))


@case
def class_body():
    class Body:
        inside = park()


@case
def handlers():
    try:
        try:
            raise ValueError
        except ValueError:
            raise KeyError
    except KeyError:
        try:
            pass
        finally:
            park()


def cells(argument):
    def inner():
        return argument
    park()
    return inner


@case
def closure():
    cells(1)


def named(text):
    """A function of this name in a file of this name."""
    source = "\n\ndef %s(park):\n    pass\n    park()\n" % text
    names = {}
    exec(compile(source, "/somewhere/%s.py" % text, "exec"), names)

    def call():
        names[text](park)
    CASES["named " + ascii(text)] = call


named("plain")
named("na\xefve")
named("\u0438\u043c\u044f")
named("\U00010400x")
named("f" + "_long" * 50)


def stack_of(frame):
    """Innermost frame first."""
    stack = []
    while frame:
        code = frame.f_code
        stack.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return stack


def look():
    me = threading.get_ident()
    return {thread: stack_of(frame) for thread, frame in sys._current_frames().items() if thread != me}


def truth():
    """When nothing has moved for a while: {thread: stack}, and the kernel's ids where the interpreter has them."""
    before, same = look(), 0
    while same < 5:
        time.sleep(0.02)
        now = look()
        same = same + 1 if now == before else 0
        before = now
    native = {thread.ident: getattr(thread, "native_id", None) for thread in threading.enumerate()}
    return json.dumps({"stacks": before, "native": native})


def serve():
    steps.serve({"truth": truth, "me": lambda: str(threading.get_ident())})


def main():
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    LOCK.acquire()
    for function in CASES.values():
        threading.Thread(target=function, daemon=True).start()
    server = threading.Thread(target=serve)
    server.start()
    server.join()


if __name__ == "__main__":
    main()
