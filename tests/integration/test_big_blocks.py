# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Large blocks at their lines, against tracemalloc in a run of its own.

tracemalloc's tables are raw blocks too, so the process that linger records must not have it. Both domains are
compared together: which of them serves a block is the allocator's affair, and the sum is what tracemalloc counts.
"""
import json

import pytest

from interpreters import ask
from linger import Recording, Target

TOLERANCE = 0.01
WORTH_BYTES = 100000  # lines below are noise


def tracemalloc_lines(interpreter, work, *options):
    with Target(interpreter, "big_blocks.py", "--tracemalloc", *options) as target:
        target.ask("baseline")
        target.ask(work)
        lines, total = json.loads(target.ask("lines"))
    return {(name, line): size for name, line, size in lines}, total


def linger_lines(interpreter, work, domain, *options):
    with Target(interpreter, "big_blocks.py", *options) as target:
        target.ask("baseline")
        with Recording(target.pid, domain=domain) as recording:
            target.ask(work)
            recording.stop()
    lines = {}
    for name in domain.split(","):
        for frame, size in recording.profile.by_leaf(name).items():
            lines[frame.file, frame.line] = lines.get((frame.file, frame.line), 0) + size
    return lines, recording


def differences(truth, seen):
    for place in sorted(set(truth) | set(seen)):
        true_bytes, bytes_ = truth.get(place, 0), seen.get(place, 0)
        if max(true_bytes, bytes_) >= WORTH_BYTES and abs(bytes_ - true_bytes) > TOLERANCE * true_bytes:
            yield "%s:%d: tracemalloc %d, linger %d" % (*place, true_bytes, bytes_)


def check_lines(truth, seen, count):
    assert sum(size >= WORTH_BYTES for size in truth.values()) >= count
    wrong = list(differences(truth, seen))
    assert not wrong, "\n".join(wrong)


def check_total(total, recording):
    """pymalloc's blocks and malloc's together are all that tracemalloc knows of, but for what C took from malloc."""
    sizes = {name: recording[name]["live_bytes"] for name in ("object", "raw")}
    assert sizes["object"] > 4 << 20 < sizes["raw"]
    assert sum(sizes.values()) == pytest.approx(total, rel=TOLERANCE)


def test_large_blocks_are_at_their_lines(interpreter):
    truth, total = tracemalloc_lines(interpreter, "build")
    seen, recording = linger_lines(interpreter, "build", "object,raw")
    check_lines(truth, seen, 15)
    check_total(total, recording)


def has_numpy(interpreter):
    try:
        ask(interpreter.command, "import numpy")
    except OSError:
        pytest.skip("no numpy for " + " ".join(interpreter.command))


@pytest.mark.interpreters("system", "embedded")
def test_numpys_arrays_are_at_their_lines(interpreter):
    has_numpy(interpreter)
    truth, total = tracemalloc_lines(interpreter, "build_numpy", "--numpy")
    seen, recording = linger_lines(interpreter, "build_numpy", "raw", "--numpy")
    check_lines(truth, seen, 9)
    assert recording["raw"]["live_bytes"] == pytest.approx(total, rel=TOLERANCE)
