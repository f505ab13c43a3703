# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Names that mean something to terminals, to files of lines, to XML, HTML, JSON, dot and printf, wherever a name can
be: functions, files, variables, classes, modules, attributes, keys, values, threads, tasks. Driven by steps.py: `make`
allocates under each of the functions, whose names `names` tells.
"""
import asyncio
import sys
import threading
import time
import types

import steps

NAMES = ["red \x1b[31m \x1b]0;title\x07", "line\nfeed\r\n\tlinger: lie", "c1 \x9b31m \x85 \x90",
         "bidi \u202e\u2066\u200f\u061c", "zero \0 end", "lone \udcff \ud800", "; a;b;  c 7",
         "</script><script>window.hostile = 1</script>", "]]><g onload=\"window.hostile = 2\"/>",
         "\"'><img src=x onerror='window.hostile = 3'>", "&#x1b;[31m &lt;b&gt; &quot;",
         "lines \u2028\u2029\ufeff\uffff\ufffe", "%s%n%d%%", "\\N \\G\\", "tag \U000e0041 \U0010ffff",
         "combined " + "\u0301" * 1000, "long " + "x" * 200000, "", " "]
BIG = 700
KEPT, TASKS, BARRIER = [], [], threading.Barrier(len(NAMES) + 1)


def renamed(function, name):
    """The function with that name in all places of its code."""
    code = function.__code__.replace(co_name=name, co_filename="/srv/" + name,
                                     co_varnames=tuple(name + str(i) for i in range(function.__code__.co_nlocals)))
    if hasattr(code, "co_qualname"):
        code = code.replace(co_qualname=name)
    return types.FunctionType(code, globals(), name)


def make(count, value):
    for _ in range(count):
        KEPT.append([_, bytearray(BIG), value])


def wait(name, value):
    with open("/proc/self/task/%d/comm" % threading.get_native_id(), "wb") as comm:
        comm.write(name.encode("utf-8", "surrogatepass")[:15] or b"\x1b")
    BARRIER.wait()
    time.sleep(100000)


def make_class(name):
    """Some names a class cannot have."""
    try:
        made = type(name, (), {"__module__": "module " + name})
    except (ValueError, UnicodeEncodeError):
        return None
    return made


async def sleep(name, value):
    asyncio.current_task().set_name(name)
    await asyncio.sleep(100000)


async def run_tasks():
    TASKS.extend(asyncio.ensure_future(renamed(sleep, name)(name, name)) for name in NAMES)
    for _ in range(3):
        await asyncio.sleep(0)
    BARRIER.wait()
    await asyncio.sleep(100000)


FUNCTIONS = [renamed(make, name) for name in NAMES]
CLASSES = [made for made in map(make_class, NAMES) if made]
INSTANCES = {}


def make_all():
    for name, function in zip(NAMES, FUNCTIONS):
        function(200, name)


def build():
    for i, made in enumerate(CLASSES):
        module = types.ModuleType(made.__module__)
        sys.modules[made.__module__] = module
        instance = made()
        setattr(instance, made.__name__, NAMES)
        setattr(module, made.__name__, instance)
        INSTANCES[made.__name__] = [instance] + [made() for _ in range(50)]
    for name in NAMES:
        threading.Thread(target=renamed(wait, name), args=(name, name), daemon=True).start()
    BARRIER.wait()
    BARRIER.reset()
    BARRIER._parties = 2
    threading.Thread(target=lambda: asyncio.run(run_tasks()), daemon=True).start()
    BARRIER.wait()


build()
steps.serve({"make": make_all})
