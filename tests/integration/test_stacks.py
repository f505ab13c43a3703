# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stacks: lines against tracemalloc and against the frames as the target itself sees them."""
import json
import os

import pytest

from linger import Frame, Recording, Target, frame_of

TOLERANCE = 0.01
WORTH_BYTES = 20000  # lines below are noise: interned strings, caches
KEPT_FRAMES = 128
MARK_BYTES = 200 * 240  # what mark() keeps: 200 blocks of bytes(200), each 233 bytes


# --- live bytes of each line --------------------------------------------------------------------------------

def tracemalloc_lines(interpreter):
    with Target(interpreter, "sites.py", "--tracemalloc") as target:
        target.ask("baseline")
        target.ask("build")
        return {(name, line): size for name, line, size in json.loads(target.ask("lines"))}


def linger_lines(interpreter):
    with Target(interpreter, "sites.py") as target:
        target.ask("baseline")
        with Recording(target.pid) as recording:
            target.ask("build")
            recording.stop()
    lines = {}
    for frame, size in recording.profile.by_leaf().items():
        lines[frame.file, frame.line] = lines.get((frame.file, frame.line), 0) + size
    return lines


def differences(truth, seen):
    for place in sorted(set(truth) | set(seen)):
        true_bytes, bytes_ = truth.get(place, 0), seen.get(place, 0)
        if max(true_bytes, bytes_) >= WORTH_BYTES and abs(bytes_ - true_bytes) > TOLERANCE * true_bytes:
            yield "%s:%d: tracemalloc %d, linger %d" % (*place, true_bytes, bytes_)


def test_bytes_of_each_line_are_tracemallocs(interpreter):
    truth, seen = tracemalloc_lines(interpreter), linger_lines(interpreter)
    assert sum(size >= WORTH_BYTES for size in truth.values()) >= 40
    wrong = list(differences(truth, seen))
    assert not wrong, "\n".join(wrong)


# --- whole stacks -------------------------------------------------------------------------------------------

def read_stack(entries):
    return tuple(Frame(*entry) for entry in entries)


def record_stacks(interpreter, *command):
    """The target's own record of its stacks, and the profile's: tuples of frames with their bytes."""
    with Target(interpreter, "stacks.py") as target:
        with Recording(target.pid) as recording:
            target.ask(*command)
            recording.stop()
        recorded = json.loads(target.ask("recorded"))
    stacks = [(tuple(map(frame_of, frames)), size) for frames, size in recording.profile.stacks["object"]]
    return {name: read_stack(entries) for name, entries in recorded.items()}, stacks


def bytes_below(stacks, expected):
    """Bytes in stacks that start with these frames and go on into mark()."""
    depth = len(expected)
    return sum(size for frames, size in stacks
               if frames[:depth] == expected and len(frames) > depth and frames[depth].function == "mark")


def nearest(stacks, expected):
    """For the failure message: the stack that shares the longest start with the expected one."""
    def shared(frames):
        return len(os.path.commonprefix([frames, expected]))
    return max((frames for frames, size in stacks if size >= MARK_BYTES), key=shared, default=())


def explain(case, expected, stacks):
    lines = ["%s:" % case, "  the target:"] + list(map(str, expected))
    return "\n".join(lines + ["  the nearest stack:"] + list(map(str, nearest(stacks, expected))))


def test_stacks_are_the_interpreters_own(interpreter):
    recorded, stacks = record_stacks(interpreter, "run_all")
    deep = recorded.pop("deep")
    assert len(recorded) >= 70
    wrong = [case for case, expected in recorded.items() if bytes_below(stacks, expected) < MARK_BYTES]
    assert not wrong, "\n".join(explain(case, recorded[case], stacks) for case in wrong)
    check_deep(deep, stacks)


def check_deep(expected, stacks):
    """Of 300 levels at least the 128 innermost are kept, and a cut stack says that it is cut."""
    descent = expected[-2]
    found = [frames for frames, size in stacks if size >= MARK_BYTES and descent in frames]
    assert len(found) == 1, "the deep stack is lost or in pieces"
    callers = found[0][:-2]  # without mark and hold
    if callers[0].function == "[truncated]":
        callers = callers[1:]
        assert KEPT_FRAMES - 2 <= len(callers) < len(expected)
    else:
        assert len(callers) == len(expected)
    assert callers == expected[-len(callers):]


# --- code objects that come and go --------------------------------------------------------------------------

CHURN_BYTES = 50 * 240  # each function keeps 50 blocks of bytes(200)


def churned(interpreter, command):
    """Frame of the innermost function -> bytes, of the functions that the target made and dropped."""
    with Target(interpreter, "stacks.py") as target, Recording(target.pid) as recording:
        target.ask(command)
        recording.stop()
    return {frame: size for frame, size in recording.profile.by_leaf().items() if not frame.file.startswith("/")}


def test_names_survive_their_code_object(interpreter):
    totals = churned(interpreter, "churn_names")
    mixed = [frame for frame in totals if frame.file.startswith("made_")
             and frame.function not in ("<module>", frame.file[:-len(".py")])]
    assert not mixed
    expected = {Frame("made_%04d" % i, "made_%04d.py" % i, 3): CHURN_BYTES for i in range(400)}
    assert {frame: totals.get(frame) for frame in expected} == expected


def test_lines_survive_their_code_object(interpreter):
    totals = churned(interpreter, "churn_lines")
    expected = {Frame("same", "same.py", 3 + i): CHURN_BYTES for i in range(100)}
    assert {frame: totals.get(frame) for frame in expected} == expected


@pytest.mark.interpreters("system", "bullseye", "trixie", "forky", "pyenv-3.8.18", "pyenv-3.12.1")
def test_allocations_in_a_sub_interpreter(interpreter):
    with Target(interpreter, "subinterpreter.py") as target, \
            Recording(target.pid, domain="object,raw", value="inuse_objects") as recording:
        target.ask("build")
        recording.stop()

    def blocks(domain, function):
        return sum(weight for frames, weight in recording.profile.stacks[domain] if any(function in f for f in frames))

    assert blocks("object", "kept_inside") >= 20000
    assert 200 <= blocks("raw", "raw_inside") <= 210  # the list grows, too
