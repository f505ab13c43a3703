# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Faults of what is around: linger or the target stands still, clocks jump, files go, others are there as well."""
import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from harness import (LINGER, MODES, TIMEOUT_S, Linger, Skipped, Unharmed, fault, find, options_of, rest,
                     scratch, stop_state, wait_until)

STOPPED_S = 60
HOUR_S = 3600
WITH_MAPPINGS = 60
OF_TARGETS = WITH_MAPPINGS * [()] + (100 - WITH_MAPPINGS) * [("--domain", "object,raw")]
BEGUN_S = 300  # a matter of processors


# --- somebody stands still ----------------------------------------------------------------------------------

@fault("linger stopped for a minute (SIGSTOP)", runs=3)
def linger_stopped(random, number):
    """The target goes on all the time; what linger could not take over is counted."""
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
        linger.wait_begun()
        rest(random, 0.5)
        linger.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: stop_state(linger.pid) == "T", "linger to stop")
        deadline, last = time.monotonic() + STOPPED_S, target.rounds()
        while time.monotonic() < deadline:
            time.sleep(1)
            now = target.rounds()
            assert now > last, "the target stood still for a second"
            last = now
        linger.process.send_signal(signal.SIGCONT)
        linger.interrupt()
        stats = linger.results()
        target.check()
    dropped = sum(sum(domain["dropped"].values()) for domain in stats["domains"].values())
    return "%s: %s" % (mode, "events dropped, and counted" if dropped else "nothing dropped")


@fault("target stopped (SIGSTOP) while linger attaches, records and detaches", runs=9)
def target_stopped(random, number):
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target, scratch() as folder:
        os.kill(target.pid, signal.SIGSTOP)
        wait_until(lambda: stop_state(target.pid) == "T", "the target to stop")
        with Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
            linger.wait_begun()
            assert stop_state(target.pid) == "T", "linger let it go on"
            if number % 2:
                os.kill(target.pid, signal.SIGCONT)
                target.wait_progress()
            rest(random, 0.5)
            linger.interrupt()
            linger.results()
        os.kill(target.pid, signal.SIGCONT)
        target.check()
    return mode


# --- clocks -------------------------------------------------------------------------------------------------

@fault("wall clock jumps by an hour, to and fro, while linger records", runs=6)
def wall_clock_steps(random, number):
    """As linger sees it: the machine's own clock belongs to everybody."""
    library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
    if not os.path.exists(library):
        raise Skipped("no libfaketime")
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target, scratch() as place, scratch() as folder:
        clock = place / "clock"
        clock.write_text("+0")
        environment = {**os.environ, "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(clock),
                       "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        with Linger(folder, target.pid, *options_of(mode), mode=mode, env=environment) as linger:
            linger.wait_begun()
            began = time.monotonic()
            for step in ("+1h", "-1h", "+0"):
                clock.write_text(step)
                target.wait_progress()
                rest(random, 0.5)
            linger.interrupt()
            stats = linger.results()
            assert stats["elapsed_s"] < time.monotonic() - began + 5, stats["elapsed_s"]
        target.check()
    return mode


@fault("linger in a time namespace, hours ahead", runs=6)
def other_time_namespace(random, number):
    """Its monotonic clock is another than that of the kernel's programs."""
    mode = list(MODES)[number % len(MODES)]
    before = ("unshare", "--time", "--fork", "--kill-child", "--monotonic", str(HOUR_S), "--boottime", str(HOUR_S))
    with Unharmed() as target, scratch() as folder:
        with Linger(folder, target.pid, *options_of(mode), "-d", "2", mode=mode, before=before) as linger:
            linger.wait_begun()
            target.wait_progress(50)
            stats = linger.results()
            assert 1 < stats["elapsed_s"] < 30, stats["elapsed_s"]
            assert stats["domains"]["mapping"]["recorded_allocs"] > 0, stats["domains"]["mapping"]
        target.check()
    return mode


# --- files --------------------------------------------------------------------------------------------------

@fault("interpreter replaced or deleted on disk while the target runs", runs=9)
def interpreter_upgraded(random, number):
    """The running one is what counts: linger reads and probes it, and leaves the new file alone."""
    mode = list(MODES)[number % len(MODES)]
    with scratch() as place, scratch() as folder:
        program = place / "python3"
        shutil.copy(os.path.realpath(find("system").command[0]), program)
        with Unharmed(replace(find("system"), command=(str(program),))) as target:
            if number % 2:
                shutil.copy(program, place / "new")
                with open(place / "new", "ab") as file:
                    file.write(b"another build")
                os.rename(place / "new", program)
            else:
                program.unlink()
            with Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
                linger.wait_begun()
                target.wait_progress(20)
                linger.interrupt()
                stats = linger.results()
            assert mode == "mapping" or stats["sites"]["pop"] > 0, stats["sites"]
            target.check()
    return "%s: recorded" % mode


# --- others -------------------------------------------------------------------------------------------------

@fault("two recorders of one target", runs=9)
def two_recorders(random, number):
    """Both are right: in exact mode they see the same."""
    modes = (("exact", "exact"), ("exact", "sampled"), ("sampled", "sampled"))[number % 3]
    with Unharmed(rest_ms=20) as target, scratch() as one, scratch() as two:
        with Linger(one, target.pid, *options_of(modes[0]), mode=modes[0]) as first, \
                Linger(two, target.pid, *options_of(modes[1]), mode=modes[1]) as second:
            for linger in first, second:
                linger.wait_begun()
            target.ask("stacks", "0", "5000")
            rest(random, 1)
            stats = []
            for linger in random.sample((first, second), 2):
                linger.interrupt()
                stats.append(linger.results())
        for mode, one_stats in zip(modes, stats):
            assert mode != "exact" or modes[1] != "exact" or one_stats["domains"]["object"]["live_blocks"] >= 5000
        target.check()
    return "%s + %s" % modes


@fault("100 targets at once, a recorder each", runs=1)
def hundred_targets(random, number):
    """The kernel lets 64 programs attach to a system call: the others record without mappings."""
    with contextlib.ExitStack() as stack:
        targets = [stack.enter_context(Unharmed(rest_ms=500)) for _ in OF_TARGETS]
        lingers = [stack.enter_context(Linger(stack.enter_context(scratch()), target.pid, *domains, mode="sampled"))
                   for target, domains in zip(targets, OF_TARGETS)]
        wait_until(lambda: all(one.has_begun() or one.has_ended() for one in lingers), "all to record", BEGUN_S)
        for target in targets:
            target.wait_progress()
        for linger in lingers:
            linger.interrupt()
        windows = sum(linger.results()["sampling"]["windows"] for linger in lingers)
        for target in targets:
            target.check()
    return "%d windows" % windows


# --- namespaces of the target --------------------------------------------------------------------------------

NAMESPACES = {"pid": ("--pid", "--fork", "--mount-proc", "--kill-child"), "mount": ("--mount",),
              "user": ("--user", "--map-root-user")}


def only_child(pid):
    """Of unshare --fork; itself where there is none."""
    children = Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
    return int(children[0]) if children else pid


class Inside(Unharmed):
    """In namespaces of its own; its pid is that of the outside."""

    def __init__(self, names):
        command = ("unshare", *[option for name in names for option in NAMESPACES[name]], *find("system").command)
        super().__init__(replace(find("system"), command=command))
        self.pid = only_child(self.pid)


@fault("target in a pid, mount or user namespace of its own, or all three", runs=12)
def target_in_namespaces(random, number):
    mode = list(MODES)[number % len(MODES)]
    names = (("pid",), ("mount",), ("user",), tuple(NAMESPACES))[number // len(MODES) % 4]
    with Inside(names) as target, scratch() as folder:
        with Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
            linger.wait_begun()
            target.wait_progress(20)
            linger.interrupt()
            linger.results()
        run = subprocess.run([str(LINGER), "stacks", "-p", str(target.pid)], capture_output=True, text=True,
                             check=False, timeout=TIMEOUT_S)
        assert run.returncode == 0 and "unharmed.py" in run.stdout, run.stderr
        target.check()
    return " + ".join(names)
