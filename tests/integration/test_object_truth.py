# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The object domain against the interpreter's own count of its pools, on every interpreter."""
import pytest

from kinds import HEADER, measure, row, table

PHASES = {
    "build": ("all", ()),
    "half": ("all", ("half",)),
    "clear": ("all", ("half", "clear")),
    "realloc": ("moved", ()),
    "realloc_clear": ("moved", ("half", "clear")),
}


DIAGNOSED = set()
DIAGNOSES = 2  # in one run: each records every kind alone


def diagnosis(interpreter, phase, outcome):
    """The whole, then each kind alone: a missed copy of the allocator is one kind that is wrong."""
    what, steps = PHASES[phase]
    lines = ["%s, %s: linger and the pools disagree" % (interpreter.id, phase), HEADER, row(what, outcome)]
    if interpreter.id in DIAGNOSED or len(DIAGNOSED) >= DIAGNOSES:
        hint = "for each kind: kinds.py --interpreter %s --steps %s" % (interpreter.id, " ".join(steps))
        return "\n".join(lines + [hint])
    DIAGNOSED.add(interpreter.id)
    return "\n".join(lines + list(table(interpreter, steps=steps)))


@pytest.mark.parametrize("phase", PHASES)
def test_live_blocks_are_the_pools_own(interpreter, phase):
    what, steps = PHASES[phase]
    outcome = measure(interpreter, what, steps)
    assert outcome.peak_blocks >= 200000
    assert sum(outcome.stats["dropped"].values()) == 0
    assert outcome.agrees(), diagnosis(interpreter, phase, outcome)
    assert outcome.coverage >= 0.999, diagnosis(interpreter, phase, outcome)


def test_the_same_with_probes_attached_one_by_one(system_interpreter, monkeypatch):
    """As on kernels before 6.6."""
    monkeypatch.setenv("LINGER_WITHOUT", "uprobe_multi")
    outcome = measure(system_interpreter, "all", ("half",))
    assert outcome.agrees() and outcome.coverage >= 0.999
