# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What sampled mode says of the programs of tests/targets/leaks.py, against what they know they leak.

Each program runs on each interpreter, is recorded for a minute at the default budget, and is judged (judge.py). The
bars are at the end of the output. With --exact the programs are recorded for a few seconds in exact mode instead,
from before their first iteration: that checks the programs' own count, and with it this harness.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "integration")]

import judge  # noqa: E402
from interpreters import find  # noqa: E402
from linger import Recording, Target, TIMEOUT_S, frame_of  # noqa: E402

PROGRAMS = ("dict_cache", "list", "closure", "lru_cache", "class_attribute", "thread_local", "tasks", "exceptions",
            "cycle", "slow", "two", "recursion", "churn", "warm_up", "sawtooth")
REPEATED = "system"  # the optimised build that most of production runs
INTERPRETERS = (REPEATED, "bullseye", "trixie", "forky")
RUNS = 5
SECONDS = 60
EXACT_SECONDS = 5
EXACT_TOLERANCE = 0.02
WARM_UP_S = 2
FAILURES = (AssertionError, ArithmeticError, EOFError, KeyError, OSError, ValueError, subprocess.SubprocessError)


@dataclass(frozen=True)
class Run:
    program: str
    interpreter: str
    number: int

    def __str__(self):
        return "%s on %s, run %d" % (self.program, self.interpreter, self.number + 1)


def progress(text):
    print("truth: " + text, file=sys.stderr, flush=True)


def truth_of(target):
    return json.loads(target.ask("truth"))


# --- sampled mode -------------------------------------------------------------------------------------------

class SampledRecording(Recording):
    """Its books are estimates, so it is not held to the identity of exact ones."""

    def __init__(self, pid):
        super().__init__(pid, "--mode", "sampled", domain="object,raw,mapping", form="pprof")

    def finish(self):
        status = self.process.wait(TIMEOUT_S)
        assert status == 0, "linger ended with status %d: %s" % (status, self.said())
        self.stats = json.loads(self.stats_path.read_text())
        return self.said()


def record_sampled(run, options):
    """(statistics, truth of the time recorded, path of the program as the target sees it)."""
    with Target(find(run.interpreter), "leaks.py", run.program, str(options.seconds)) as target:
        target.ask("go")
        time.sleep(WARM_UP_S)
        with SampledRecording(target.pid) as recording:
            before = truth_of(target)
            time.sleep(options.seconds)
            after = truth_of(target)
            recording.stop()
            return recording.stats, judge.growth(before, after), target.path


def run_sampled(run, options):
    stats, truth, path = record_sampled(run, options)
    if options.keep:
        kept = {"path": path, "truth": truth, "stats": stats}
        (options.keep / ("%s-%s-%d.json" % (run.program, run.interpreter, run.number + 1))).write_text(json.dumps(kept))
    verdict = judge.judge(stats, truth, path)
    progress("%s: %s, top %s%s" % (run, "passed" if verdict.passed else "FAILED", verdict.top, "".join(
        ", %s %+.0f %% of %d bytes, %d survivors" % (e.leak, 100 * e.error, e.true_bytes, e.survivors)
        for e in verdict.estimates)))
    return verdict, stats["sampling"]


def share(hits):
    hits = list(hits)
    return "%d of %d" % (sum(hits), len(hits)) if hits else ""


def percent(values):
    """The smallest, the median and the largest."""
    values = sorted(values)
    return " / ".join("%+.0f %%" % (100 * v) for v in (values[0], statistics.median(values), values[-1]))


def row_of(verdicts, samplings):
    estimates = [estimate for verdict in verdicts for estimate in verdict.estimates]
    many = [estimate for estimate in estimates if estimate.has_many]
    sampled = [estimate for estimate in estimates if estimate.survivors]
    return [share(verdict.ranked for verdict in verdicts if verdict.estimates),
            share(not verdict.growing_bytes for verdict in verdicts if not verdict.estimates),
            share(estimate.growing for estimate in estimates),
            percent([estimate.error for estimate in estimates]) if estimates else "",
            share(estimate.is_within for estimate in many),
            share(estimate.holds_truth for estimate in sampled),
            "%.0f" % statistics.median([estimate.survivors for estimate in estimates]) if estimates else "",
            "%.2f %%" % (100 * statistics.median([sampling["cost"] for sampling in samplings]))]


WITHIN = "within %.0f %% (%d survivors or more)" % (100 * judge.WITHIN, judge.MANY_SURVIVORS)
HEADS = ("program", "interpreter", "right line first", "nothing said to grow", "leak said to grow",
         "error of the bytes (least, median, most)", WITHIN, "interval holds the truth", "survivors",
         "cost, its own estimate")


def bars(verdicts):
    """(name, hits, least share)."""
    estimates = [estimate for verdict in verdicts for estimate in verdict.estimates]
    return (
        ("leaking line first, two in the right order", [v.ranked for v in verdicts if v.estimates], 0.95),
        ("bytes " + WITHIN, [e.is_within for e in estimates if e.has_many], 1.0),
        ("95 % interval holds the truth", [e.holds_truth for e in estimates if e.survivors], 0.90),
        ("without a leak: nothing said to grow", [not v.growing_bytes for v in verdicts if not v.estimates], 1.0),
    )


def report_sampled(results):
    by_place = defaultdict(list)
    for run, result in results.items():
        by_place[run.program, run.interpreter].append(result)
    print_table(HEADS, [[*place, *row_of(*zip(*found))] for place, found in by_place.items()])
    rows, all_met = [], True
    for name, hits, least in bars([verdict for verdict, _ in results.values()]):
        if not hits:
            rows.append([name, "%.0f %%" % (100 * least), "not measured", ""])
            continue
        met = sum(hits) >= least * len(hits)
        all_met = all_met and met
        reached = "%.0f %% (%s)" % (100 * sum(hits) / len(hits), share(hits))
        rows.append([name, "%.0f %%" % (100 * least), reached, "yes" if met else "**no**"])
    print_table(("bar", "at least", "reached", "met"), rows)
    return all_met


# --- exact mode ---------------------------------------------------------------------------------------------

def entries_of(profile):
    """A folded profile as the judge reads profiles."""
    return [{"frames": [frame_of(text)._asdict() for text in frames], "inuse_bytes": size}
            for frames, size in profile.stacks.get("object", ())]


def run_exact(run, options):
    """Nothing runs while it attaches and ends, so the profile and the truth are of the same iterations."""
    with Target(find(run.interpreter), "leaks.py", run.program, str(options.seconds)) as target:
        with Recording(target.pid, "--mode", "exact") as recording:
            target.ask("go")
            time.sleep(options.seconds)
            target.ask("pause")
            truth = truth_of(target)
            recording.stop()
        entries = entries_of(recording.profile)
        own = {leak: sum(entry["inuse_bytes"] for entry in entries
                         if judge.passes_through(entry, truth[leak]["lines"], target.path)) for leak in truth}
        ranked = judge.is_ranked(judge.ranking(entries, target.path), truth, target.path)
    progress("%s: done" % run)
    return truth, own, ranked, recording["object"]["alloc_blocks"]


EXACT_HEADS = ("program", "interpreter", "leak", "share of the blocks allocated", "truth, bytes", "linger, bytes",
               "difference", "right line first")


def report_exact(results):
    rows, all_met = [], True
    for run, (truth, own, ranked, allocated) in results.items():
        for leak, true in truth.items():
            difference = own[leak] / true["bytes"] - 1 if true["bytes"] else float("inf")
            all_met = all_met and ranked and abs(difference) <= EXACT_TOLERANCE
            rows.append([run.program, run.interpreter, leak, "%.2f %%" % (100 * true["blocks"] / allocated),
                         str(true["bytes"]), str(own[leak]), "%+.2f %%" % (100 * difference),
                         "yes" if ranked else "**no**"])
    print_table(EXACT_HEADS, rows)
    return all_met


# --- command line -------------------------------------------------------------------------------------------

def print_table(heads, rows):
    print("\n| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def plan(options):
    """Rounds of all programs, so that a disturbance of the machine does not hit all runs of one."""
    runs = {name: options.runs if name == REPEATED and not options.exact else 1 for name in options.interpreters}
    return [Run(program, name, number) for number in range(max(runs.values())) for name in options.interpreters
            if number < runs[name] for program in options.programs]


def perform(run, options):
    """Its result, or None: a run that fails is told, counted, and does not end the others."""
    try:
        return run_exact(run, options) if options.exact else run_sampled(run, options)
    except FAILURES as error:
        progress("%s: FAILED: %s: %s" % (run, type(error).__name__, error))
        return None


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--exact", action="store_true", help="check the programs' own count in exact mode")
    parser.add_argument("--programs", nargs="+", default=PROGRAMS, choices=PROGRAMS)
    parser.add_argument("--interpreters", nargs="+", default=INTERPRETERS, metavar="ID")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each program on %s; once elsewhere" % REPEATED)
    parser.add_argument("--seconds", type=float, help="of a recording (%d; exact: %d)" % (SECONDS, EXACT_SECONDS))
    parser.add_argument("-j", "--jobs", type=int, default=1, help="recordings at a time")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave what each run found here")
    options = parser.parse_args()
    options.seconds = options.seconds or (EXACT_SECONDS if options.exact else SECONDS)
    return options


def main():
    options = parse_options()
    for name in options.interpreters:
        find(name)  # or it ends here, with the reason
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    runs = plan(options)
    with ThreadPoolExecutor(options.jobs) as executor:
        outcomes = list(executor.map(lambda run: perform(run, options), runs))
    results = {run: outcome for run, outcome in zip(runs, outcomes) if outcome}
    all_met = (report_exact if options.exact else report_sampled)(results)
    failed = len(runs) - len(results)
    print("\n%d runs, %d of them failed" % (len(runs), failed))
    return 0 if all_met and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
