# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Workload: json.dumps and json.loads of a small document, at a given Python depth.

    python3 json_loop.py DEPTH SECONDS

DEPTH is the number of Python frames at the call into json, which adds up to three of its own. What comes out is
described in loop.py.
"""

import json

import loop

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


def iteration(number: int) -> None:
    json.loads(json.dumps(DOCUMENT))


if __name__ == "__main__":
    loop.main(iteration)
