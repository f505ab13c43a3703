# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What one event costs the target: linger in exact mode, a program that only counts at its sites, bpftrace.

One JSON loop runs for the whole part; each tool is attached in turn, with an untraced stretch before it.
Cost per event = (time per iteration traced - untraced) / events per iteration. linger and the counting
program see the same events, so both are divided by linger's count and their ratio does not depend on it.
"""

import functools
import time

import bpftrace_tool
import common

ROUNDS = 5
SECONDS = 2.0
SETTLE_SECONDS = 0.2
DEPTH = 17  # json adds three frames: blocks are allocated under stacks of 20


def per_iteration_ns(rate: float) -> float:
    return 1e9 / rate


def linger_round(loop: common.JsonLoop, domain: str = "object") -> tuple[float, float]:
    """Rate, and events per iteration."""
    options = ["--mode", "exact", "--domain", domain]
    with common.scratch() as folder, common.Recording(loop.pid, folder, *options) as recording:
        rate = loop.rate(*stretch())
        until = time.monotonic()
        counted = recording.finish()["domains"][domain]
    events = counted["seen_allocs"] + counted["seen_frees"]
    return rate, events / (rate * (until - recording.ready))


def count_only_round(loop: common.JsonLoop, options: tuple = ()) -> tuple[float, float]:
    duration = SECONDS + 1
    with common.Child([common.COUNT_ONLY, *options, "-p", loop.pid, "-d", duration]) as counter:
        # It says nothing when it starts to count: look only at what lies well inside its time.
        time.sleep(1)
        rate = loop.rate(*stretch(duration - 1 - 2 * SETTLE_SECONDS))
        _, match = counter.wait_for(r"\bevents (\d+)")
        counter.process.wait(30)
    return rate, int(match[1]) / (rate * duration)


def bpftrace_round(loop: common.JsonLoop, stacks: bool = False) -> tuple[float, float]:
    with bpftrace_tool.Bpftrace(loop.pid, stacks) as tracer:
        rate = loop.rate(*stretch(2 * SECONDS))
        counts = tracer.counts()
        tracer.end()
    (first_time, first), (last_time, last) = counts[0], counts[-1]
    return rate, (last - first) / (last_time - first_time) / rate


def stretch(seconds: float = SECONDS) -> tuple[float, float]:
    """Lets the time pass in which a rate is measured; returns its start and end."""
    time.sleep(SETTLE_SECONDS)
    start = time.monotonic()
    time.sleep(seconds)
    return start, time.monotonic()


def tools() -> dict:
    found = {}
    if not common.COUNT_ONLY.exists():
        common.skip("count only: build/bench/count_only is not built")
    else:
        found["count only"] = count_only_round
    if common.have_linger():
        found["linger, exact"] = linger_round
    if bpftrace_tool.missing():
        common.skip(bpftrace_tool.missing())
    else:
        found["bpftrace, no stacks"] = bpftrace_round
        found["bpftrace, native stacks"] = functools.partial(bpftrace_round, stacks=True)
    return found


def measure(found: dict) -> dict[str, list[tuple[float, float]]]:
    """For each tool and round: the time that it adds to an iteration, and the events of an iteration."""
    results: dict[str, list] = {name: [] for name in found}
    with common.JsonLoop([common.PYTHON], DEPTH) as loop:
        for number in range(ROUNDS):
            common.progress(f"cost: round {number + 1} of {ROUNDS}")
            for name, attach in found.items():
                untraced = loop.rate(*stretch(1.0))
                traced, events = attach(loop)
                results[name].append((per_iteration_ns(traced) - per_iteration_ns(untraced), events))
    return results


def report(title: str, results: dict[str, list[tuple[float, float]]]) -> None:
    if not results:
        return
    events = {name: common.median([pair[1] for pair in pairs]) for name, pairs in results.items()}
    if "linger, exact" in events and "count only" in events:
        events["count only"] = events["linger, exact"]
    costs = {name: [pair[0] / events[name] for pair in pairs] for name, pairs in results.items()}
    base = common.median(costs["count only"]) if "count only" in costs else None
    rows = []
    for name, values in costs.items():
        ratio = f"{common.median(values) / base:.2f}" if base else "not measured"
        rows.append([name, f"{events[name]:.0f}", common.spread(values), ratio])
    heads = ["tool", "events per iteration", "ns per event (smallest-largest)", "relative to count only"]
    common.table(title, heads, rows)


def run() -> None:
    report("Cost per event, JSON loop, stacks of 20 frames", measure(tools()))
