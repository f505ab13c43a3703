# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Workload: json.dumps and json.loads of a small document, at a given Python depth.

    python3 json_loop.py DEPTH SECONDS

DEPTH is the number of Python frames at the call into json, which adds up to three of its own. Four times a
second a line `MONOTONIC_SECONDS ITERATIONS RATE` comes out: the clock, the iterations so far and the
iterations per second since the line before.
"""

import json
import sys
import time

DOCUMENT = {
    "id": 4711,
    "name": "Ada Lovelace",
    "address": {"street": "12 St James's Square", "city": "London", "zip": "SW1Y 4JH", "geo": [51.5, -0.1]},
    "orders": [
        {"sku": f"B-{i:05d}", "count": i, "price": 12.5 + i, "tags": ["new", "gift"], "paid": i % 2 == 0}
        for i in range(5)
    ],
    "notes": None,
}
INTERVAL_SECONDS = 0.25
BATCH = 10  # iterations between two looks at the clock


def run(seconds: float) -> None:
    iterations = printed = 0
    now = before = time.monotonic()
    end = now + seconds
    while now < end:
        for _ in range(BATCH):
            json.loads(json.dumps(DOCUMENT))
        iterations += BATCH
        now = time.monotonic()
        if now - before >= INTERVAL_SECONDS or now >= end:
            print(f"{now:.6f} {iterations} {(iterations - printed) / (now - before):.1f}", flush=True)
            before, printed = now, iterations


def descend(frames: int, seconds: float) -> None:
    if frames > 0:
        descend(frames - 1, seconds)
    else:
        run(seconds)


def main() -> None:
    depth, seconds = int(sys.argv[1]), float(sys.argv[2])
    descend(depth - 4, seconds)  # <module>, main, the last descend and run make four


if __name__ == "__main__":
    main()
