# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The raw domain: throughput under linger and under bcc's memleak, and what one event costs.

memleak sees the same calls of malloc's family. linger should keep at least three times as much of the untraced
throughput as memleak does (which kept 0.19 of the service's); the table says what it is on this machine.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator

import common
import cost
import memleak_tool
import peers

ROUNDS = 5
SECONDS = 2.0


@contextlib.contextmanager
def linger(pid: int) -> Iterator[None]:
    with common.scratch() as folder, common.Recording(pid, folder, "--mode", "exact", "--domain", "raw") as recording:
        yield
        dropped = recording.finish()["domains"]["raw"]["dropped"]
    if any(dropped.values()):
        raise common.Failed(f"events were dropped: {dropped}")


def workloads() -> dict:
    found = {name: work for name, work in peers.usable_workloads().items() if name == "FastAPI service"}
    if peers.works([common.PYTHON, "-c", "import numpy"], 30):
        found["numpy loop"] = common.NumpyLoop
    else:
        common.skip("numpy loop: needs numpy")
    return found


def tracers() -> dict[str, Callable]:
    found: dict[str, Callable] = {"linger, raw": linger} if common.have_linger() else {}
    name, attach = memleak_tool.find()
    if attach:
        found[name] = attach
    return found


def share(workload: type, attach: Callable) -> tuple[float, float]:
    """Untraced and traced rate of one process: what is left is their ratio."""
    with workload([common.PYTHON]) as process:
        untraced = process.measure(SECONDS)
        with attach(process.pid):
            return untraced, process.measure(SECONDS)


def one_round(name: str, workload: type, found: dict[str, Callable], pairs: dict) -> None:
    for tracer, attach in found.items():
        if (tracer, name) in pairs and pairs[tracer, name] is None:
            continue
        try:
            pairs.setdefault((tracer, name), []).append(share(workload, attach))
        except common.Failed as failure:
            common.skip(f"{tracer}, {name}: {failure}")
            pairs[tracer, name] = None


def cells(pairs: list | None) -> list[str]:
    if not pairs:
        return ["not measured"] * 3
    kept = [traced / untraced for untraced, traced in pairs]
    rates = (common.median([untraced for untraced, _ in pairs]), common.median([traced for _, traced in pairs]))
    return [f"{rates[0]:,.0f}", f"{rates[1]:,.0f}", common.spread(kept, ".2f")]


def times_better(name: str, found: dict[str, Callable], pairs: dict) -> str:
    """linger's share in memleak's, round by round."""
    both = [pairs.get((tracer, name)) for tracer in found]
    if len(both) != 2 or not all(both):
        return "not measured"
    return common.spread([(ours[1] / ours[0]) / (theirs[1] / theirs[0]) for ours, theirs in zip(*both)], ".1f")


def throughput() -> None:
    found, works, pairs = tracers(), workloads(), {}
    for number in range(ROUNDS):
        for name, workload in works.items():
            common.progress(f"raw: round {number + 1} of {ROUNDS}, {name}")
            one_round(name, workload, found, pairs)
    rows = [[name, tracer, *cells(pairs.get((tracer, name)))] for name in works for tracer in found]
    heads = ["workload", "tool", "untraced, 1/s", "traced, 1/s", "share kept (smallest-largest)"]
    common.table(f"Throughput with malloc's family traced, medians of {ROUNDS} rounds", heads, rows)
    rows = [[name, times_better(name, found, pairs)] for name in works]
    common.table("linger keeps how many times as much as memleak", ["workload", "times (smallest-largest)"], rows)


def per_event() -> None:
    found = {}
    if common.COUNT_ONLY.exists():
        found["count only"] = functools.partial(cost.count_only_round, options=("-r",))
    else:
        common.skip("count only: build/bench/count_only is not built")
    if common.have_linger():
        found["linger, exact"] = functools.partial(cost.linger_round, domain="raw")
    cost.report("Cost per event of the raw domain, JSON loop, stacks of 20 frames", cost.measure(found))


def run() -> None:
    throughput()
    per_event()
