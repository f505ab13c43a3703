# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Yama's ptrace_scope from 0 to 3, at which nobody may attach to anything: the numbers are as true at each."""
from pathlib import Path

import pytest

import test_census
import test_stacks_command
from interpreters import system
from kinds import measure
from linger import Target, run_linger

SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


@pytest.fixture(params=[0, 1, 2, 3])  # it goes up only
def scope(request):
    SCOPE.write_text(str(request.param))
    assert int(SCOPE.read_text()) == request.param
    return request.param


def may_attach(pid):
    """By the rule that ptrace and process_vm_readv are under too."""
    try:
        with open("/proc/%d/mem" % pid, "rb"):
            return True
    except PermissionError:
        return False


def test_everything_is_seen(scope):
    with Target(system(), "ending.py") as target:
        assert may_attach(target.pid) == (scope < 3)
    outcome = measure(system(), "list")
    assert outcome.agrees() and outcome.coverage >= 0.999
    test_census.test_pools_are_those_of_the_interpreter(system())
    test_stacks_command.test_every_frame_of_every_thread(system())


@pytest.mark.parametrize("command", [("census",), ("stacks",), ("get", "__main__.KEEP"), ("why", "function")])
def test_no_command_needs_more(command):
    """At the scope that is left, the highest."""
    assert int(SCOPE.read_text()) == 3
    with Target(system(), "ending.py") as target:
        run = run_linger(command[0], "-p", target.pid, *command[1:])
    assert run.returncode == 0 and not run.stderr, run.stderr
