# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a tracer takes from its target in the moments in which it works.

A machine that is not ours alone is faster and slower by several per cent from one half minute to the next, and a
tracer that costs one per cent disappears in that. But it works in moments, some tens of milliseconds every few
seconds, and shows when by the CPU time that it uses; right before and after a moment the machine is the same and the
tracer does nothing. So the work that the target gets done in a moment is compared with the half seconds around it.
What a tracer costs all the time is not in this: nothing is attached between windows.
"""

import bisect
import statistics
import threading
import time
from collections.abc import Callable

STEP_SECONDS = 0.02
WORKING_NS = 1_000_000  # of CPU in a step: it works
MARGIN_STEPS = 3  # before and after: in a window it mostly sleeps
AROUND_STEPS = 25
CONTROL_SECONDS = 1.0

Series = list[tuple[float, float]]  # a time and what was done by then, ascending


class Watch:
    """Polls counters until it is left; `series` has one for each counter."""

    def __init__(self, *counters: Callable[[], float]) -> None:
        self.counters = counters
        self.series: list[Series] = [[] for _ in counters]
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._poll, daemon=True)

    def _poll(self) -> None:
        while not self.over.wait(STEP_SECONDS):
            for counter, series in zip(self.counters, self.series):
                series.append((time.monotonic(), counter()))

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()


def cpu_ns(pid: int) -> int:
    """Of its main thread, which does all that takes a tracer time between windows."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as schedstat:
        return int(schedstat.read().split()[0])


def packets() -> int:
    """Sent through the loopback device: so many for each request."""
    with open("/sys/class/net/lo/statistics/tx_packets", encoding="ascii") as file:
        return int(file.read())


def at(series: Series, when: float) -> float:
    """Between the points that are known."""
    right = min(max(bisect.bisect_left(series, (when, 0.0)), 1), len(series) - 1)
    (t0, v0), (t1, v1) = series[right - 1], series[right]
    return v0 + (v1 - v0) * (when - t0) / (t1 - t0)


def steps(series: Series, grid: list[float]) -> list[float]:
    values = [at(series, when) for when in grid]
    return [after - before for before, after in zip(values, values[1:])]


def spans(working: list[bool]) -> list[tuple[int, int]]:
    """Where it works, with the margins; those that touch are one."""
    found: list[tuple[int, int]] = []
    for index, works in enumerate(working):
        begin, end = max(0, index - MARGIN_STEPS), min(len(working), index + MARGIN_STEPS + 1)
        if works and found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        elif works:
            found.append((begin, end))
    return found


def lost_steps(work: list[float], working: list[bool]) -> float:
    """How many steps' worth of work was not done while it worked."""
    idle = [True] * len(work)
    for begin, end in spans(working):
        idle[begin:end] = [False] * (end - begin)
    lost = 0.0
    for begin, end in spans(working):
        around = range(max(0, begin - AROUND_STEPS), min(len(work), end + AROUND_STEPS))
        usual = [work[step] for step in around if idle[step]]
        if usual and statistics.median(usual) > 0:
            lost += (end - begin) - sum(work[begin:end]) / statistics.median(usual)
    return lost


def lost_share(work: Series, tracer: Series) -> tuple[float, float]:
    """Of all the work, and as a control the same for moments one second off, in which nothing was done to it."""
    begin, end = max(work[0][0], tracer[0][0]), min(work[-1][0], tracer[-1][0])
    grid = [begin + STEP_SECONDS * step for step in range(int((end - begin) / STEP_SECONDS))]
    done = steps(work, grid)
    working = [used >= WORKING_NS for used in steps(tracer, grid)]
    off = round(CONTROL_SECONDS / STEP_SECONDS)
    shifted = working[-off:] + working[:-off]
    return lost_steps(done, working) / len(done), lost_steps(done, shifted) / len(done)
