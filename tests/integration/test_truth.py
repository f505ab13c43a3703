# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The judge of `make truth` on profiles made up for it, and the count of a truth program against exact mode.

The minutes that sampled mode itself needs to be judged are not part of the tests.
"""
import json
import sys
import time

import pytest

from interpreters import TESTS
from linger import Recording, Target, frame_of

sys.path.insert(0, str(TESTS / "truth"))
import judge  # noqa: E402

PATH = "/leaks.py"


def entry(line, size, spread=0, group=None, growing=False, survivors=60, inner=()):
    frames = [{"function": "main", "file": PATH, "line": 1}, {"function": "leak", "file": PATH, "line": line}, *inner]
    return {"domain": "object", "frames": frames, "inuse_bytes": size, "low_bytes": size - spread,
            "high_bytes": size + spread, "survivors": survivors, "growing": growing, "group": group}


def judged(entries, **leaks):
    truth = {leak: {"lines": lines, "bytes": size} for leak, (lines, size) in leaks.items()}
    return judge.judge({"stacks": entries}, truth, PATH)


def test_the_line_counts_that_is_nearest_to_the_allocation_in_the_program():
    inner = [{"function": "create_task", "file": "/asyncio.py", "line": 9}]
    verdict = judged([entry(9, 300), entry(5, 200, inner=inner), entry(5, 200)], leak=([5], 400))
    assert verdict.ranked and verdict.passed
    assert verdict.estimates[0].bytes == 400


def test_another_line_first_fails():
    assert not judged([entry(9, 500), entry(5, 400)], leak=([5], 400)).passed


def test_groups_do_not_compete_but_the_young_are_counted():
    verdict = judged([entry(5, 300), entry(9, 900, group="unsampled"), entry(5, 500, group="young"),
                      entry(5, 70, group="too_few")], leak=([5], 800))
    assert verdict.passed and verdict.estimates[0].bytes == 800


@pytest.mark.parametrize("often, seldom, right", [(300, 100, True), (100, 300, False), (300, 0, False)])
def test_two_leaks_in_their_order(often, seldom, right):
    entries = [entry(4, often // 2), entry(5, often // 2), entry(7, seldom), entry(9, 20)]
    verdict = judged(entries, often=([4, 5], 3000), seldom=([7], 1000))
    assert verdict.passed == right


def test_distances_of_the_interval_add_up_as_squares():
    found = judged([entry(5, 500, spread=30), entry(5, 500, spread=40)], leak=([5], 1050)).estimates[0]
    assert (found.low_bytes, found.high_bytes, found.survivors) == (950, 1050, 120)
    assert found.holds_truth and found.is_within and found.has_many
    assert not judged([entry(5, 500, spread=49)], leak=([5], 550)).estimates[0].holds_truth
    assert not judged([entry(5, 500)], leak=([5], 1000)).estimates[0].is_within


def test_a_program_without_a_leak_fails_by_what_is_said_to_grow():
    assert judged([entry(5, 300), entry(6, 300, group="young", growing=True)]).passed
    assert not judged([entry(5, 300), entry(6, 300, growing=True)]).passed


def test_growth_is_what_came_between():
    before, after = ({"leak": {"lines": [5], "items": n, "blocks": 2 * n, "bytes": 100 * n}} for n in (3, 10))
    assert judge.growth(before, after) == {"leak": {"lines": [5], "items": 7, "blocks": 14, "bytes": 700}}


@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_a_truth_program_counts_what_exact_mode_sees(interpreter):
    with Target(interpreter, "leaks.py", "exceptions") as target:
        with Recording(target.pid, "--mode", "exact") as recording:
            target.ask("go")
            time.sleep(0.5)
            target.ask("pause")
            truth = json.loads(target.ask("truth"))["exceptions"]
            recording.stop()
        own = sum(size for frames, size in recording.profile.stacks["object"] if any(
            frame.file == target.path and frame.line in truth["lines"] for frame in map(frame_of, frames)))
    assert truth["items"] > 20
    assert abs(own - truth["bytes"]) <= 0.02 * truth["bytes"]
