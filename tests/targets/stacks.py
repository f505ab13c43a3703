# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stacks: every case ends in mark(), which records the Python stack as the interpreter itself reports it.

Next to the record mark() keeps BLOCKS blocks of SIZE bytes, so the same stack has to be found in the profile
with that much alive. `run CASE` runs one, `cases` names them, `recorded` prints {case: stack}.
"""
import functools
import gc
import json
import sys
import threading

import steps

BLOCKS = 200
SIZE = 200
DEEP = 300
STACKS = {}
KEEP = []
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def mark(name):
    frame, stack = sys._getframe(1), []
    while frame:
        code = frame.f_code
        stack.append((getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno))
        frame = frame.f_back
    STACKS[name] = stack[::-1]
    hold()


def hold():
    out = [None] * BLOCKS
    for i in range(BLOCKS):
        out[i] = bytes(SIZE)
    KEEP.append(out)


def take(*arguments, **keywords):
    pass


@case
def multi_line_call():
    take(
        "first",
        mark("multi_line_call argument"),
        end="".join((
            "",
            str(
                mark("multi_line_call nested")
            ) * 0,
        )),
        last=None,
    )


@case
def multi_line_binary():
    return (
        mark("binary left")
        or
        [] + [
            mark("binary right")]
    )


def decorate(text):
    mark("decorator factory " + text)

    def decorator(function):
        mark("decorator " + text)

        def wrapper(*arguments):
            return function(
                *arguments)
        return wrapper
    return decorator


@case
def decorators():
    @decorate("outer")
    @decorate(
        "inner"
    )
    def decorated(
            argument=mark("default argument")):
        mark("decorated")
    decorated()


@case
def try_finally():
    try:
        try:
            mark("try")
            raise ValueError
        except ValueError:
            mark("except")
        else:
            pass
        finally:
            mark("finally")
        return 1
    finally:
        mark("finally at return")


@case
def loops():
    for i in range(3):
        if i < 2:
            continue
        mark("for")
    else:
        mark("for else")
    while True:
        mark("while")
        break


class Manager:
    def __enter__(self):
        mark("enter")

    def __exit__(self, *unused):
        mark("exit")


@case
def with_statement():
    with Manager():
        mark("with body")


@case
def comprehensions():
    [
        mark("list comprehension")
        for _ in range(1)
    ]
    {
        mark("dict comprehension key"):
            mark("dict comprehension value")
        for _ in range(1)
    }
    {mark("set comprehension %d" % i)
     for i in range(2)
     if not mark("comprehension condition %d" % i)}
    list(
        mark("generator expression")
        for _ in range(1)
    )
    [[mark("nested comprehension")
      for _ in range(1)]
     for _ in range(1)]


@case
def lambdas():
    (lambda:
        mark("lambda"))()
    call = lambda function: function()
    call(lambda: mark("lambda of lambda"))


def numbers():
    mark("generator first")
    yield 1
    mark("generator second")
    yield from further()


def further():
    mark("generator delegated")
    yield 2


@case
def generators():
    for _ in numbers():
        pass
    made = numbers()
    next(
        made)
    made.close()


async def awaited():
    mark("coroutine awaited")


async def stream():
    for i in range(2):
        mark("asynchronous generator %d" % i)
        yield i


async def main_coroutine():
    mark("coroutine")
    await awaited()
    async for _ in stream():
        mark("async for")
    [mark("asynchronous comprehension") async for _ in stream()]


@case
def coroutines():
    try:
        main_coroutine().send(None)
    except StopIteration:
        pass


@case
def nested_functions():
    def middle():
        def innermost():
            mark("innermost")
        innermost()
    middle()


class Thing:
    def __init__(self):
        mark("init")

    def method(self):
        mark("method")

    @classmethod
    def of_class(cls):
        mark("class method")

    @staticmethod
    def static():
        mark("static method")

    @property
    def value(self):
        mark("property")

    def __getitem__(self, key):
        mark("getitem")

    def __add__(self, other):
        mark("add")
        return self

    def __del__(self):
        mark("del")


@case
def methods():
    thing = Thing()
    thing.method()
    Thing.of_class()
    Thing.static()
    thing.value
    thing[0]
    thing + 1
    del thing

    class Body:
        inside = mark("class body")


def compare(left, right):
    mark("compare %d" % min(left, right))
    return left - right


@case
def c_functions():
    sorted([1], key=lambda value: mark("sorted key") or value)
    list(map(lambda value: mark("map"), [1]))
    functools.reduce(lambda left, right: mark("reduce"), [1, 2])
    [3, 4].sort(key=functools.cmp_to_key(compare))
    functools.partial(
        mark, "partial")()
    "".join(mark("join") or "" for _ in range(1))
    max([1], key=lambda value: sorted([2], key=lambda inner: mark("sorted in max") or inner)[0])


GENERATED = """

def generated():

    mark("exec")
    return (lambda:
            mark("exec lambda"))()

generated()
mark("exec module")
"""


@case
def executed():
    exec(compile(GENERATED, "<generated code>", "exec"), {"mark": mark})
    eval("mark('eval')", {"mark": mark})


@case
def unicode_names():
    for width, text in (("latin1", "na\xefve"), ("ucs2", "\u0438\u043c\u044f"), ("ucs4", "\U00010400x")):
        source = "\ndef %s():\n    mark('%s')\n%s()\n" % (text, width, text)
        exec(compile(source, "/somewhere/%s.py" % text, "exec"), {"mark": mark})


@case
def long_names():
    name = "f" + "_long" * 20
    source = "def %s():\n    mark('long')\n%s()\n" % (name, name)
    exec(compile(source, "/" + "directory/" * 18 + "file.py", "exec"), {"mark": mark})


# Code that only newer interpreters can compile, by the first version that can.
NEWER = {
    (3, 8): "if (value := 1):\n    (other :=\n     mark('walrus'))\n",
    (3, 10): "match [1, 2]:\n    case [1, x] if not mark('match guard'):\n        mark('match')\n",
    (3, 11): "try:\n    raise ExceptionGroup('g', [ValueError()])\nexcept* ValueError:\n    mark('except star')\n",
    (3, 12): "def f[T](x: T):\n    return f'''{\n    mark('f-string')}'''\nf(1)\n",
    (3, 14): "text = t'''{\n    mark('template string')}'''\n",
}


@case
def newer_syntax():
    for version, source in NEWER.items():
        if sys.version_info >= version:
            exec(compile(source, "<syntax of %d.%d>" % version, "exec"), {"mark": mark})


def descend(depth):
    if depth:
        descend(depth - 1)
    else:
        mark("deep")


@case
def deep_recursion():
    descend(DEEP)


THREAD_FUNCTIONS = "\n".join(
    "def thread_%d(barrier):\n    barrier.wait()\n    mark('thread %d')\n    barrier.wait()\n" % (i, i)
    for i in range(8))


@case
def threads():
    names = {"mark": mark}
    exec(compile(THREAD_FUNCTIONS, "<threads>", "exec"), names)
    barrier = threading.Barrier(8)
    started = [threading.Thread(target=names["thread_%d" % i], args=(barrier,)) for i in range(8)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def churn(source, name, count):
    """Compiles, runs and drops code objects of one size, so that each takes the address of the one before."""
    for i in range(count):
        out = [None] * 50
        names = {}
        exec(compile(*source(i), "exec"), names)
        names[name(i)](out)
        KEEP.append(out)
        names.clear()


def churn_names():
    """Same size and first line, another name and file each."""
    body = "def made_%04d(out):\n    for i in range(50):\n        out[i] = bytes(200)\n"
    churn(lambda i: (body % i, "made_%04d.py" % i), lambda i: "made_%04d" % i, 400)


def churn_lines():
    """Same name, file and first line: only the line table tells them apart."""
    body = "def same(out):\n    for i in range(50):\n%s        out[i] = bytes(200)\n"
    churn(lambda i: (body % ("\n" * i), "same.py"), lambda i: "same", 100)


def run(name):
    CASES[name]()


def run_all():
    for function in CASES.values():
        function()


if __name__ == "__main__":
    gc.disable()
    steps.serve({"run": run, "run_all": run_all, "churn_names": churn_names, "churn_lines": churn_lines,
                 "cases": lambda: " ".join(CASES), "recorded": lambda: json.dumps(STACKS)})
