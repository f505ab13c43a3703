# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads that call and return all the time. A line calls a function of this file only where it says so: NAME(.

So every edge of a stack can be checked against this source. Driven by steps.py.
"""
import json
import sys
import threading
import time

import steps

DOCUMENT = json.dumps({"list": list(range(20)), "text": "text" * 5, "nested": {"a": [1.5, None, True]}})


def short():
    pass


def other():
    return 1


def alternating():
    while True:
        short()
        other()


def fibonacci(n):
    if n < 2:
        return n
    left = fibonacci(n - 1)
    return left + fibonacci(n - 2)


def recursing():
    while True:
        fibonacci(18)


def key_of(value):
    return short() or -value


def calling_back():
    while True:
        sorted([3, 1, 2], key=lambda value: key_of(value))


def numbers(n):
    for i in range(n):
        yield other()
        yield from numbers(i - 8)


def generating():
    while True:
        sum(numbers(20))


def pretty(value):
    # The encoder that is written in Python.
    return json.dumps(value, indent=1)


def encoding():
    while True:
        pretty(json.loads(DOCUMENT))


def deeper(n):
    if n:
        return deeper(n - 1)
    for _ in range(50):
        short()
        other()


def deep():
    while True:
        deeper(60)


LOADS = {function.__name__: function for function in (alternating, recursing, calling_back, generating, encoding, deep)}


def run(*names):
    for name in names or LOADS:
        threading.Thread(target=LOADS[name], daemon=True).start()
    time.sleep(0.1)


if __name__ == "__main__":
    sys.setswitchinterval(0.001)
    steps.serve({"run": run, "loads": lambda: " ".join(LOADS)})
