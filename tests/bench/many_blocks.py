# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Workload: makes COUNT small objects when a line arrives on stdin, says so, and holds them until stdin ends.

    python3 many_blocks.py COUNT
"""

import sys


class Point:
    __slots__ = ("x", "y")


def make_points(count: int) -> list:
    return [Point() for _ in range(count)]


def make_pairs(count: int) -> list:
    return [(None, i & 127) for i in range(count)]


def make_words(count: int) -> list:
    return [str(1000 + i) for i in range(count)]


def make_buffers(count: int) -> list:
    return [bytes(32 + i % 64) for i in range(count)]


def main() -> None:
    each = int(sys.argv[1]) // 4
    print("ready", flush=True)
    sys.stdin.readline()
    kept = [make(each) for make in (make_points, make_pairs, make_words, make_buffers)]
    print("holds", sum(map(len, kept)), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
