# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the loops that are measured have in common: they run at a given Python depth and say how fast.

Fifty times a second a line `MONOTONIC_SECONDS ITERATIONS RATE` comes out: the clock, the iterations so far and the
iterations per second since the line before.
"""

import sys
import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.02
BATCH = 10  # iterations between two looks at the clock


def run(iteration: Callable[[int], None], seconds: float) -> None:
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


def descend(frames: int, iteration: Callable[[int], None], seconds: float) -> None:
    if frames > 0:
        descend(frames - 1, iteration, seconds)
    else:
        run(iteration, seconds)


def main(iteration: Callable[[int], None]) -> None:
    """DEPTH SECONDS on the command line: the iteration is the frame at DEPTH."""
    depth, seconds = int(sys.argv[1]), float(sys.argv[2])
    descend(depth - 5, iteration, seconds)  # <module>, main, the last descend, run and the iteration make five
