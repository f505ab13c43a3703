# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sampled mode: what holds of every such recording. Whether it names the right line is for `make truth`."""
import collections
import json
import os
import re
import signal
import subprocess
import time

import pytest

from interpreters import SYSTEM_PYTHON
from linger import LINGER, RECORDING, SLOWNESS, Recording, Target, parse_folded, run_linger, running, wait_until

BUDGET = 50  # per cent: many windows in a short time


def recording_of(target, *options, **keywords):
    return Recording(target.pid, "--overhead", str(BUDGET), *options, mode="sampled", **keywords)


def record_leak(target, seconds, *options, **keywords):
    """A few seconds of a program at work, with the growth of its heap by its own account."""
    with recording_of(target, *options, **keywords) as recording:
        target.ask("go")
        time.sleep(seconds * SLOWNESS)
        target.ask("pause")
        truth = json.loads(target.ask("truth"))
        recording.stop()
    return recording, truth


def groups_of(recording, domain="object"):
    return {stack["group"] for stack in recording.stats["stacks"] if stack["domain"] == domain}


def holds_line(stack, path, lines):
    return any(frame["file"] == path and frame["line"] in lines for frame in stack["frames"])


# --- the numbers --------------------------------------------------------------------------------------------

@pytest.mark.interpreters("system", "embedded", "bullseye", "trixie", "forky", "musl")
def test_the_leak_is_found_and_the_total_is_the_growth_of_the_heap(interpreter):
    with Target(interpreter, "leaks.py", "dict_cache") as target:
        recording, truth = record_leak(target, 3, "--min-age", "0.5")
    stats, sampling = recording.stats, recording.stats["sampling"]
    own = [stack for stack in stats["stacks"] if holds_line(stack, target.path, truth["dict_cache"]["lines"])]
    assert sum(stack["inuse_bytes"] for stack in stats["stacks"] if stack["domain"] == "object") == \
        recording["object"]["live_bytes"] == pytest.approx(sampling["growth_bytes"], abs=1)
    assert sampling["windows"] >= 3 and sampling["events"] > 1000
    assert sum(stack["inuse_bytes"] for stack in own) == pytest.approx(truth["dict_cache"]["bytes"], rel=0.25)
    assert all(stack["low_bytes"] <= stack["inuse_bytes"] <= stack["high_bytes"] for stack in own)
    assert recording.profile.total("object") == recording["object"]["live_bytes"]


@pytest.mark.interpreters("system", "embedded", "bullseye", "trixie", "forky")
def test_survivors_are_counted_by_type(interpreter):
    """An item of this leak is one object of a class, one str and one bytes, all of one line."""
    with Target(interpreter, "leaks.py", "list") as target:
        recording, truth = record_leak(target, 3, "--min-age", "0.5")
    counts = collections.Counter()
    for stack in recording.stats["stacks"]:
        if holds_line(stack, target.path, truth["history"]["lines"]):
            counts.update({entry["type"]: entry["survivors"] for entry in stack["types"]})
    shares = {name: counts[name] / counts.total() for name in ("__main__.Visit", "str", "bytes")}
    assert counts.total() > 100 and sum(shares.values()) > 0.95
    assert all(share == pytest.approx(1 / 3, abs=0.1) for share in shares.values())


def test_a_census_tells_the_lines_of_its_types(system_interpreter, tmp_path):
    heap = tmp_path / "heap.pb.gz"
    with Target(system_interpreter, "leaks.py", "list") as target:
        recording, truth = record_leak(target, 3, "--min-age", "0.5", form="pprof")
        heap.write_bytes(recording.output)
        census = json.loads(run_linger("census", "-p", target.pid, "--with", heap, "--json").stdout)
        table = run_linger("census", "-p", target.pid, "--with", heap).stdout
    stacks = next(row["stacks"] for row in census["types"] if row["type"] == "__main__.Visit")
    assert holds_line(stacks[0], target.path, truth["history"]["lines"])
    assert stacks[0]["share"] > 0.9 and sum(stack["share"] for stack in stacks) == pytest.approx(1)
    assert re.search(r"  __main__\.Visit\n +\d+ %  history \(", table)


def test_a_census_refuses_recordings_without_types(system_interpreter, tmp_path):
    heap = tmp_path / "heap.pb.gz"
    with Target(system_interpreter, "leaks.py", "dict_cache") as target:
        with Recording(target.pid, form="pprof") as recording:
            target.ask("go")
            time.sleep(0.3)
            recording.stop()
        heap.write_bytes(recording.output)
        refused = run_linger("census", "-p", target.pid, "--with", heap)
        missing = run_linger("census", "-p", target.pid, "--with", tmp_path / "none.pb.gz")
    assert refused.returncode == 1 and "does not say of which types its blocks are" in refused.stderr
    assert missing.returncode == 1 and "No such file" in missing.stderr and not refused.stdout + missing.stdout


def test_every_sample_ends_in_one_verdict(system_interpreter):
    with Target(system_interpreter, "leaks.py", "dict_cache") as target:
        recording, _ = record_leak(target, 2)
    samples = recording.stats["sampling"]["samples"]
    assert samples["taken"] > 0
    assert samples["taken"] == sum(samples[verdict] for verdict in
                                   ("alive", "freed", "changed", "reused", "gone", "thinned"))


def test_the_budget_is_kept(system_interpreter):
    """By its own account; whether that is right is for `make bench`."""
    with Target(system_interpreter, "leaks.py", "churn") as target:
        with Recording(target.pid, mode="sampled") as recording:
            target.ask("go")
            time.sleep(10.5)
            recording.stop()
    assert 0 < recording.stats["sampling"]["recent_cost"] <= 0.011


def test_raw_blocks_are_said_to_have_outlived_their_window(system_interpreter):
    with Target(system_interpreter, "leaks.py", "dict_cache") as target:
        recording, _ = record_leak(target, 2, domain="object,raw")
    assert groups_of(recording, "raw") <= {"outlived_window"}
    assert all(stack["newest_s"] is None for stack in recording.stats["stacks"] if stack["domain"] == "raw")
    assert recording["raw"]["alloc_blocks"] > 0


def test_what_is_not_recorded_is_not_told_of(system_interpreter):
    with Target(system_interpreter, "leaks.py", "dict_cache") as target:
        recording, _ = record_leak(target, 1, domain="raw", form="text")
    assert "note: raw: " in recording.output and "note: object: " not in recording.output


# --- ages ---------------------------------------------------------------------------------------------------

def test_young_survivors_are_apart(system_interpreter):
    with Target(system_interpreter, "leaks.py", "dict_cache") as target:
        recording, _ = record_leak(target, 2, "--min-age", "60")
    assert groups_of(recording) <= {"young", "unsampled"} and "young" in groups_of(recording)
    roots = {frames[0] for frames, _ in recording.profile.stacks["object"]}
    assert "[younger than 60 s]" in roots


def test_only_older_ones_on_request(system_interpreter):
    with Target(system_interpreter, "leaks.py", "dict_cache") as target:
        recording, _ = record_leak(target, 2, "--older", "1", form="text")
        assert None in groups_of(recording) and "young" not in groups_of(recording)
        assert recording["object"]["live_bytes"] < recording.stats["sampling"]["growth_bytes"]
        none, _ = record_leak(target, 1, "--older", "60", form="text")
        assert not none.stats["stacks"] and "nothing that is still alive was sampled" in none.output


# --- how it goes on and ends ----------------------------------------------------------------------------------

def test_it_is_the_default_and_profiles_can_be_had_meanwhile(system_interpreter, tmp_path):
    path = tmp_path / "heap.folded"
    command = [str(LINGER), "record", "-p", "", "--overhead", str(BUDGET), "-o", str(path)]
    with Target(system_interpreter, "leaks.py", "dict_cache") as target:
        command[3] = str(target.pid)
        with running(command, stderr=subprocess.PIPE) as linger:
            assert RECORDING in linger.stderr.readline().decode()
            target.ask("go")
            time.sleep(1.5)
            linger.send_signal(signal.SIGUSR1)
            wait_until((tmp_path / "heap.1.folded").exists, "an interim profile")
            linger.send_signal(signal.SIGINT)
            linger.communicate(timeout=20)
        assert linger.returncode == 0
    first, last = (parse_folded(name.read_text()).total("object") for name in (tmp_path / "heap.1.folded", path))
    assert 0 < first <= last


def test_what_was_known_of_a_target_that_ends_is_kept(system_interpreter):
    with Target(system_interpreter, "leaks.py", "dict_cache") as target:
        with recording_of(target) as recording:
            target.ask("go")
            time.sleep(3)
            os.kill(target.pid, signal.SIGKILL)
            recording.finish()
        target.process.wait()
    assert recording["object"]["live_bytes"] > 0 and recording.stats["sampling"]["samples"]["alive"] > 0


@pytest.mark.parametrize("delay_s", [0.9, 1.0, 1.1])
def test_a_target_that_ends_in_a_window_is_no_failure(system_interpreter, delay_s):
    """At this budget there are windows half of the time."""
    with Target(system_interpreter, "leaks.py", "churn") as target:
        with recording_of(target, "--overhead", "100", "--window-max", "100") as recording:
            target.ask("go")
            time.sleep(delay_s)
            target.process.kill()
            target.process.wait()
            said = recording.finish()
    assert "window failed" not in said and "windows failed" not in said
    assert 0 <= recording.stats["sampling"]["target_cpu_s"] < 60


def test_a_command_from_its_start(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import time\nkept = []\nend = time.monotonic() + 3\n"
                      "while time.monotonic() < end:\n    kept.append('a string that is kept %d' % len(kept))\n")
    path = tmp_path / "heap.folded"
    run = run_linger("record", "--overhead", BUDGET, "-o", path, SYSTEM_PYTHON, script)
    assert run.returncode == 0, run.stderr
    totals = parse_folded(path.read_text())
    leaves = totals.by_leaf("object")
    line = sum(size for frame, size in leaves.items() if frame.line == 5)
    assert line > 0.5 * totals.total("object") > 0


def test_an_idle_target_costs_next_to_nothing(system_interpreter):
    with Target(system_interpreter, "ending.py") as target:
        with Recording(target.pid, mode="sampled") as recording:
            time.sleep(2)
            recording.stop()
    sampling = recording.stats["sampling"]
    assert sampling["windows"] >= 1 and sampling["events"] < 100
    assert recording["object"]["live_bytes"] <= 4096


def test_kernels_without_uprobe_multi_are_told_what_to_do(system_interpreter, monkeypatch):
    monkeypatch.setenv("LINGER_WITHOUT", "uprobe_multi")
    with Target(system_interpreter, "ending.py") as target:
        refused = run_linger("record", "-p", target.pid, "-d", "1")
        assert refused.returncode == 2
        assert "this kernel lacks uprobe_multi" in refused.stderr and "--mode exact" in refused.stderr


@pytest.mark.parametrize("options", [("--overhead", "0"), ("--overhead", "101"), ("--overhead", "x"),
                                     ("--window-max", "0"), ("--min-age", "-1"), ("--older", "y")])
def test_bad_options_are_refused(options):
    run = run_linger("record", "-p", "1", *options)
    assert run.returncode == 2 and "is not a" in run.stderr


@pytest.mark.parametrize("options", [("--mode", "exact", "--overhead", "1"), ("--mode", "mapping", "--older", "5"),
                                     ("--live-max", "10")])
def test_options_of_another_mode_are_refused(options):
    run = run_linger("record", "-p", "1", *options)
    assert run.returncode == 2 and "is for --mode " in run.stderr
