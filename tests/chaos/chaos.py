# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Puts linger and its targets through faults, each so often.

A run passes when the target says that it is unharmed (unharmed.py), what linger wrote adds up (linger.check_identity),
and nothing of linger is left when it has ended. Random moments come from the seed: the same seed makes the same
choices, as far as the machine takes part. A fault is a function of one of MODULES.
"""
import argparse
import importlib
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from harness import FAULTS, Fault, NothingLeft, Skipped

MODULES = ("ends", "outputs", "limits", "surroundings")
FAILURES = (AssertionError, OSError, ValueError, EOFError, KeyError, subprocess.SubprocessError)
HEADS = ("fault", "runs", "failures", "what was met")


@dataclass
class Outcome:
    fault: Fault
    notes: Counter = field(default_factory=Counter)
    passed: int = 0
    failures: list = field(default_factory=list)
    skipped: str = ""

    @property
    def runs(self):
        return self.passed + len(self.failures)

    def note(self):
        if self.skipped:
            return "skipped: " + self.skipped
        return ", ".join(name if n == self.runs else "%s %d" % (name, n) for name, n in sorted(self.notes.items()))


def progress(text):
    print("chaos: " + text, file=sys.stderr, flush=True)


def run_once(outcome, number, seed):
    try:
        with NothingLeft():
            note = outcome.fault.perform(random.Random("%s %s %d" % (seed, outcome.fault.name, number)), number)
    except FAILURES as error:
        outcome.failures.append(number)
        progress("%s: run %d FAILED: %s: %s" % (outcome.fault.name, number, type(error).__name__, error))
        return
    outcome.passed += 1
    if note:
        outcome.notes[note] += 1


def run_fault(outcome, runs, seed):
    begin = time.monotonic()
    try:
        for number in range(runs):
            run_once(outcome, number, seed)
    except Skipped as reason:
        outcome.skipped = str(reason)
    progress("%s: %d runs, %d failed, %.0f s; %s" % (outcome.fault.name, outcome.runs, len(outcome.failures),
                                                     time.monotonic() - begin, outcome.note()))


def report(outcomes):
    print("| " + " | ".join(HEADS) + " |")
    print("|---" * len(HEADS) + "|")
    for outcome in outcomes:
        print("| %s | %d | %d | %s |" % (outcome.fault.about, outcome.runs, len(outcome.failures), outcome.note()))
    counts = (sum(outcome.passed for outcome in outcomes), sum(len(outcome.failures) for outcome in outcomes),
              sum(bool(outcome.skipped) for outcome in outcomes))
    print("\n%d passed, %d failed, %d skipped" % counts)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", default=list(FAULTS), choices=FAULTS, metavar="NAME")
    parser.add_argument("--runs", type=int, metavar="N", help="of each fault, instead of its own number")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), metavar="N")
    parser.add_argument("--list", action="store_true", help="only the names, the runs and what they are")
    return parser.parse_args()


def main():
    for name in MODULES:
        importlib.import_module(name)
    options = parse_options()
    # A shell's background has Ctrl-C ignored, and linger would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chosen = [FAULTS[name] for name in options.only]
    if options.list:
        for item in chosen:
            print("%-28s %4d  %s" % (item.name, item.runs, item.about))
        return 0
    progress("seed %d" % options.seed)
    outcomes, interrupted = [], False
    try:
        for item in chosen:
            outcomes.append(Outcome(item))
            run_fault(outcomes[-1], options.runs or item.runs, options.seed)
    except KeyboardInterrupt:
        interrupted = True
    report(outcomes)
    return 130 if interrupted else any(outcome.failures for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main())
