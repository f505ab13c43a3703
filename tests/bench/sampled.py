# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What sampled mode costs the processes that it records, and what it takes itself.

A pair is one process (or eight), warmed up, with a traced stretch between two untraced ones, so that what drifts as the
caches grow falls on both alike; all are equally long, because the load's own beginning is in each. The bars are those
of a tracer that nobody notices: throughput to a hundredth, p99 latency to a tenth.
"""

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import common
import peers

PAIRS = int(os.environ.get("BENCH_PAIRS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "12"))
SETTLE_SECONDS = 1.0
WARM_UP_SECONDS = 3.0
PROCESSES = 8
MODE = ["--mode", "sampled"]
OVERHEADS = (0.1, 1, 5)  # percent
DEFAULT_OVERHEAD = 1
TICKS = os.sysconf("SC_CLK_TCK")

Stretch = Callable[[list, float], common.Load]


@dataclasses.dataclass(frozen=True)
class Pair:
    untraced: common.Load
    traced: common.Load
    tracer_cpu: float  # of one core, for each target
    estimate: float  # of the target's time, by linger itself

    @property
    def rate_ratio(self) -> float:
        return self.traced.rate / self.untraced.rate

    @property
    def p99_ratio(self) -> float:
        return self.traced.p99_ms / self.untraced.p99_ms


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    start: Callable
    count: int
    stretch: Stretch
    least_rate: float
    most_p99: float | None = None


def loop_stretch(loops: list, seconds: float) -> common.Load:
    return common.Load(sum(loop.measure(seconds) for loop in loops), 0, 0)


def service_stretch(services: list, seconds: float) -> common.Load:
    """All of them under load at once."""
    with ThreadPoolExecutor(len(services)) as executor:
        loads = list(executor.map(lambda service: service.load(seconds), services))
    return common.Load(
        sum(load.rate for load in loads),
        common.median([load.p99_ms for load in loads]),
        max(load.longest_ms for load in loads),
    )


def both(first: common.Load, second: common.Load) -> common.Load:
    """Two stretches of the same length as one."""
    return common.Load(
        (first.rate + second.rate) / 2,
        (first.p99_ms + second.p99_ms) / 2,
        max(first.longest_ms, second.longest_ms),
    )


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS  # user and system time


@contextlib.contextmanager
def recordings(processes: list, options: list) -> Iterator[list]:
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(common.scratch()) for _ in processes]
        pairs = zip(processes, folders)
        yield [stack.enter_context(common.Recording(target.pid, folder, *options)) for target, folder in pairs]


def traced_stretch(workload: Workload, processes: list, options: list) -> tuple[common.Load, float, float]:
    """What was measured, the tracers' share of a core, and their estimate of the cost."""
    with recordings(processes, options) as tracers:
        workload.stretch(processes, SETTLE_SECONDS)
        used, begin = sum(cpu_seconds(tracer.pid) for tracer in tracers), time.monotonic()
        load = workload.stretch(processes, SECONDS)
        used = sum(cpu_seconds(tracer.pid) for tracer in tracers) - used
        elapsed = time.monotonic() - begin
        costs = [tracer.finish()["sampling"]["cost"] for tracer in tracers]
    return load, used / elapsed / len(tracers), common.median(costs)


def one_pair(workload: Workload, options: list) -> Pair:
    """In processes of its own: the full collections of a heap that has grown for minutes would decide the ratio."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(workload.start([common.PYTHON])) for _ in range(workload.count)]
        workload.stretch(processes, WARM_UP_SECONDS)
        before = workload.stretch(processes, SECONDS)
        load, tracer_cpu, estimate = traced_stretch(workload, processes, options)
        return Pair(both(before, workload.stretch(processes, SECONDS)), load, tracer_cpu, estimate)


def pairs_of(workload: Workload, options: list) -> list[Pair]:
    """As many as could be measured."""
    found: list[Pair] = []
    for number in range(PAIRS):
        try:
            found.append(one_pair(workload, options))
        except common.Failed as failure:
            common.skip(f"sampled, {workload.name}: {failure}")
            break
        common.progress(
            f"sampled: {workload.name} {' '.join(options)}, pair {number + 1} of {PAIRS}: {found[-1].rate_ratio:.3f}"
        )
    return found


def workloads() -> list[Workload]:
    found = [Workload("JSON loop", common.JsonLoop, 1, loop_stretch, 0.985)]
    if "FastAPI service" in peers.usable_workloads():
        found += [
            Workload("FastAPI service", common.Service, 1, service_stretch, 0.99, 1.10),
            Workload(f"{PROCESSES} FastAPI services", common.Service, PROCESSES, service_stretch, 0.985, 1.15),
        ]
    return found


def latency_cells(workload: Workload, pairs: list[Pair]) -> list[str]:
    if workload.most_p99 is None:
        return ["", "", ""]
    longest = (max(load.longest_ms for load in loads) for loads in zip(*[(p.untraced, p.traced) for p in pairs]))
    return [
        f"{common.median([pair.untraced.p99_ms for pair in pairs]):.1f} ms",
        f"{common.spread([pair.p99_ratio for pair in pairs], '.2f')}, bar {workload.most_p99:.2f}",
        " / ".join(f"{value:.0f} ms" for value in longest),
    ]


def row(workload: Workload, pairs: list[Pair]) -> list[str]:
    return [
        workload.name,
        f"{common.median([pair.untraced.rate for pair in pairs]):,.0f}/s",
        f"{common.spread([pair.rate_ratio for pair in pairs], '.3f')}, bar {workload.least_rate}",
        *latency_cells(workload, pairs),
        f"{common.median([pair.tracer_cpu for pair in pairs]):.1%}",
        f"{common.median([pair.estimate for pair in pairs]):.2%}",
    ]


def overhead_row(percent: float, pairs: list[Pair]) -> list[str]:
    return [
        f"{percent:g} %",
        common.spread([100 * (1 - pair.rate_ratio) for pair in pairs], ".2f") + " %",
        f"{common.median([pair.estimate for pair in pairs]):.2%}",
        f"{common.median([pair.tracer_cpu for pair in pairs]):.1%}",
    ]


def report(measured: dict[str, list[Pair]], found: list[Workload]) -> None:
    heads = ["workload", "untraced", "throughput, traced / untraced", "p99, untraced", "p99, traced / untraced"]
    heads += ["longest, untraced / traced", "linger's CPU per target, of one core", "cost, its own estimate"]
    rows = [row(workload, measured[workload.name]) for workload in found if measured[workload.name]]
    common.table(f"Sampled mode, medians of {PAIRS} pairs of {SECONDS:.0f} s (smallest-largest)", heads, rows)


def run() -> None:
    if not common.have_linger():
        return
    found = workloads()
    measured = {workload.name: pairs_of(workload, MODE) for workload in found}
    report(measured, found)
    loop = found[0]
    budgets = {
        percent: measured[loop.name]
        if percent == DEFAULT_OVERHEAD
        else pairs_of(loop, [*MODE, "--overhead", f"{percent:g}"])
        for percent in OVERHEADS
    }
    rows = [overhead_row(percent, pairs) for percent, pairs in budgets.items() if pairs]
    heads = ["--overhead", "throughput lost", "cost, its own estimate", "linger's CPU, of one core"]
    common.table("Sampled mode's budget, JSON loop (smallest-largest)", heads, rows)
