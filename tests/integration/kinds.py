# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Blocks of every kind, counted by the target and by linger.

As a program: kinds.py --interpreter ID [--kind KIND...] [--steps half clear] prints a table with one row per
kind, each recorded alone, so that a missed copy of the allocator's fast path shows as the kind that uses it.
"""
import argparse
from dataclasses import dataclass

from interpreters import all_interpreters, find
from linger import Recording, Target

TOLERANCE = 0.001


@dataclass
class Outcome:
    """Changes from the baseline to the end; peaks are of the changes along the way."""
    true_blocks: int
    true_bytes: int
    peak_blocks: int
    peak_bytes: int
    stats: dict

    @property
    def blocks(self):
        """What linger says, less the blocks from before the recording that it saw freed: the truth is a change."""
        return self.stats["live_blocks"] - self.stats["unmatched_frees"]

    @property
    def block_error(self):
        return (self.blocks - self.true_blocks) / max(self.peak_blocks, 1)

    @property
    def byte_error(self):
        return (self.stats["live_bytes"] - self.true_bytes) / max(self.peak_bytes, 1)

    @property
    def coverage(self):
        return self.stats["coverage"]

    def agrees(self):
        # Blocks from before the recording have no size that linger knows; there are few, or the test says so.
        few = self.stats["unmatched_frees"] <= TOLERANCE * self.peak_blocks
        return few and abs(self.block_error) <= TOLERANCE and abs(self.byte_error) <= 2 * TOLERANCE


def measure(interpreter, what, steps=()):
    """Records `build WHAT` and the steps after it, and takes the target's truth after each."""
    with Target(interpreter, "kinds.py") as target:
        target.ask("warm")
        with Recording(target.pid) as recording:
            baseline = target.truth()
            assert target.truth() == baseline, "reading the truth changes it"
            target.ask("build", what)
            truths = [target.truth()]
            for step in steps:
                target.ask(step)
                truths.append(target.truth())
            recording.stop()
        stats = dict(recording["object"], coverage=recording.stats["coverage"])
    changes = [(truth.blocks - baseline.blocks, truth.bytes - baseline.bytes) for truth in truths]
    return Outcome(*changes[-1], max(blocks for blocks, _ in changes), max(size for _, size in changes), stats)


HEADER = "%-18s %10s %10s %8s %12s %12s %8s %9s %9s" % (
    "kind", "blocks", "linger", "error", "bytes", "linger", "error", "unmatched", "coverage")


def row(kind, outcome):
    return "%-18s %10d %10d %7.2f%% %12d %12d %7.2f%% %9d %9.4f" % (
        kind, outcome.true_blocks, outcome.blocks, 100 * outcome.block_error, outcome.true_bytes,
        outcome.stats["live_bytes"], 100 * outcome.byte_error, outcome.stats["unmatched_frees"], outcome.coverage)


def kinds_of(interpreter):
    with Target(interpreter, "kinds.py") as target:
        return target.ask("kinds").split()


def table(interpreter, kinds=(), steps=()):
    """Rows of the kinds, each recorded alone; those that disagree are marked."""
    yield HEADER
    for kind in kinds or kinds_of(interpreter):
        outcome = measure(interpreter, kind, steps)
        yield row(kind, outcome) + ("" if outcome.agrees() else "  <--")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--interpreter", required=True, help=" ".join(i.id for i in all_interpreters()))
    parser.add_argument("--kind", nargs="*", default=(), help="only these; also `all` and `moved`")
    parser.add_argument("--steps", nargs="*", default=(), choices=("half", "clear"), help="what to do after building")
    options = parser.parse_args()
    for line in table(find(options.interpreter), options.kind, options.steps):
        print(line, flush=True)


if __name__ == "__main__":
    main()
