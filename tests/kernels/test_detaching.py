# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Probes that were attached one by one go out one by one, for a while after linger has ended: what the target pays."""
import contextlib
import statistics
import time

from interpreters import clean_environment, system
from linger import Recording, running
from sampling import changed_text

SLICE_S = 0.2
NEARLY = 0.8  # of the speed that it has in the second half of that time
PROGRAM = """
import json, sys, time
document = json.dumps({"list": list(range(20)), "text": "text" * 5, "nested": {"a": [1.5, None, True]}})
print("ready", flush=True)
for line in sys.stdin:
    n, end = 0, time.monotonic() + float(line)
    while time.monotonic() < end:
        json.dumps(json.loads(document), indent=1)
        n += 1
    print(n, flush=True)
"""


class Loop:
    """A program that says how often it goes round in a given time."""

    def __init__(self, process):
        self.process, self.pid = process, process.pid
        assert process.stdout.readline() == b"ready\n"

    def rounds(self, seconds=SLICE_S):
        self.process.stdin.write(b"%f\n" % seconds)
        self.process.stdin.flush()
        return int(self.process.stdout.readline()) / seconds


@contextlib.contextmanager
def looping():
    with running([*system().command, "-S", "-c", PROGRAM], env=clean_environment()) as process:
        yield Loop(process)


def recovery(loop, start):
    """(seconds since the end of the recording, rounds a second, breakpoints left) until all are out."""
    while True:
        left = len(changed_text(loop.pid))
        yield time.monotonic() - start, loop.rounds(), left
        if not left:
            return


def time_to_settle(seen):
    """Taking out any probe costs an emulated processor much too, so it is compared with what it is at in the end."""
    settled = statistics.median(rounds for at, rounds, _ in seen if at >= seen[-1][0] / 2)
    return next(at for at, rounds, _ in seen if rounds >= NEARLY * settled)


def test_the_target_is_soon_nearly_as_fast_as_before(record_property, monkeypatch):
    """The hottest probes go first: nearly all of the cost is gone when most of the probes are still there."""
    monkeypatch.setenv("LINGER_WITHOUT", "uprobe_multi")
    with looping() as loop:
        untraced = max(loop.rounds() for _ in range(5))
        with Recording(loop.pid, domain="object,raw") as recording:
            traced = loop.rounds(SLICE_S * 5)
            recording.stop()
            seen = list(recovery(loop, time.monotonic()))
    fast = time_to_settle(seen)
    record_property("detach_ms", round(recording.stats["detach_ms"]))
    record_property("probes", seen[0][2])
    record_property("share while traced", round(traced / untraced, 4))
    record_property("share at first", round(seen[0][1] / untraced, 3))
    record_property("nearly as fast after s", round(fast, 1))
    record_property("all out after s", round(seen[-1][0], 1))
    for at, rounds, left in seen:
        print("%6.2f s: %.2f of the speed, %d probes" % (at, rounds / untraced, left))
    assert fast < seen[-1][0] / 4
