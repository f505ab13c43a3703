# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Workload: numpy arrays of several sizes, made and dropped, some of them kept for a while.

    python3 numpy_loop.py DEPTH SECONDS

DEPTH is the number of Python frames at the loop. What comes out are the lines of json_loop.py.
"""

import collections
import sys
import time

import numpy

SIZES = (150, 400, 1000, 2500, 6000, 15000)  # of 8 bytes: below numpy's own cache there is nothing, above libc maps
KEPT = 200
INTERVAL_SECONDS = 0.25
BATCH = 10  # iterations between two looks at the clock

kept: collections.deque = collections.deque(maxlen=KEPT)


def iteration(number: int) -> None:
    for size in SIZES:
        values = numpy.arange(size, dtype="float64")
        scaled = values * 0.5 + number
        if (number + size) % 4 == 0:
            kept.append(scaled)
    kept.append(numpy.concatenate((values[:100], scaled[:100])))


def run(seconds: float) -> None:
    iterations = printed = 0
    now = before = time.monotonic()
    end = now + seconds
    while now < end:
        for _ in range(BATCH):
            iteration(iterations)
            iterations += 1
        now = time.monotonic()
        if now - before >= INTERVAL_SECONDS or now >= end:
            print(f"{now:.6f} {iterations} {(iterations - printed) / (now - before):.1f}", flush=True)
            before, printed = now, iterations


def descend(frames: int, seconds: float) -> None:
    if frames > 0:
        descend(frames - 1, seconds)
    else:
        run(seconds)


def main() -> None:
    depth, seconds = int(sys.argv[1]), float(sys.argv[2])
    descend(depth - 4, seconds)  # <module>, main, the last descend and run make four


if __name__ == "__main__":
    main()
