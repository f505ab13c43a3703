# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""asyncio tasks that wait for all kinds of things, and what they themselves say of it. Driven by steps.py.

One event loop waits for events, another is held up by a task that blocks, so that the tasks behind it are ready.
"""
import asyncio
import gc
import json
import os
import threading

import steps

CASES = {}
LOCK = threading.Lock()
BLOCKED = threading.Event()
STEPS = ("coroutine_wrapper", "async_generator_asend", "async_generator_athrow")
PREFIXES = ("cr", "gi", "ag")


def case(function):
    CASES[function.__name__] = function
    return function


def future():
    return asyncio.get_event_loop().create_future()


@case
async def a_future():
    await future()


@case
async def sleeping():
    await asyncio.sleep(100000)


@case
async def an_event():
    await asyncio.Event().wait()


@case
async def a_queue():
    await asyncio.Queue().get()


async def nested(depth):
    if depth:
        return await nested(
            depth - 1)
    await future()


@case
async def deep():
    await nested(50)


@case
async def very_deep():
    await nested(300)


@case
async def a_task():
    await asyncio.ensure_future(named("awaited"))


async def named(name):
    asyncio.current_task().set_name(name)
    await future()


@case
async def gathering():
    await asyncio.gather(named("gathered 1"), named("na\xefve"))


async def stream():
    yield 1
    await nested(2)
    yield 2


@case
async def asynchronous_generator():
    async for _ in stream():
        pass


class Manager:
    async def __aenter__(self):
        await nested(1)

    async def __aexit__(self, *unused):
        pass


@case
async def asynchronous_with():
    async with Manager():
        pass


class Forwards:
    def __await__(self):
        return nested(1).__await__()


class Generates:
    def __await__(self):
        yield from future()


@case
async def awaits_a_forwarder():
    await Forwards()


@case
async def awaits_a_generator():
    await Generates()


@case
async def with_arguments(coroutine=None, *more):
    [await item for item in [future()]]


class Derived(asyncio.Task):
    pass


@case
async def not_started():
    await future()


async def block():
    BLOCKED.set()
    LOCK.acquire()


# --- what they say ------------------------------------------------------------------------------------------

def suspended_in(coroutine):
    """Innermost frame first."""
    stack = []
    while coroutine is not None:
        prefix = next((prefix for prefix in PREFIXES if hasattr(coroutine, prefix + "_frame")), None)
        if type(coroutine).__name__ in STEPS:
            coroutine = gc.get_referents(coroutine)[0]
        elif not prefix:
            break
        else:
            frame = getattr(coroutine, prefix + "_frame")
            stack.insert(0, [getattr(frame.f_code, "co_qualname", frame.f_code.co_name), frame.f_code.co_filename,
                             frame.f_lineno])
            coroutine = getattr(coroutine, "gi_yieldfrom" if prefix == "gi" else prefix + "_await")
    return stack


def describe(task):
    waiter = task._fut_waiter
    description = {"name": task.get_name(), "state": "waiting" if waiter else "ready", "frames": [], "waits_for": None}
    if task.get_coro().cr_running:
        description["state"] = "running"
    else:
        description["frames"] = suspended_in(task.get_coro())
    if waiter:
        name = waiter.get_name() if isinstance(waiter, asyncio.Task) else None
        kind = type(waiter)
        description["waits_for"] = ["0x%x" % id(waiter), "%s.%s" % (kind.__module__, kind.__qualname__), name]
    return description


LOOPS = []


def truth():
    tasks = [task for loop in LOOPS for task in asyncio.all_tasks(loop)]
    return json.dumps({"0x%x" % id(task): describe(task) for task in tasks})


def crowd(n):
    """So many tasks that come and go as fast as they can."""
    async def busy():
        while True:
            await asyncio.ensure_future(asyncio.sleep(0))

    async def start():
        KEPT.extend(asyncio.ensure_future(busy()) for _ in range(int(n)))
    asyncio.run_coroutine_threadsafe(start(), LOOPS[0]).result()


KEPT = []


def run_blocked():
    loop = asyncio.new_event_loop()
    LOOPS.append(loop)
    KEPT.append(loop.create_task(block()))
    KEPT.extend(loop.create_task(function()) for function in CASES.values())
    loop.run_forever()


async def main():
    loop = asyncio.get_event_loop()
    LOOPS.append(loop)
    for function in CASES.values():
        if function is not not_started:
            KEPT.append(loop.create_task(function()))
    derived = Derived(a_future(), loop=loop)
    derived.attribute = 1
    derived.set_name("derived")
    KEPT.append(derived)
    threading.Thread(target=run_blocked, daemon=True).start()
    await loop.run_in_executor(None, BLOCKED.wait)
    threading.Thread(target=serve).start()
    await future()


def serve():
    steps.serve({"truth": truth, "crowd": crowd})
    os._exit(0)


if __name__ == "__main__":
    LOCK.acquire()
    asyncio.run(main())
