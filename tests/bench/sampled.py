# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What sampled mode costs the processes that it records, and what it takes itself.

A pair is two processes (or twice eight), one after the other, that live through the same: started, warmed up, measured,
one of them traced; which comes first changes from pair to pair. A service gets the same number of requests in both,
so that its heap grows and is collected alike: one full collection more or less would be more than what is measured.
The bars are those of a tracer that nobody notices: throughput to a hundredth, p99 latency to a tenth. The ratio of a
pair is as good as the machine is quiet; what is lost in the moments in which linger works (moments.py) is measured
beside it, to about a thousandth.
"""

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import common
import moments
import peers

PAIRS = int(os.environ.get("BENCH_PAIRS", "8"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
SETTLE_SECONDS = 1.0
WARM_UP_SECONDS = 3.0
PROCESSES = 8
REQUESTS_PER_SECOND = 2000  # of all services together, about: a stretch is so many requests
MODE = ["--mode", "sampled"]
OVERHEADS = (0.1, 1, 5)  # percent
DEFAULT_OVERHEAD = 1
LOST_HEAD = "lost in linger's moments (control)"
TICKS = os.sysconf("SC_CLK_TCK")

Stretch = Callable[[list, float], common.Load]


@dataclasses.dataclass(frozen=True)
class Pair:
    untraced: common.Load
    traced: common.Load
    tracer_cpu: float  # of one core, for each target
    estimate: float  # of the target's time, by linger itself
    lost: float  # of its work, in the moments in which linger works
    control: float  # the same for moments in which it does not

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
    work: Callable[[list, moments.Series], moments.Series]  # what was done by when, of them or in packets
    least_rate: float
    most_p99: float | None = None


def loop_stretch(loops: list, seconds: float) -> common.Load:
    return common.Load(sum(loop.measure(seconds) for loop in loops), 0, 0)


def loop_work(loops: list, _: moments.Series) -> moments.Series:
    return loops[0].ticks()


def service_work(_: list, packets: moments.Series) -> moments.Series:
    return packets


def service_stretch(services: list, seconds: float) -> common.Load:
    """All of them under load at once."""
    requests = round(seconds * REQUESTS_PER_SECOND / len(services))
    with ThreadPoolExecutor(len(services)) as executor:
        loads = list(executor.map(lambda service: service.serve(requests), services))
    return common.Load(
        sum(load.rate for load in loads),
        common.median([load.p99_ms for load in loads]),
        max(load.longest_ms for load in loads),
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


@dataclasses.dataclass(frozen=True)
class Life:
    """What was measured of one process, or of eight."""

    load: common.Load
    tracer_cpu: float = 0
    estimate: float = 0
    lost: float = 0
    control: float = 0


def untraced_life(workload: Workload, processes: list) -> Life:
    workload.stretch(processes, SETTLE_SECONDS)
    return Life(workload.stretch(processes, SECONDS))


def traced_life(workload: Workload, processes: list, options: list) -> Life:
    with recordings(processes, options) as tracers:
        workload.stretch(processes, SETTLE_SECONDS)
        used, begin = sum(cpu_seconds(tracer.pid) for tracer in tracers), time.monotonic()
        with moments.Watch(moments.packets, lambda: sum(moments.cpu_ns(tracer.pid) for tracer in tracers)) as watch:
            load = workload.stretch(processes, SECONDS)
        used = sum(cpu_seconds(tracer.pid) for tracer in tracers) - used
        elapsed = time.monotonic() - begin
        costs = [tracer.finish()["sampling"]["cost"] for tracer in tracers]
    packets, tracer_time = watch.series
    lost = moments.lost_share(workload.work(processes, packets), tracer_time)
    return Life(load, used / elapsed / len(tracers), common.median(costs), *lost)


def life(workload: Workload, options: list | None) -> Life:
    """With options: traced."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(workload.start([common.PYTHON])) for _ in range(workload.count)]
        workload.stretch(processes, WARM_UP_SECONDS)
        if options is None:
            return untraced_life(workload, processes)
        return traced_life(workload, processes, options)


def one_pair(workload: Workload, options: list, traced_first: bool) -> Pair:
    lives = {traced: life(workload, options if traced else None) for traced in (traced_first, not traced_first)}
    traced = lives[True]
    return Pair(lives[False].load, traced.load, traced.tracer_cpu, traced.estimate, traced.lost, traced.control)


def pairs_of(workload: Workload, options: list) -> list[Pair]:
    """As many as could be measured."""
    found: list[Pair] = []
    for number in range(PAIRS):
        try:
            found.append(one_pair(workload, options, traced_first=number % 2 == 1))
        except common.Failed as failure:
            common.skip(f"sampled, {workload.name}: {failure}")
            break
        ratio, lost, control = found[-1].rate_ratio, found[-1].lost, found[-1].control
        common.progress(
            f"sampled: {workload.name} {' '.join(options)}, pair {number + 1} of {PAIRS}: "
            f"{ratio:.3f}, lost {lost:.2%} ({control:.2%})"
        )
    return found


def workloads() -> list[Workload]:
    found = [Workload("JSON loop", common.JsonLoop, 1, loop_stretch, loop_work, 0.985)]
    if "FastAPI service" in peers.usable_workloads():
        service = (service_stretch, service_work)
        found += [
            Workload("FastAPI service", common.Service, 1, *service, 0.99, 1.10),
            Workload(f"{PROCESSES} FastAPI services", common.Service, PROCESSES, *service, 0.985, 1.15),
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


def lost_cell(pairs: list[Pair]) -> str:
    """Medians: a full collection that falls into a moment is not linger's."""
    lost, control = (common.median(values) for values in zip(*[(pair.lost, pair.control) for pair in pairs]))
    return f"{lost:.2%} ({control:.2%})"


def row(workload: Workload, pairs: list[Pair]) -> list[str]:
    return [
        workload.name,
        f"{common.median([pair.untraced.rate for pair in pairs]):,.0f}/s",
        f"{common.spread([pair.rate_ratio for pair in pairs], '.3f')}, bar {workload.least_rate}",
        lost_cell(pairs),
        *latency_cells(workload, pairs),
        f"{common.median([pair.tracer_cpu for pair in pairs]):.1%}",
        f"{common.median([pair.estimate for pair in pairs]):.2%}",
    ]


def overhead_row(percent: float, pairs: list[Pair]) -> list[str]:
    return [
        f"{percent:g} %",
        common.spread([100 * (1 - pair.rate_ratio) for pair in pairs], ".2f") + " %",
        lost_cell(pairs),
        f"{common.median([pair.estimate for pair in pairs]):.2%}",
        f"{common.median([pair.tracer_cpu for pair in pairs]):.1%}",
    ]


def report(measured: dict[str, list[Pair]], found: list[Workload]) -> None:
    heads = ["workload", "untraced", "throughput, traced / untraced", LOST_HEAD]
    heads += ["p99, untraced", "p99, traced / untraced", "longest, untraced / traced"]
    heads += ["linger's CPU per target, of one core", "cost, its own estimate"]
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
    heads = ["--overhead", "throughput lost", LOST_HEAD, "cost, its own estimate", "linger's CPU, of one core"]
    common.table("Sampled mode's budget, JSON loop (smallest-largest)", heads, rows)
