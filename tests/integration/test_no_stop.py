# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The target never stops, and nothing of linger stays in it."""
import time

import pytest

from linger import Recording, Target, wait_until
from sampling import StateSampler, changed_text

# A debugger's attach takes hundreds of milliseconds; probes are put in and taken out in far less, page by page.
# Generous, because the machine may do something else at any time.
LONGEST_GAP_S = 0.25
WATCH_S = 1.0
PROBED = ("system", "embedded", "bullseye", "trixie", "forky")


def watch(target):
    """The longest gap in the loop since the last question, and after some time more."""
    time.sleep(WATCH_S)
    return float(target.ask("gap"))


def test_a_loop_in_the_target_is_never_held_up(system_interpreter):
    with Target(system_interpreter, "gaps.py") as target:
        target.ask("gap")
        untraced = watch(target)
        with StateSampler(target.pid) as sampler:
            with Recording(target.pid) as recording:
                attaching = float(target.ask("gap"))
                tracing = watch(target)
                recording.stop()
            detaching = float(target.ask("gap"))
    gaps = {"attaching": attaching, "tracing": tracing, "detaching": detaching}
    assert max(gaps.values()) <= max(LONGEST_GAP_S, 4 * untraced), gaps
    assert sampler.samples >= 200
    assert not sampler.states & set("tT"), "a thread was stopped"


@pytest.mark.interpreters(*PROBED)
def test_no_thread_is_ever_stopped(interpreter):
    with Target(interpreter, "kinds.py") as target:
        with StateSampler(target.pid) as sampler, Recording(target.pid) as recording:
            target.ask("build", "list")
            recording.stop()
    assert sampler.samples >= 50
    assert not sampler.states & set("tT"), "a thread was stopped"


@pytest.mark.interpreters(*PROBED)
def test_a_recording_leaves_no_breakpoint(interpreter):
    with Target(interpreter, "kinds.py") as target:
        assert not changed_text(target.pid)
        with Recording(target.pid) as recording:
            assert changed_text(target.pid), "the comparison does not see the probes"
            recording.stop()
            assert not changed_text(target.pid)


@pytest.mark.interpreters("system", "embedded")
def test_windows_stop_nothing_and_leave_no_breakpoint(interpreter):
    with Target(interpreter, "gaps.py") as target:
        target.ask("gap")
        untraced = watch(target)
        with StateSampler(target.pid) as sampler, \
                Recording(target.pid, "--overhead", "50", mode="sampled") as recording:
            sampled = watch(target)
            recording.stop()
            assert not changed_text(target.pid)
    assert recording.stats["sampling"]["windows"] >= 2
    assert sampled <= max(LONGEST_GAP_S, 4 * untraced)
    assert not sampler.states & set("tT"), "a thread was stopped"


@pytest.mark.interpreters(*PROBED)
def test_a_killed_linger_leaves_nothing_behind(interpreter):
    with Target(interpreter, "kinds.py") as target:
        with Recording(target.pid) as recording:
            target.ask("build", "dict")
            recording.process.kill()
            target.ask("build", "dict")
            recording.process.wait()
        # The kernel takes the probes out when it has torn the dead process down.
        wait_until(lambda: not changed_text(target.pid), "the probes to be gone", 20)
        target.ask("build", "all")
        assert target.process.poll() is None
