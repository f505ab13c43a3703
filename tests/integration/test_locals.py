# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`linger stacks --locals` against the frames as the target sees them."""
import json

import pytest

from linger import NEVER_A_PID, Target, run_linger


@pytest.fixture
def target(interpreter):
    if interpreter.version < (3, 8):
        pytest.skip("objects are known from CPython 3.8 on")
    with Target(interpreter, "locals.py") as target:
        yield target


def frames_of_thread(target, *options):
    """Of the thread that waits."""
    run = run_linger("stacks", "-p", target.pid, "--locals", "--json", *options)
    assert run.returncode == 0, run.stderr
    threads = json.loads(run.stdout)["threads"]
    (frames,) = [thread["frames"] for thread in threads
                 if any(frame["function"].endswith("outer") for frame in thread["frames"])]
    return frames


# Interpreter's own frames (threading.py) may move on: an attempt to take a lock ends and begins again.
def of_the_program(frames, name):
    return [frame for frame in frames if name(frame) in ("outer", "inner", "generate", "<genexpr>", "enter")]


def test_same_as_in_the_target(target):
    truth = of_the_program(json.loads(target.ask("truth")), lambda frame: frame[0])
    found = of_the_program(frames_of_thread(target), lambda frame: frame["function"].rsplit(".", 1)[-1])
    assert len(found) == len(truth) == 5
    for frame, (function, expected) in zip(found, truth):
        local = {one["name"]: one for one in frame["locals"]}
        assert set(local) == set(expected), function
        for name, (kind, text) in expected.items():
            assert local[name]["type"].rsplit(".", 1)[-1] == kind, (function, name, local[name])
            assert text is None or local[name]["preview"] == text, (function, name, local[name])


def test_secrets(target):
    for options, expected in ((), "str of 60"), (("--no-redact",), "'" + "secret" * 10 + "'"):
        outer = [frame for frame in frames_of_thread(target, *options) if frame["function"].endswith("outer")]
        assert [one["preview"] for one in outer[0]["locals"] if one["name"] == "secret"] == [expected]


def test_tasks(interpreter):
    """Where a coroutine awaits itself, fifty deep."""
    if interpreter.version < (3, 8):
        pytest.skip("objects are known from CPython 3.8 on")
    with Target(interpreter, "async_tasks.py") as target:
        run = run_linger("stacks", "-p", target.pid, "--locals", "--json")
    assert run.returncode == 0, run.stderr
    found = [[frame["locals"] for frame in task["frames"]] for task in json.loads(run.stdout)["tasks"]
             if len(task["frames"]) > 1 and task["frames"][-1]["function"] == "deep"]
    expected = [[{"name": "depth", "type": "int", "length": None, "preview": str(depth)}] for depth in range(51)]
    assert found and all(one == [*expected, []] for one in found)


@pytest.mark.interpreters("system")
def test_text(target):
    run = run_linger("stacks", "-p", target.pid, "--locals")
    assert "\n      keyword: float = 2.5\n" in run.stdout
    assert "\n      secret: str = str of 60\n" in run.stdout
    assert "\n      others: dict = dict of 1\n" in run.stdout
    assert '"locals":' not in run_linger("stacks", "-p", target.pid, "--json").stdout


def test_usage():
    run = run_linger("stacks", "-p", NEVER_A_PID, "--no-redact")
    assert run.returncode == 2 and "--no-redact goes with --locals" in run.stderr
