# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program that is recorded from its start to its end: holding.py HOW [FILE].

It holds COUNT blocks, lets the interpreter print its pools to standard error, and ends: at once (`exit`), as
programs do (`return`, `sys.exit`), with something left to its thread and to atexit (`late`), or when FILE is
gone (`wait`). `large` holds as many blocks of malloc, `map` a mapping too.
"""
import atexit
import importlib
import os
import sys
import threading
import time

COUNT = 20000
LARGE = 1000
KEEP = []


def hold():
    KEEP.append([object() for _ in range(COUNT)])


def hold_large():
    KEEP.append([bytes(LARGE) for _ in range(COUNT)])


def hold_mapping(mmap):
    KEEP.append(mmap.mmap(-1, 64 << 20))


def hold_late():
    time.sleep(0.3)
    hold()


def tell(text):
    os.write(1, text.encode() + b"\n")


def main(how, path=None):
    hold()
    if how == "large":
        hold_large()
    if how == "map":
        hold_mapping(importlib.import_module("mmap"))  # not every interpreter has it
    if how == "late":
        threading.Thread(target=hold_late).start()
        atexit.register(hold)
    if how == "wait":
        tell("waiting")
        while os.path.exists(path):
            time.sleep(0.01)
    if how == "sys.exit":
        sys.exit(5)
    if how == "exit":
        sys._debugmallocstats()
        os._exit(0)


main(*sys.argv[1:])
