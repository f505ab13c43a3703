# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Faults in which somebody ends, or becomes another: linger, the target, its children, its threads, its number."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

from harness import (GONE_S, MODES, TIMEOUT_S, Linger, Skipped, Unharmed, fault, find, options_of, parse_folded, rest,
                     scratch)
from interpreters import TESTS, Interpreter


LEFT_S = 2  # what is not gone by then stays


# --- linger is killed ---------------------------------------------------------------------------------------

def is_writing(linger):
    return any(name.startswith(str(linger.folder)) for name in linger.descriptors())


def doing(linger, outside_windows, interrupted):
    """What linger is at, from what it has said and what it holds."""
    if not linger.has_begun():
        if linger.keepers():
            return "attach"
        return "load" if any(name.endswith("bpf-prog") for name in linger.descriptors()) else "inspect"
    if interrupted:
        if is_writing(linger):
            return "write"
        return "detach" if linger.keepers() else "between"
    return "window" if outside_windows is not None and linger.keepers() > outside_windows else "record"


def spin_until(condition, longest_s=2):
    """Without a pause: what is waited for lasts milliseconds. What does not come in time does not matter."""
    deadline = time.monotonic() + longest_s
    while not condition() and time.monotonic() < deadline:
        pass


def strike_early(linger, target, random):
    rest(random, 0.4)


def strike_later(linger, target, random):
    linger.wait_begun()
    rest(random, 0.5)


def strike_in_window(linger, target, random):
    linger.wait_begun()
    outside = min(linger.keepers() for _ in range(100))
    spin_until(lambda: linger.keepers() > outside)
    rest(random, 0.06)
    return {"outside_windows": outside}


def interrupt(linger, target):
    """With something to write."""
    linger.wait_begun()
    target.ask("stacks", "0", "30000")
    linger.process.send_signal(signal.SIGINT)


def strike_at_end(linger, target, random):
    interrupt(linger, target)
    rest(random, 0.06)
    return {"interrupted": True}


def strike_at_write(linger, target, random):
    interrupt(linger, target)
    spin_until(lambda: linger.has_ended() or is_writing(linger))
    return {"interrupted": True}


def check_whole(folder):
    """There may be what it wrote before, whole, and nothing else."""
    for path in folder.iterdir():
        assert path.name in ("heap.folded", "stats.json"), "%s is left" % path.name
        parse_folded(path.read_text()) if path.suffix == ".folded" else json.loads(path.read_text())


STRIKES = ((strike_early, 6), (strike_later, 3), (strike_in_window, 4), (strike_at_end, 5), (strike_at_write, 2))


def kill(linger, random):
    """It alone, or with all processes of its group, as a shell does."""
    linger.process.kill() if random.random() < 0.5 else os.killpg(linger.pid, signal.SIGKILL)


@fault("linger killed at a random moment", runs=200)
def linger_killed(random, number):
    strike = random.choices(*zip(*STRIKES))[0]
    mode = "sampled" if strike is strike_in_window else random.choice(list(MODES))
    with Unharmed() as target, scratch() as folder:
        with Linger(folder, target.pid, *options_of(mode), mode=mode, start_new_session=True) as linger:
            moment = {"outside_windows": None, "interrupted": False, **(strike(linger, target, random) or {})}
            moment = doing(linger, **moment)
            kill(linger, random)
            if linger.process.wait() == 0:
                moment = "had ended"
        target.check()
        check_whole(folder)
    return "%s: %s" % (mode, moment)


@fault("a second Ctrl-C while linger detaches and writes", runs=30)
def interrupted_twice(random, number):
    mode = random.choice(list(MODES))
    with Unharmed() as target, scratch() as folder:
        with Linger(folder, target.pid, *options_of(mode), mode=mode, start_new_session=True) as linger:
            interrupt(linger, target)
            rest(random, 0.06)
            os.killpg(linger.pid, signal.SIGINT)
            status = linger.process.wait(GONE_S)
        assert status in (0, -signal.SIGINT), status
        target.check()
        check_whole(folder)
    return "%s: %s" % (mode, "ended by it" if status else "had ended")


@fault("a process that keeps linger's probes killed", runs=10)
def keeper_killed(random, number):
    """Its probes are gone, which linger finds out and says."""
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid) as linger:
        linger.wait_begun()
        target.wait_progress()
        os.kill(random.choice(linger.children()), signal.SIGKILL)
        target.wait_progress()
        linger.interrupt()
        linger.results()
        assert "probes were gone before the end" in linger.said(), linger.said()
        target.check()


def strike_everything(linger, random):
    """All of linger's processes at once, as the kernel ends a control group, while they attach."""
    spin_until(lambda: linger.keepers() or linger.has_begun())
    rest(random, 0.02)
    with contextlib.suppress(ProcessLookupError):
        for pid in (*linger.children(), linger.pid):
            os.kill(pid, signal.SIGKILL)
    linger.process.wait()


@fault("all processes of linger killed at once while they attach; then another recording", runs=40)
def everything_killed(random, number):
    """The one fault that can leave breakpoints: only the end of a process takes them out for certain, and this comes
    before they are all in. The target runs on, and the next recording takes them out with its own."""
    with Unharmed() as target, scratch() as folder:
        with Linger(folder, target.pid) as linger:
            strike_everything(linger, random)
        target.wait_progress()
        met = "nothing left"
        try:
            target.wait_no_probes(LEFT_S)
        except TimeoutError:
            met = "breakpoints left"
        with scratch() as again, Linger(again, target.pid, "-d", "0.2") as linger:
            linger.results()
        target.check()
    return met


# --- the target ends, or becomes another ---------------------------------------------------------------------

@fault("target killed at a random moment", runs=60)
def target_killed(random, number):
    mode = random.choice(list(MODES))
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
        if number % 2:
            linger.wait_begun()
        rest(random, 0.6)
        target.process.kill()
        return "%s: %s" % (mode, linger.check_end())


@fault("target becomes another program at a random moment", runs=60)
def target_execs(random, number):
    """The recording ends then; if it has begun only afterwards, it is one of the new program."""
    mode = random.choice(list(MODES))
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
        if number % 2:
            linger.wait_begun()
        rest(random, 0.6)
        target.send("exec")
        target.expect("ready")
        with contextlib.suppress(subprocess.TimeoutExpired):
            linger.process.wait(1)
        after = linger.process.returncode is None
        linger.interrupt()
        met = linger.check_end()
        target.check()
    return "%s: %s%s" % (mode, met, ", the new program" if after else "")


@fault("target forks 1,000 times, one child in 50 checks itself", runs=6)
def target_forks(random, number):
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
        linger.wait_begun()
        well = int(target.ask("fork", "1000", "50"))
        linger.interrupt()
        stats = linger.results()
        target.check()
    assert well == 1000, "%d children ended well" % well
    assert stats["forks"] == 1000, stats["forks"]
    return mode


@fault("threads of the target begin and end, 5,000/s wanted, for 3 s", runs=6)
def target_threads(random, number):
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
        linger.wait_begun()
        started, seconds = target.ask("threads", "5000", "3").split()
        linger.interrupt()
        linger.results()
        target.check()
    return "%s: about %d,000/s" % (mode, round(float(started) / float(seconds) / 1000))


# --- Python comes late, a number comes again -----------------------------------------------------------------

class LateTarget(Unharmed):
    """It loads libpython when it is told to."""
    greeting = "waiting"


def late_program(folder):
    library = "libpython%d.%d.so.1.0" % find("system").version[:2]
    program = folder / "late"
    made = subprocess.run(["gcc", "-O2", str(TESTS / "targets" / "late.c"), "-o", str(program)], capture_output=True,
                          text=True, check=False)
    if made.returncode:
        raise Skipped("late.c does not compile: " + made.stderr)
    if subprocess.run([str(program), library], stdin=subprocess.DEVNULL, check=False).returncode:
        raise Skipped("no " + library)
    return Interpreter("late", "shared", (str(program), library))


@fault("libpython loaded while linger inspects", runs=30)
def libpython_loaded_late(random, number):
    mode = random.choice(list(MODES))
    with scratch() as place, scratch() as folder, LateTarget(late_program(place)) as target:
        with Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
            if number % 3 == 0:
                assert linger.check_end() == "refused"
            rest(random, 0.3)
            target.send("load")
            target.expect("ready")
            rest(random, 0.3)
            linger.interrupt()
            met = linger.check_end()
        with scratch() as again, Linger(again, target.pid, "-d", "0.3") as linger:
            linger.results()
        target.check()
    return "%s: %s at first" % (mode, met)


@fault("the number of a target that was killed taken by another", runs=30)
def number_taken(random, number):
    """In a pid namespace, where the next number can be chosen. What is recorded is of one of the two."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-B",
               str(TESTS / "chaos" / "reuse.py"), str(random.randrange(1 << 31))]
    run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert run.returncode == 0, run.stderr[-1000:]
    return run.stdout.strip()
