# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ratios measured side by side on this machine, as Markdown. Nothing here passes or fails on a time."""

import signal
import sys

import census
import common
import cost
import peers
import pprof
import raw
import rss
import sampled
import start

PARTS = {
    "cost": cost.run,
    "start": start.run,
    "rss": rss.run,
    "pprof": pprof.run,
    "peers": peers.run,
    "raw": raw.run,
    "sampled": sampled.run,
    "census": census.run,
}


def main() -> int:
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        print(f"usage: run.sh [{'] ['.join(PARTS)}]", file=sys.stderr)
        return 2
    # The children of this process are ended on the way out, also when it is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(common.machine(), flush=True)
    for part in wanted:
        try:
            PARTS[part]()
        except common.Failed as failure:
            common.skip(f"{part}: {failure}")
    print(f"\nskipped: {len(common.skipped)}")
    for reason in common.skipped:
        print(f"- {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
