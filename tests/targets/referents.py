# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects of every kind, and what the collector says that they refer to.

Commands: `list`, a JSON object: name -> {"id", "referents", "may" (ids that may be found besides)};
`scribble`, which ruins some of them, so that only `quit` may follow.
"""
import array
import collections
import contextvars
import functools
import gc
import itertools
import json
import os
import sys
import types
import weakref


class Plain:
    pass


class Slotted:
    __slots__ = ("first", "second", "__weakref__")


class SlottedWithDict(Slotted):
    __slots__ = ("third", "__dict__")


class Meta(type):
    pass


class WithMeta(metaclass=Meta):
    attribute = ["of", "a", "class"]


class Failure(ValueError):
    pass


def subclass_of(kind):
    return type("Sub" + kind.__name__, (kind,), {})


def with_attributes(instance, n=3):
    for i in range(n):
        setattr(instance, "name_%d" % i, ["value", i])
    return instance


def closure_of(value):
    def inner(default=["default"], *, keyword=["keyword"]) -> "int":
        return value, default, keyword
    inner.attribute = ["of", "a", "function"]
    return inner


def generate(argument):
    local = [argument]
    cell = ["cell"]
    for item in [[1], [2]]:
        yield item, local, lambda: cell


async def generate_async(argument):
    local = [argument]
    yield local


def fail():
    local = ["local of a frame"]
    try:
        raise KeyError(local)
    except KeyError as inner:
        raise with_attributes(Failure(["argument"])) from inner


def failure():
    try:
        fail()
    except Failure as error:
        return error


def started(generator):
    next(generator)
    return generator


def exhausted(generator):
    list(generator)
    return generator


def closed(coroutine):
    coroutine.close()
    return coroutine


def sent(coroutine):
    coroutine.send(None)
    return coroutine


@types.coroutine
def pause(argument):
    yield argument


async def await_pause(argument):
    local = [argument]
    await pause(local)


def thinned(container, remove):
    for i in range(0, 1000, 2):
        remove(container, i)
    return container


def rotated():
    items = collections.deque([i] for i in range(500))
    items.rotate(123)
    for i in range(70):
        items.appendleft(["left", i])
    return items


def instance_with_touched_dict():
    instance = with_attributes(Plain())
    instance.__dict__["later"] = ["later"]
    return instance


def make_containers():
    error = failure()
    return {
        "dict empty": {},
        "dict str": {"key_%d" % i: [i] for i in range(20)},
        "dict int": {i: [i] for i in range(20)},
        "dict mixed": {(i, "key"): [i] for i in range(3)},
        "dict of 300": {"key_%d" % i: [i] for i in range(300)},
        "dict of 5000": {"key_%d" % i: [] for i in range(5000)},
        "dict thinned": thinned({i: [i] for i in range(1000)}, dict.__delitem__),
        "dict subclass": with_attributes(subclass_of(dict)({"a": ["b"]})),
        "defaultdict": collections.defaultdict(Plain, {"a": ["b"]}),
        "OrderedDict": collections.OrderedDict((str(i), [i]) for i in range(20)),
        "Counter": collections.Counter(["a", "b", "a"]),
        "list empty": [],
        "list": [[1], [2], [3]],
        "list of 5000": [[] for _ in range(5000)],
        "list subclass": with_attributes(subclass_of(list)([["a"], ["b"]])),
        "tuple": (["a"], ["b"]),
        "tuple of 1000": tuple([i] for i in range(1000)),
        "tuple subclass": with_attributes(subclass_of(tuple)((["a"], ["b"]))),
        "namedtuple": collections.namedtuple("Pair", "left right")(["left"], ["right"]),
        "set": {("a", 1), ("b", 2)},
        "set of 1000": {("item", i) for i in range(1000)},
        "set thinned": thinned(set(range(1000)), set.remove),
        "set subclass": with_attributes(subclass_of(set)([("a",), ("b",)])),
        "frozenset": frozenset([("a", 1), ("b", 2)]),
        "deque empty": collections.deque(),
        "deque": collections.deque([["a"], ["b"]]),
        "deque rotated": rotated(),
        "deque bounded": collections.deque(([i] for i in range(1000)), maxlen=100),
        "deque subclass": with_attributes(subclass_of(collections.deque)([["a"]])),
        "exception": error,
        "exception's cause": error.__cause__,
        "traceback": error.__traceback__,
        "frame": error.__traceback__.tb_next.tb_frame,
        "OSError": OSError(2, "text", "file"),
    }


def make_instances():
    plain = with_attributes(Plain())
    slotted = Slotted()
    slotted.second = ["second"]
    both = with_attributes(SlottedWithDict())
    both.first, both.third = ["first"], ["third"]
    return {
        "instance": plain,
        "instance empty": Plain(),
        "instance of 40": with_attributes(Plain(), 40),
        "instance with a touched dict": instance_with_touched_dict(),
        "instance's dict": with_attributes(Plain()).__dict__,
        "slots": slotted,
        "slots and dict": both,
        "int subclass": with_attributes(subclass_of(int)(1 << 100)),
        "str subclass": with_attributes(subclass_of(str)("text")),
        "bytes subclass": with_attributes(subclass_of(bytes)(b"bytes")),
        "float subclass": with_attributes(subclass_of(float)(1.5)),
        "SimpleNamespace": types.SimpleNamespace(a=["a"], b=["b"]),
        "class": Plain,
        "class with slots": SlottedWithDict,
        "class with a metaclass": WithMeta,
        "metaclass": Meta,
        "module": json,
        "module made here": with_attributes(types.ModuleType("made_here")),
    }


def make_functions():
    function = closure_of(["captured"])
    context = contextvars.copy_context()
    for i in range(40):
        context.run(contextvars.ContextVar("variable_%d" % i).set, [i])
    callback = weakref.ref(function, lambda _: None)
    return {
        "function": function,
        "function plain": make_instances,
        "lambda": lambda: None,
        "cell": function.__closure__[0],
        "method": types.MethodType(function, ["self"]),
        "builtin method": [].append,
        "builtin function": len,
        "generator": started(generate(["argument"])),
        "generator not started": generate(["argument"]),
        "generator finished": exhausted(generate(["argument"])),
        "coroutine": sent(await_pause(["argument"])),
        "coroutine closed": closed(await_pause(["argument"])),
        "asynchronous generator": generate_async(["argument"]),
        "partial": functools.partial(function, ["argument"], keyword=["keyword"]),
        "property": property(function, function),
        "staticmethod": staticmethod(function),
        "classmethod": classmethod(function),
        "weakref": callback,
        "weakref subclass": weakref.KeyedRef(function, None, ("key",)),
        "WeakMethod": weakref.WeakMethod(types.MethodType(function, Plain)),
        "chain": itertools.chain([["a"]], [["b"]]),
        "iterator": iter([["a"], ["b"]]),
        "dict view": {"a": ["b"]}.items(),
        "dict iterator": iter({"a": ["b"]}.items()),
        "mappingproxy": types.MappingProxyType({"a": ["b"]}),
        "slice": slice(["a"], ["b"]),
        "super": super(SlottedWithDict, SlottedWithDict()),
        "context": context,
        "memoryview": memoryview(bytearray(b"bytes")),
        "array": array.array("d", [1.0, 2.0]),
        "bytearray": bytearray(b"x" * 1000),
        "code": make_functions.__code__,
    }


def untraced(kept):
    """What is no business of the collector: strings, and the code of a generator that has ended."""
    return [getattr(kept, name, None) for name in ("__name__", "__qualname__", "__module__", "gi_code", "cr_code")]


def describe(kept):
    return {"id": id(kept), "referents": [id(referent) for referent in gc.get_referents(kept)],
            "may": [id(one) for one in untraced(kept)]}


def scribble(kept):
    """Sizes, addresses and a type that make no sense; offsets as in Include/."""
    import ctypes
    for name, offset, word in (("list", 16, 1 << 40), ("list of 5000", 24, 0x1000), ("tuple", 16, 1 << 60),
                               ("tuple of 1000", 16, 1 << 31), ("dict str", 32, 0x123456789000),
                               ("dict of 300", 32, id(kept)), ("set", 32, 5), ("set of 1000", 40, 8),
                               ("deque", 24, id(kept)), ("deque rotated", 16, 1 << 31), ("instance", 8, id(kept)),
                               ("frozenset", 8, 0xdead0000), ("method", 16, (1 << 64) - 1)):
        ctypes.c_uint64.from_address(id(kept[name]) + offset).value = word


def main():
    kept = {**make_containers(), **make_instances(), **make_functions()}
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "list":
            print(json.dumps({name: describe(one) for name, one in kept.items()}), flush=True)
        elif line.strip() == "scribble":
            scribble(kept)
            print("ok", flush=True)
        else:
            break
    os._exit(0)


main()
