# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Workload: holds a heap of MIB mebibytes, as a service with a large cache does, and on a line on stdin begins to work.

    python3 heap.py MIB

It then prints what loop.py prints, and with it each time a line `gap SECONDS`: the longest time since the last such
line in which it did not run, without the time that the kernel's scheduler gave to others.
"""

import os
import resource
import sys
import time

import json_loop
import loop

SCHEDSTAT = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
SECONDS = 3600


class Session:
    def __init__(self, number: int) -> None:
        self.number = number
        self.user = f"user {number}"
        self.scores = [number + 0.5, number * 3]


def make(number: int) -> dict:
    return {
        "id": number + 10**9,
        "name": f"name of {number}",
        "tags": ["new", f"tag {number}"],
        "place": (number / 7, number / 11),
        "session": Session(number),
        "seen": {number, number + 1},
    }


def hold(mib: int) -> list:
    held = []
    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < mib << 10:
        held += [make(len(held) + i) for i in range(10000)]
    return held


class Gaps:
    def __init__(self) -> None:
        self.longest = 0.0
        self.printed = time.monotonic()
        self.before = self.look()

    def look(self) -> tuple[float, float]:
        waited = int(os.pread(SCHEDSTAT, 100, 0).split()[1]) / 1e9
        return time.monotonic(), waited

    def iteration(self, number: int) -> None:
        json_loop.iteration(number)
        now = self.look()
        self.longest = max(self.longest, now[0] - self.before[0] - (now[1] - self.before[1]))
        self.before = now
        if now[0] - self.printed >= loop.INTERVAL_SECONDS:
            print(f"gap {self.longest:.6f}", flush=True)
            self.longest, self.printed = 0.0, now[0]


def main() -> None:
    held = hold(int(sys.argv[1]))
    print("holds", len(held), flush=True)
    sys.stdin.readline()
    loop.run(Gaps().iteration, SECONDS)


if __name__ == "__main__":
    main()
