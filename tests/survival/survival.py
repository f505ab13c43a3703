# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whether sampled mode is right about what survives, against a trace of every free of the same run.

The program that compares is survival.c; this starts targets for it, sums up, and holds the sums to the bars. The
two bars are those of issue 4's acceptance:

- False survivors: blocks that were freed and are said to be alive. At most one in a thousand samples, which are the
  allocations that the windows saw. Most of them die in their window, where exact tracing decides; so the share among
  those that outlived it, about which inspection decides, is reported too.
- True survivors kept: of the blocks that were never freed. Those that lie on a free list of the interpreter (a dead
  float, tuple, list, dict or frame whose block was not given back) are no survivors: the program has let go of them,
  only the trace of blocks cannot see it. They are counted apart, by their reference count, which is 0.
"""
import argparse
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "bench")]

import common  # noqa: E402
from interpreters import BUILD, find  # noqa: E402
from linger import Target  # noqa: E402

PROGRAM = BUILD / "survival"
SECONDS = 20
OVERHEAD_PERCENT = 10
WARM_UP_S = 1
MAX_FALSE_SHARE = 1 / 1000
MIN_KEPT_SHARE = 0.95
ENOUGH_SAMPLES = 1000  # below which the first bar says nothing
ENOUGH_SURVIVORS = 100  # and the second
SYSTEM = "system"
INTERPRETERS = (SYSTEM, "bullseye", "trixie", "forky")
LEAKS = ("dict_cache", "churn", "tasks", "exceptions")
FAILURES = (AssertionError, OSError, ValueError, subprocess.SubprocessError, common.Failed)


class Result(dict):
    """What survival.c found, and what it means."""

    @property
    def survivors(self):
        return self["kept"] + self["missed"]

    @property
    def false_share(self):
        return self["false_survivors"] / self["allocations"] if self["allocations"] else 0

    @property
    def kept_share(self):
        return self["kept"] / self.survivors if self.survivors else 1

    @property
    def is_valid(self):
        """The truth saw every free."""
        return self["frees_seen"] > 0 and not self["frees_lost"]

    @property
    def tells_false(self):
        return self["allocations"] >= ENOUGH_SAMPLES

    @property
    def tells_kept(self):
        return self.survivors >= ENOUGH_SURVIVORS

    @property
    def is_met(self):
        return (self.is_valid and (not self.tells_false or self.false_share <= MAX_FALSE_SHARE)
                and (not self.tells_kept or self.kept_share >= MIN_KEPT_SHARE))

    @property
    def verdict(self):
        if not self.is_valid:
            return "**no: frees were lost**"
        if not self.is_met:
            return "**no**"
        too_few = [name for name, tells in (("false", self.tells_false), ("kept", self.tells_kept)) if not tells]
        return "yes" + (" (too few for: %s)" % ", ".join(too_few) if too_few else "")

    def explain(self, outcome, most=6):
        """What the cases have in common, the most frequent first."""
        cases = Counter((case["type"], case["bytes"], case["verdict"]) for case in self[outcome + "_cases"])
        ages = {key: [case["age_s"] for case in self[outcome + "_cases"]
                      if (case["type"], case["bytes"], case["verdict"]) == key] for key in cases}
        return ", ".join("%d %s of %d bytes (%s at %.2f-%.2f s)" % (n, *key, min(ages[key]), max(ages[key]))
                         for key, n in cases.most_common(most))


def compare(pid, seconds, overhead_percent=OVERHEAD_PERCENT):
    """Samples a process that is at work."""
    run = subprocess.run([str(PROGRAM), "-p", str(pid), "-d", str(seconds), "-o", str(overhead_percent)],
                         capture_output=True, text=True, timeout=seconds + 120, check=False)
    assert run.returncode == 0, run.stderr
    return Result(json.loads(run.stdout))


# --- targets ------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def leaking(program, interpreter, seconds):
    with Target(find(interpreter), "leaks.py", program, str(seconds)) as target:
        target.ask("go")
        yield target.pid


@contextlib.contextmanager
def json_loop(program, interpreter, seconds):
    with common.JsonLoop(find(interpreter).command) as loop:
        yield loop.pid


@contextlib.contextmanager
def service(program, interpreter, seconds):
    """Under load until it is left."""
    with common.Service(find(interpreter).command) as target:
        ended = threading.Event()

        def keep_busy():
            while not ended.is_set():
                target.load(1)

        load = threading.Thread(target=keep_busy)
        load.start()
        try:
            yield target.pid
        finally:
            ended.set()
            load.join()


TARGETS = {**{name: leaking for name in LEAKS}, "json_loop": json_loop, "service": service}


@dataclass(frozen=True)
class Run:
    program: str
    interpreter: str

    def __str__(self):
        return "%s on %s" % (self.program, self.interpreter)

    def perform(self, seconds, overhead_percent=OVERHEAD_PERCENT):
        with TARGETS[self.program](self.program, self.interpreter, seconds) as pid:
            time.sleep(WARM_UP_S)
            return compare(pid, seconds, overhead_percent)


# --- command line -------------------------------------------------------------------------------------------

def progress(text):
    print("survival: " + text, file=sys.stderr, flush=True)


def per_thousand(part, whole):
    return "%.2f" % (1000 * part / whole) if whole else ""


def row_of(run, result):
    return [run.program, "%s (%s)" % (run.interpreter, result["python"]), "%d" % result["windows"],
            "{:,}".format(result["allocations"]), "{:,}".format(result["samples"]),
            "{:,}".format(result["kept"] + result["false_survivors"]), "%d" % result["false_survivors"],
            per_thousand(result["false_survivors"], result["allocations"]),
            per_thousand(result["false_survivors"], result["samples"]),
            "{:,}".format(result.survivors), "%.2f %%" % (100 * result.kept_share) if result.survivors else "",
            "{:,}".format(result["free_list"]), result.verdict]


HEADS = ("program", "interpreter", "windows", "allocations seen", "outlived their window", "said to be alive",
         "of them freed", "per 1,000 allocations seen", "per 1,000 that outlived", "true survivors", "kept",
         "on a free list of the interpreter", "bars met")


def report(results):
    print("| " + " | ".join(HEADS) + " |")
    print("|---" * len(HEADS) + "|")
    for run, result in results.items():
        print("| " + " | ".join(row_of(run, result)) + " |")
    for outcome, words in (("false_survivors", "freed, but said to be alive"),
                           ("missed", "alive, but said to be dead"),
                           ("free_list", "on a free list of the interpreter")):
        lines = ["- %s: %s" % (run, result.explain(outcome)) for run, result in results.items() if result[outcome]]
        if lines:
            print("\nBlocks that were %s:\n" % words)
            print("\n".join(lines))
    print("\nBars: at most %g false survivors per 1,000 allocations seen (of %d or more); at least %g %% of the true"
          " survivors (of %d or more) kept, without blocks on a free list of the interpreter."
          % (1000 * MAX_FALSE_SHARE, ENOUGH_SAMPLES, 100 * MIN_KEPT_SHARE, ENOUGH_SURVIVORS))


def plan(options):
    """What needs more than the standard library runs on the system's interpreter only."""
    return [Run(program, interpreter) for interpreter in options.interpreters for program in options.programs
            if interpreter == SYSTEM or program in LEAKS]


def perform(run, options):
    try:
        result = run.perform(options.seconds, options.overhead)
    except FAILURES as error:
        progress("%s: FAILED: %s: %s" % (run, type(error).__name__, error))
        return None
    progress("%s: %d allocations seen, %d of %d survivors kept, %d false" % (
        run, result["allocations"], result["kept"], result.survivors, result["false_survivors"]))
    if options.keep:
        (options.keep / ("%s-%s.json" % (run.program, run.interpreter))).write_text(json.dumps(result))
    return result


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--programs", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--interpreters", nargs="+", default=INTERPRETERS, metavar="ID")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a run (%d)" % SECONDS)
    parser.add_argument("--overhead", type=float, default=OVERHEAD_PERCENT, metavar="PERCENT",
                        help="budget of the windows (%d)" % OVERHEAD_PERCENT)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave what each run found here")
    options = parser.parse_args()
    for name in options.interpreters:
        find(name)  # or it ends here, with the reason
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    return options


def main():
    options = parse_options()
    runs = plan(options)
    outcomes = {run: perform(run, options) for run in runs}
    results = {run: result for run, result in outcomes.items() if result}
    report(results)
    failed = len(runs) - len(results)
    missed = sum(not result.is_met for result in results.values())
    print("\n%d runs: %d failed, %d missed a bar" % (len(runs), failed, missed))
    return 1 if failed or missed else 0


if __name__ == "__main__":
    sys.exit(main())
