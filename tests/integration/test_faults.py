# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Faults, in short: the target is unharmed, nothing of linger stays in it. `make chaos` has them all, more often."""
import json
import os
import signal
import subprocess
import time

import pytest

from linger import LINGER, RECORDING, Recording, Target, parse_folded, wait_until
from sampling import changed_text

STACKS = "20000"  # more than a pipe holds


@pytest.fixture
def target(system_interpreter):
    with Target(system_interpreter, "unharmed.py", "1") as running_target:
        yield running_target


def check_unharmed(target):
    wait_until(lambda: not changed_text(target.pid), "the probes to be gone", 20)
    before = int(target.ask("progress"))
    wait_until(lambda: int(target.ask("progress")) > before, "the target to go on")
    verdict = json.loads(target.ask("verdict"))
    assert verdict["rounds"] > 0 and not verdict["broken"]


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(child) for child in file.read().split()]


# --- killed while it detaches -------------------------------------------------------------------------------

def wait_until_detaching(pid, probes):
    """Some of the probes are out; the others follow within milliseconds."""
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        before = [os.pread(memory.fileno(), 1, address) for address in probes]
        deadline = time.monotonic() + 20
        while before == [os.pread(memory.fileno(), 1, address) for address in probes]:
            assert time.monotonic() < deadline
            time.sleep(0.0001)  # linger may need this CPU


@pytest.mark.parametrize("turn", range(5))
def test_linger_killed_while_it_detaches(target, turn):
    """The kernel takes no breakpoint out for a thread that is about to be killed."""
    with Recording(target.pid, domain="object,raw") as recording:
        probes = changed_text(target.pid)[::10]
        recording.process.send_signal(signal.SIGINT)
        wait_until_detaching(target.pid, probes)
        recording.process.kill()
        recording.process.wait()
        check_unharmed(target)


def test_linger_killed_in_a_window(target):
    with Recording(target.pid, "--overhead", "50", mode="sampled") as recording:
        outside = min(len(children(recording.process.pid)) for _ in range(100))
        wait_until(lambda: len(children(recording.process.pid)) > outside, "a window")
        recording.process.kill()
        recording.process.wait()
        check_unharmed(target)


def test_probes_that_are_gone_are_missed(target):
    """The process that keeps them is killed: what is not seen from then on is not passed over in silence."""
    with Recording(target.pid, form="text") as recording:
        for child in children(recording.process.pid):
            os.kill(child, signal.SIGKILL)
        target.ask("stacks", "0", "100")
        said = recording.stop()
    assert "probes were gone before the end" in said and "probes were gone before the end" in recording.output
    check_unharmed(target)


# --- signals while the profile is written -------------------------------------------------------------------

def record_to_a_full_pipe(target, end):
    """linger, as it waits for the reader of its standard output."""
    process = subprocess.Popen([str(LINGER), "record", "-p", str(target.pid), "--mode", "exact"], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert RECORDING in process.stderr.readline()
    target.ask("stacks", "0", STACKS)
    end(process)
    wait_until(lambda: not children(process.pid), "linger to detach")
    with open("/proc/%d/wchan" % process.pid) as file:
        wait_until(lambda: file.seek(0) == 0 and "pipe" in file.read(), "the pipe to be full")
    return process


def test_a_first_ctrl_c_while_the_profile_is_written_does_not_lose_it(target):
    """The target has ended, and the recording with it."""
    process = record_to_a_full_pipe(target, lambda _: target.process.kill())
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGUSR1)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and parse_folded(output).total("object") > 0


@pytest.mark.parametrize("end, times", [("kill", 2), ("interrupt", 1)])
def test_a_second_ctrl_c_ends_it(target, end, times):
    ends = {"kill": lambda _: target.process.kill(), "interrupt": lambda process: process.send_signal(signal.SIGINT)}
    process = record_to_a_full_pipe(target, ends[end])
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert process.wait(20) == -signal.SIGINT
    process.communicate()
