# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Builds and keeps objects inside a sub-interpreter, as mod_wsgi and uWSGI do. Driven by steps.py."""
import steps

try:
    import _interpreters as interpreters  # 3.13
except ImportError:
    import _xxsubinterpreters as interpreters  # 3.8-3.12

CODE = """
class Inside:
    __slots__ = ("value",)

def kept_inside():
    return [Inside() for _ in range(20000)]

def raw_inside():
    return [bytes(5000) for _ in range(200)]

keep = kept_inside()
keep_raw = raw_inside()
"""
INTERPRETERS = []


def build():
    made = interpreters.create()
    INTERPRETERS.append(made)
    interpreters.run_string(made, CODE)


if __name__ == "__main__":
    steps.serve({"build": build})
