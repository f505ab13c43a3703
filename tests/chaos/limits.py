# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Faults of what is limited: linger's tables in the kernel, its memory, its descriptors, its address space."""
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from harness import (LINGER, MODES, TIMEOUT_S, Linger, Skipped, Unharmed, check_files, fault, options_of, scratch)

MEMORY_BYTES = 64 << 20
GROUPS = Path("/sys/fs/cgroup")


# --- the tables in the kernel -------------------------------------------------------------------------------

@fault("live set full (--live-max 1)", runs=4)
def live_set_full(random, number):
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid, "--live-max", "1") as linger:
        linger.wait_begun()
        target.ask("stacks", "0", "50000")
        linger.interrupt()
        dropped = {name: sum(domain["dropped"].values()) for name, domain in linger.results()["domains"].items()}
        target.check()
    assert dropped["object"] > 10000, dropped


@fault("100,000 different stacks: stack table and pool of frames full", runs=4)
def stack_table_full(random, number):
    """What finds no room is counted, and its bytes are."""
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid) as linger:
        linger.wait_begun()
        target.ask("stacks", "0", "100000", "40" if number % 2 else "17")
        linger.interrupt()
        domain = linger.results()["domains"]["object"]
        target.check()
    assert domain["lost_stacks"] > 20000 and domain["live_blocks"] >= 100000, domain


@fault("40,000 different functions: code table full", runs=2)
def code_table_full(random, number):
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid) as linger:
        linger.wait_begun()
        for first in range(0, 40000, 10000):
            target.ask("codes", str(first), "10000")
        linger.interrupt()
        domain = linger.results()["domains"]["object"]
        target.check()
    assert domain["lost_names"] > 0 or domain["lost_stacks"] > 0, domain


# --- memory -------------------------------------------------------------------------------------------------

class MemoryGroup:
    """A control group with so much memory, of either version."""

    def __init__(self, limit_bytes):
        unified = (GROUPS / "cgroup.controllers").exists()
        parent = GROUPS if unified else GROUPS / "memory"
        if unified:
            (GROUPS / "cgroup.subtree_control").write_text("+memory")
        if not (parent / "cgroup.procs").exists():
            raise Skipped("no memory control groups")
        self.path = parent / ("linger-chaos-%d" % os.getpid())
        self.path.mkdir()
        self.events = self.path / ("memory.events" if unified else "memory.oom_control")
        (self.path / ("memory.max" if unified else "memory.limit_in_bytes")).write_text(str(limit_bytes))

    @property
    def before(self):
        """In front of a command that is to run in it."""
        return ("sh", "-c", 'echo $$ > "$0"/cgroup.procs; exec "$@"', str(self.path))

    def kills(self):
        return int(dict(line.split() for line in self.events.read_text().splitlines())["oom_kill"])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for pid in (self.path / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.1)


def met_memory_limit(status, said, kills):
    """It works, says why not, or is killed by the kernel."""
    if status == 0:
        return "works"
    if status in (1, 2):
        assert "linger: failed to" in said and "memory" in said.lower(), said
        return "refuses"
    assert status == -signal.SIGKILL and kills, (status, said)
    return "killed by the kernel"


@fault("memory limit of 64 MiB on linger, recording", runs=9)
def recorder_memory_limited(random, number):
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target, scratch() as folder, MemoryGroup(MEMORY_BYTES) as group:
        with Linger(folder, target.pid, *options_of(mode), mode=mode, before=group.before) as linger:
            with contextlib.suppress(subprocess.TimeoutExpired):
                linger.process.wait(2)
            target.ask("stacks", "0", "100000")
            linger.interrupt()
            met = met_memory_limit(linger.process.wait(TIMEOUT_S), linger.said(), group.kills())
            check_files(folder, *(["heap.folded", "stats.json"] if met == "works" else []))
            if met == "works":
                linger.results()
        target.check()
    return "%s: %s" % (mode, met)


@fault("memory limit of 64 MiB on linger, looking", runs=6)
def looker_memory_limited(random, number):
    command = (("census",), ("stacks",), ("why", "__main__.Node"))[number % 3]
    with Unharmed() as target, MemoryGroup(MEMORY_BYTES) as group:
        target.ask("stacks", "0", "200000")
        words = [*group.before, str(LINGER), command[0], "-p", str(target.pid), *command[1:]]
        run = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        met = met_memory_limit(run.returncode, run.stderr, group.kills())
        target.check()
    return "%s: %s" % (command[0], met)


# --- descriptors and address space --------------------------------------------------------------------------

def met_shell_limit(limit, mode):
    """linger under a limit of the shell's."""
    with Unharmed() as target, scratch() as folder:
        with Linger(folder, target.pid, *options_of(mode), "-d", "0.5", mode=mode,
                    before=("sh", "-c", limit + '; exec "$@"', "sh")) as linger:
            status = linger.process.wait(TIMEOUT_S)
            if status == 0:
                linger.results()
            else:
                assert status in (1, 2) and "linger: failed to" in linger.said(), (status, linger.said())
        target.check()
    return "%s: %s" % (mode, "refuses" if status else "works")


@fault("20 descriptors for linger (ulimit -n)", runs=6)
def few_descriptors(random, number):
    return met_shell_limit("ulimit -n 20", list(MODES)[number % len(MODES)])


@fault("3 to 120 descriptors for linger (ulimit -n)", runs=30)
def any_descriptors(random, number):
    return met_shell_limit("ulimit -n %d" % random.randrange(3, 121), list(MODES)[number % len(MODES)])


@fault("20 to 300 MiB of address space for linger (ulimit -v)", runs=30)
def any_address_space(random, number):
    return met_shell_limit("ulimit -v %d" % (random.randrange(20, 301) << 10), list(MODES)[number % len(MODES)])
