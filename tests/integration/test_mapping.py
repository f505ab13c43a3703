# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The mapping domain against what the target mapped, cut, moved and dropped: exact."""
import json
import os
import select

import pytest

from linger import Recording, Target, run_linger

MAPPED_ON = ("system", "embedded", "bullseye", "trixie", "forky")


def by_function(recording):
    totals = {}
    for frame, size in recording.profile.by_leaf("mapping").items():
        totals[frame.function] = totals.get(frame.function, 0) + size
    return totals


@pytest.mark.interpreters(*MAPPED_ON)
def test_mappings_are_counted_exactly(interpreter):
    with Target(interpreter, "mappings.py") as target:
        target.ask("settle")
        with Recording(target.pid, domain="mapping") as recording:
            truth = json.loads(target.ask("run"))
            recording.stop()
    seen = by_function(recording)
    # A case that spreads over several functions names them all.
    assert {name: sum(seen.get(part, 0) for part in name.split()) for name in truth} == truth
    assert recording.profile.total("mapping") == recording["mapping"]["live_bytes"]


@pytest.mark.interpreters(*MAPPED_ON)
def test_mapping_mode_needs_no_probe_sites(interpreter):
    with Target(interpreter, "mappings.py") as target:
        target.ask("settle")
        with Recording(target.pid, mode="mapping", domain="mapping") as recording:
            truth = json.loads(target.ask("run"))
            recording.stop()
    assert by_function(recording)["whole_kept"] == truth["whole_kept"]
    assert "object" not in recording.profile.stacks


@pytest.mark.needs_ctypes
def test_arenas_appear_once_as_mappings(interpreter):
    with Target(interpreter, "mappings.py") as target:
        target.ask("settle")
        with Recording(target.pid, domain="object,mapping") as recording:
            before = target.truth()
            target.ask("objects")
            after = target.truth()
            recording.stop()
    mapped = (after.arenas - before.arenas) * after.arena_bytes
    assert mapped > 40000 * 400
    # The function that fills the arenas maps nothing else: its list is made beforehand.
    assert by_function(recording).get("fill") == mapped
    objects = sum(size for frame, size in recording.profile.by_leaf("object").items() if frame.function == "fill")
    assert abs(objects - (after.bytes - before.bytes)) <= 0.001 * objects


def test_both_domains_carry_their_name(system_interpreter):
    with Target(system_interpreter, "mappings.py") as target:
        with Recording(target.pid, domain="object,mapping") as recording:
            target.ask("run")
            target.ask("objects")
            recording.stop()
    assert set(recording.profile.stacks) == {"object", "mapping"} == set(recording.stats["domains"])


def test_what_was_inherited_ends_with_linger(system_interpreter, tmp_path):
    """Letting go of the tracepoints takes the kernel a while; the reader of a pipe must not wait for it."""
    reading, writing = os.pipe()
    with Target(system_interpreter, "mappings.py") as target:
        run = run_linger("record", "-p", target.pid, "-d", 0.3, "--domain", "mapping", "-o", tmp_path / "heap.folded",
                         pass_fds=[writing])
        os.close(writing)
        ended = select.select([reading], [], [], 0.05)[0]
    os.close(reading)
    assert run.returncode == 0 and ended, run.stderr
