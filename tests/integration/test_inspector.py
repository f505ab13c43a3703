# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the inspector says of objects whose fate is known: kept, changed in place, dropped, replaced."""
import contextlib

import pytest

from interpreters import BUILD
from linger import Target, running

DRIVER = BUILD / "inspect_driver"


class Inspection:
    """The blocks of named objects; verdicts by name."""

    def __init__(self, driver, names, addresses):
        self.driver, self.names = driver, names
        taken, self.take_ns = map(int, self.ask("take", *addresses).split())
        assert taken > 0

    def ask(self, *words):
        self.driver.stdin.write(" ".join(words).encode() + b"\n")
        self.driver.stdin.flush()
        return self.driver.stdout.readline().decode()

    def look(self):
        """Name -> the verdicts of its blocks, without what pymalloc does not serve."""
        _, *verdicts = self.ask("inspect").split()
        assert len(verdicts) == len(self.names)
        by_name = {}
        for name, verdict in zip(self.names, verdicts):
            if verdict != "none":
                by_name.setdefault(name, []).append(verdict)
        return by_name


@contextlib.contextmanager
def inspecting(interpreter):
    with Target(interpreter, "inspected.py") as target, running([str(DRIVER), str(target.pid)]) as driver:
        names, addresses = [], []
        for row in target.ask("make").split(";"):
            name, *found = row.split()
            names += [name] * len(found)
            addresses += found
        yield target, Inspection(driver, names, addresses)


def group(verdicts, wanted):
    return {name.split("/")[1]: found for name, found in verdicts.items() if name.startswith(wanted + "/")}


def not_all(verdicts, allowed):
    """Name -> what else was said."""
    others = {name: sorted(set(found) - set(allowed)) for name, found in verdicts.items()}
    return {name: found for name, found in others.items() if found}


def test_kept_objects_are_alive(interpreter):
    with inspecting(interpreter) as (target, inspection):
        assert not not_all(inspection.look(), ["alive"])
        for step in ("refer", "mutate", "collect"):
            target.ask(step)
            assert not not_all(group(inspection.look(), "kept"), ["alive"]), step


def test_changes_before_the_first_look(interpreter):
    """The first fingerprint alone is there when the objects have changed already."""
    with inspecting(interpreter) as (target, inspection):
        target.ask("mutate")
        target.ask("collect")
        assert not not_all(group(inspection.look(), "kept"), ["alive"])


@pytest.mark.parametrize("was_seen", [False, True])
def test_dropped_objects_are_dead(interpreter, was_seen):
    with inspecting(interpreter) as (target, inspection):
        if was_seen:
            inspection.look()
        target.ask("drop")
        verdicts = inspection.look()
        assert not not_all(group(verdicts, "dropped"), ["freed", "reused", "changed", "gone"])
        assert not not_all(group(verdicts, "kept"), ["alive"])


@pytest.mark.parametrize("was_seen", [False, True])
def test_replaced_objects_are_dead_where_content_tells(interpreter, was_seen):
    with inspecting(interpreter) as (target, inspection):
        if was_seen:
            inspection.look()
        target.ask("replace")
        told = group(inspection.look(), "replaced")
        assert not not_all({kind: told[kind] for kind in target.ask("telling").split()},
                           ["freed", "reused", "changed", "gone"])


def test_looks_in_between_catch_the_others(interpreter):
    """One look at which a block is free is enough, whatever comes later to its address."""
    with inspecting(interpreter) as (target, inspection):
        kinds = group(inspection.look(), "replaced")
        dead = {kind: set() for kind in kinds}
        for turn in range(4):
            for kind in kinds:
                target.ask("churn", kind, "-" if turn == 2 else str(500 * turn))
            for kind, verdicts in group(inspection.look(), "replaced").items():
                dead[kind] |= {i for i, verdict in enumerate(verdicts) if verdict not in ("alive", "undecided")}
        assert {kind: len(found) for kind, found in dead.items()} == {kind: len(kinds[kind]) for kind in kinds}


def test_busy_target(interpreter):
    """What is read while it changes makes nobody dead."""
    with inspecting(interpreter) as (target, inspection):
        target.ask("busy")
        undecided = 0
        for _ in range(100):
            kept = group(inspection.look(), "kept")
            assert not not_all(kept, ["alive", "undecided"])
            undecided += sum(verdicts.count("undecided") for verdicts in kept.values())
        assert undecided < 10 * sum(map(len, kept.values()))  # one in ten; most often none


@pytest.mark.interpreters("system")
def test_target_that_ends(interpreter):
    with inspecting(interpreter) as (target, inspection):
        target.process.kill()
        target.process.wait()
        assert not not_all(inspection.look(), ["alive"])
        assert inspection.driver.wait(10) == 1
