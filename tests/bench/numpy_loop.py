# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Workload: numpy arrays of several sizes, made and dropped, some of them kept for a while.

    python3 numpy_loop.py DEPTH SECONDS

DEPTH is the number of Python frames at the calls into numpy. What comes out is described in loop.py.
"""

import collections

import numpy

import loop

SIZES = (150, 400, 1000, 2500, 6000, 15000)  # of 8 bytes: below numpy's own cache there is nothing, above libc maps
KEPT = 200

kept: collections.deque = collections.deque(maxlen=KEPT)


def iteration(number: int) -> None:
    for size in SIZES:
        values = numpy.arange(size, dtype="float64")
        scaled = values * 0.5 + number
        if (number + size) % 4 == 0:
            kept.append(scaled)
    kept.append(numpy.concatenate((values[:100], scaled[:100])))


if __name__ == "__main__":
    loop.main(iteration)
