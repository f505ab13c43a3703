# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a census takes: time for a large heap, linger's memory for many objects, and what the target feels of it."""

import json
import os
import statistics
import subprocess
import time

import common

HEAP_MIB = 1024
OBJECTS = 10_000_000
ROUNDS = 3
SECONDS = 4.0  # a stretch of the loop
HEAP = common.ROOT / "tests/bench/heap.py"
MANY_BLOCKS = common.ROOT / "tests/bench/many_blocks.py"


class Heap(common.JsonLoop):
    """heap.py."""

    def __init__(self) -> None:
        common.Child.__init__(self, [common.PYTHON, HEAP, HEAP_MIB], stdin=subprocess.PIPE)

    def until_ready(self) -> None:
        self.wait_for("^holds", 300)

    def work(self) -> None:
        say_go(self)
        self.wait_for("^gap")

    def gap_ms(self, start: float, end: float) -> float:
        with self.news:
            gaps = [line.split()[1] for when, line in self.lines if start <= when <= end and line.startswith("gap ")]
        return max(map(float, gaps)) * 1e3


def say_go(target: common.Child) -> None:
    target.process.stdin.write("go\n")
    target.process.stdin.flush()


def census(pid: int, *options: str) -> tuple[dict, float]:
    """What it found, and its resident memory at most, in MiB."""
    with common.scratch() as folder:
        path = os.path.join(folder, "census.json")
        run = subprocess.Popen([str(common.LINGER), "census", "-p", str(pid), "-o", path, *options])
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        if run.returncode:
            raise common.Failed(f"linger census ended with status {run.returncode}")
        with open(path) as file:
            return json.load(file), usage.ru_maxrss / 1024


def pool_bytes(pid: int) -> int:
    usage, _ = census(pid, "--fragmentation")
    return sum(kind["pools"] for kind in usage["classes"]) * usage["pool_bytes"]


def measure_speed(heap: Heap) -> None:
    size = pool_bytes(heap.pid)
    rows = []
    for _ in range(ROUNDS):
        found, resident_mib = census(heap.pid)
        took, reading = found["target"]["elapsed_s"], found["target"]["reading_s"]
        rows.append((took, reading, took - reading, size / 1e6 / took, size / 1e6 / reading,
                     size / 1e6 / (took - reading), resident_mib))
    heads = ("all, s", "reader, s", "walker, s", "all, MB/s", "reader, MB/s", "walker, MB/s", "linger's memory, MiB")
    cells = [[head, common.spread(values, ".2f" if head.endswith(" s") else ".0f")]
             for head, values in zip(heads, zip(*rows))]
    blocks = found["total"]["blocks"]
    common.table(f"Census of a quiet heap: {size / 1e6:,.0f} MB of pools, {blocks:,} blocks, {ROUNDS} times",
                 ["what", "median (smallest-largest)"], cells)


def stretch(heap: Heap, with_census: bool) -> tuple[float, float]:
    """Iterations per second, and the longest gap in ms."""
    start = time.monotonic()
    while with_census and time.monotonic() - start < SECONDS:
        census(heap.pid)
    time.sleep(max(0.0, start + SECONDS - time.monotonic()))
    end = time.monotonic()
    return heap.rate(start, end), heap.gap_ms(start, end)


def measure_pause(heap: Heap) -> None:
    heap.work()
    without, with_census = [], []
    for _ in range(ROUNDS):
        without.append(stretch(heap, False))
        with_census.append(stretch(heap, True))
    ratio = [b[0] / a[0] for a, b in zip(without, with_census)]
    rows = [[name, common.spread([rate for rate, _ in runs]), common.spread([gap for _, gap in runs], ".2f")]
            for name, runs in (("alone", without), ("while one census follows the other", with_census))]
    common.table(f"A loop in that heap; throughput {statistics.median(ratio):.3f} of what it is alone",
                 ["", "iterations/s", "longest gap, ms"], rows)


def measure_memory() -> None:
    argv = [common.PYTHON, MANY_BLOCKS, OBJECTS]
    with common.Child(argv, stdin=subprocess.PIPE) as target:
        target.wait_for("^ready")
        say_go(target)
        target.wait_for("^holds", 300)
        found, resident_mib = census(target.pid)
    objects = sum(kind["objects"] for kind in found["types"])
    common.table("Memory of linger", ["objects", "resident at most, MiB", "s"],
                 [[f"{objects:,}", f"{resident_mib:.0f}", f"{found['target']['elapsed_s']:.2f}"]])


def run() -> None:
    if not common.have_linger():
        return
    common.progress("census: making a heap")
    with Heap() as heap:
        measure_speed(heap)
        measure_pause(heap)
    common.progress(f"census: making {OBJECTS:,} objects")
    measure_memory()
