# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How long linger takes until it records (inspect, decode, load, attach) and to let go again."""

import time

import common

ROUNDS = 5
SECONDS = 0.5


def one_round(pid: int) -> dict[str, float]:
    with common.scratch() as folder, common.Recording(pid, folder, "--mode", "exact") as recording:
        time.sleep(SECONDS)
        told = time.monotonic()
        stats = recording.finish()
        ended = time.monotonic()
    return {
        "exec until it records": (recording.ready - recording.started) * 1e3,
        "of that, attach": stats["attach_ms"],
        "Ctrl-C until it has ended": (ended - told) * 1e3,
        "of that, detach": stats["detach_ms"],
    }


def run() -> None:
    if not common.have_linger():
        return
    with common.JsonLoop([common.PYTHON]) as loop:
        common.progress("start: attaching")
        rounds = [one_round(loop.pid) for _ in range(ROUNDS)]
    rows = [[name, common.spread([values[name] for values in rounds])] for name in rounds[0]]
    common.table(f"Start and end, JSON loop, {ROUNDS} times", ["step", "ms (smallest-largest)"], rows)
