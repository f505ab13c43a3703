# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writing a large profile in pprof's format, and reading it back."""

import subprocess

import common

PPROF_WRITE = common.ROOT / "build/bench/pprof_write"
STACKS = 100_000
RUNS = 5


def run() -> None:
    if not PPROF_WRITE.exists():
        common.skip("pprof: build/bench/pprof_write is not built")
        return
    runs = []
    with common.scratch() as folder:
        path = f"{folder}/profile.pb.gz"
        for number in range(RUNS):
            common.progress(f"pprof: run {number + 1} of {RUNS}")
            done = subprocess.run([PPROF_WRITE, str(STACKS), path], capture_output=True, text=True, timeout=120)
            if done.returncode != 0:
                raise common.Failed(f"pprof_write ended with status {done.returncode}")
            runs.append([float(word) for word in done.stdout.split()])
    written, read, resident = zip(*runs)
    common.table(
        f"{STACKS:,} distinct stacks of 25 frames in pprof's format",
        ["", "median (smallest-largest)"],
        [
            ["writing, s", common.spread(list(written), ".2f")],
            ["largest resident size, profile included, MiB", common.spread(list(resident), ".0f")],
            ["reading back, s", common.spread(list(read), ".2f")],
        ],
    )
