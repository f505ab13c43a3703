# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""On a kernel that is too old: refused, with the name of what it lacks."""
import json

import pytest

from interpreters import system
from linger import Target, run_linger

LACKS = "bpf_loop"  # of the required features the first that Linux 5.10 does not have


@pytest.fixture(scope="module")
def target():
    with Target(system(), "ending.py") as running_target:
        yield running_target


@pytest.mark.parametrize("mode", ["sampled", "exact", "mapping"])
def test_recording(target, tmp_path, mode):
    run = run_linger("record", "-p", target.pid, "--mode", mode, "-o", tmp_path / "heap.folded")
    assert run.returncode == 2 and "this kernel lacks %s" % LACKS in run.stderr, run.stderr
    assert not list(tmp_path.iterdir())


def test_a_command(tmp_path):
    run = run_linger("record", "-o", tmp_path / "heap.folded", "--", "/bin/touch", tmp_path / "started")
    assert run.returncode == 2 and "this kernel lacks %s" % LACKS in run.stderr, run.stderr
    assert not list(tmp_path.iterdir())


def test_the_doctor(target, record_property):
    run = run_linger("doctor", "-p", target.pid, "--json")
    features = {feature["name"]: feature["present"] for feature in json.loads(run.stdout)["features"]}
    record_property("features", features)
    assert run.returncode == 2 and not features[LACKS] and not features["uprobe_multi"]
    text = run_linger("doctor").stdout
    assert "MISSING  %s" % LACKS in text and "'linger record' will not work." in text
