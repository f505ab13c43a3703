# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Nothing is lost in silence. (The identity itself is checked after every recording: linger.check_identity.)"""
import pytest

from linger import BOOKS, Recording, Target

ROOM_MIB = 1


def record(interpreter, *options, steps=(), **form):
    """The recording, and what it said."""
    with Target(interpreter, "kinds.py") as target:
        target.ask("warm")
        with Recording(target.pid, *options, **form) as recording:
            for step in steps:
                target.ask(*step.split())
            return recording, recording.stop()


def test_a_full_live_set_counts_what_it_drops(interpreter):
    recording, said = record(interpreter, "--live-max", str(ROOM_MIB), steps=("build all", "half"),
                             value="inuse_objects")
    domain = recording["object"]
    assert recording.profile.drops["object"] == {"live_set_full": domain["dropped"]["live_set_full"]}
    assert domain["dropped"]["live_set_full"] >= 200000 and domain["live_bytes"] <= ROOM_MIB << 20
    assert str(domain["dropped"]["live_set_full"]) in said.replace(",", "") and "hint: " in said


@pytest.mark.parametrize("form", ["folded", "svg", "text"])
def test_every_output_states_its_losses(system_interpreter, form):
    recording, _ = record(system_interpreter, "--live-max", str(ROOM_MIB), steps=("build list",), form=form,
                          value="inuse_objects")
    dropped = recording["object"]["dropped"]["live_set_full"]
    assert "live_set_full" in recording.output and str(dropped) in recording.output.replace(",", "")


def test_freed_blocks_leave_the_books_in_order(system_interpreter):
    recording, _ = record(system_interpreter, steps=("build all", "half", "clear", "build moved", "clear"))
    domain = recording["object"]
    assert domain["seen_frees"] > 200000
    assert domain["unmatched_frees"] < 0.001 * domain["seen_frees"]
    assert sum(domain["dropped"].values()) == 0


@pytest.mark.parametrize("value", BOOKS)
def test_values_are_those_of_the_books(system_interpreter, value):
    """check_identity compares the sums; here they must not be the same by chance."""
    recording, _ = record(system_interpreter, steps=("build list", "half"), value=value)
    books = [recording["object"][field] for field in BOOKS.values()]
    assert len(set(books)) == len(books)


def test_other_processes_of_the_same_program_do_not_count(system_interpreter):
    with Target(system_interpreter, "kinds.py") as target, Target(system_interpreter, "kinds.py") as other:
        other.ask("warm")
        with Recording(target.pid) as recording:
            other.ask("build", "list")
            recording.stop()
    assert recording["object"]["seen_allocs"] < 1000


def test_children_are_told_of(system_interpreter):
    """They are not recorded, but run into the same probes. Threads are none."""
    with Target(system_interpreter, "children.py") as target:
        with Recording(target.pid) as recording:
            children = int(target.ask("make"))
            said = recording.stop()
    assert recording.stats["forks"] == children > 0
    assert "forked %d times" % children in said


def test_stats_have_the_documented_fields(system_interpreter):
    recording, _ = record(system_interpreter, steps=("build list",))
    stats = recording.stats
    assert set(stats) >= {"domains", "coverage", "sites", "attach_ms", "detach_ms", "target"}
    assert set(stats["domains"]["object"]) >= {"seen_allocs", "seen_frees", "unmatched_frees", "live_blocks",
                                               "live_bytes", "alloc_blocks", "alloc_bytes", "dropped"}
    assert set(stats["sites"]) >= {"pop", "push", "slow"} and stats["sites"]["pop"] > 0
    assert set(stats["target"]) >= {"pid", "python", "build"}
    assert stats["target"]["python"].startswith("%d.%d" % system_interpreter.version[:2])
    assert stats["attach_ms"] > 0 and stats["detach_ms"] >= 0
