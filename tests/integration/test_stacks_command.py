# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""linger stacks: against what the target says of its threads, and under a load that does not stand still."""
import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from interpreters import BUILD, TESTS, clean_environment
from linger import LINGER, NEVER_A_PID, Target, frame_of, run_linger, running, wait_until

DRIVER = BUILD / "stacks_driver"
KEPT_FRAMES = 256
READINGS = 300
MOST_TORN = 0.01
FAULTHANDLER_FRAMES = 100  # that it writes at most


def stacks_of(pid):
    run = run_linger("stacks", "-p", pid, "--json")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def frames_of(thread):
    return [[frame["function"], frame["file"], frame["line"]] for frame in thread["frames"]]


# --- threads that stand still -------------------------------------------------------------------------------

def differences(expected, thread):
    found = frames_of(thread)
    if thread["torn"] or found != expected[:KEPT_FRAMES] or thread["truncated"] != (len(expected) > KEPT_FRAMES):
        yield "expected %s\nfound    %s" % (expected[:6], thread)


def test_every_frame_of_every_thread(interpreter):
    with Target(interpreter, "parked.py") as target:
        truth = json.loads(target.ask("truth"))
        server = int(target.ask("me"))
        report = stacks_of(target.pid)
        tasks = {int(task.name) for task in Path("/proc/%d/task" % target.pid).iterdir()}
    expected = {int(thread): stack for thread, stack in truth["stacks"].items()}
    threads = {thread["thread_id"]: thread for thread in report["threads"]}
    assert len(expected) > 20 and report["torn"] == 0
    assert set(threads) == set(expected) | {server}
    wrong = [line for thread, stack in expected.items() for line in differences(stack, threads[thread])]
    assert not wrong, "\n".join(wrong)
    check_ids(truth["native"], threads, tasks)
    assert frames_of(threads[server])[0][0] == "serve" and not any(t["holds_gil"] for t in report["threads"])


def check_ids(native, threads, tasks):
    """No two have the same, all are those of this process, and they are the interpreter's own where it has them."""
    assert {thread["native_id"] for thread in threads.values()} == tasks and len(threads) == len(tasks)
    for thread, number in native.items():
        assert number in (None, threads[int(thread)]["native_id"])
    assert {thread["state"] for thread in threads.values()} == {"idle"}


@pytest.mark.interpreters("system")
def test_text_says_the_same(interpreter):
    with Target(interpreter, "parked.py") as target:
        target.ask("truth")
        report, run = stacks_of(target.pid), run_linger("stacks", "-p", target.pid)
    blocks = run.stdout.split("\n\n")
    assert run.returncode == 0 and blocks.pop() == (
        "note: process %d, Python %s: %d stacks, 0 torn\n" % (target.pid, report["python"], len(report["threads"])))
    for block, thread in zip(blocks, report["threads"]):
        header, *frames = block.split("\n")
        assert header == 'Thread 0x%016x "%s" (native id %d, idle)' % (
            thread["thread_id"], thread["name"], thread["native_id"])
        truncated = ["  [truncated]"] if thread["truncated"] else []
        assert frames[len(thread["frames"]):] == truncated
        shown = [list(frame_of(frame.strip())) for frame in frames[:len(thread["frames"])]]
        assert shown == frames_of(thread)


def parse_dump(text):
    """What faulthandler wrote: {thread: [[function, file, line]]}."""
    stacks = {}
    for line in text.splitlines():
        thread = re.fullmatch(r"(?:Current t|T)hread 0x([0-9a-f]+)(?: \[.*\])? \(most recent call first\):", line)
        frame = re.fullmatch(r'  File "(.*)", line (\d+) in (.*)', line)
        if thread:
            stack = stacks[int(thread.group(1), 16)] = []
        elif frame:
            stack.append([frame.group(3), frame.group(1), int(frame.group(2))])
    return stacks


def as_dumped(frames):
    """faulthandler writes ASCII, and names without what they are in."""
    for function, file, line in frames[:FAULTHANDLER_FRAMES]:
        yield [*(text.encode("ascii", "backslashreplace").decode() for text in (function.split(".")[-1], file)), line]


@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_the_same_as_faulthandler(interpreter):
    """The process itself writes the stacks of all its threads while they are blocked."""
    with Target(interpreter, "parked.py") as target:
        target.ask("truth")
        threads = {thread["thread_id"]: frames_of(thread) for thread in stacks_of(target.pid)["threads"]}
        target.process.send_signal(signal.SIGUSR1)
        # The main thread is the oldest and the last.
        wait_until(lambda: target.errors().endswith("in <module>\n"), "faulthandler")
        dumped = parse_dump(target.errors())
    assert len(dumped) > 20
    assert {thread: list(as_dumped(frames)) for thread, frames in threads.items()} == dumped


# --- threads that do not ------------------------------------------------------------------------------------

def read_many(pid, count):
    run = subprocess.run([str(DRIVER), str(pid), str(count)], capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    decoder, at = json.JSONDecoder(), 0
    while at < len(run.stdout):
        report, at = decoder.raw_decode(run.stdout, at)
        at += 1
        yield report


def broken_edges(frames, source, path):
    """Calls of functions of the target's own that are not on the line they are called from; a thread with no end."""
    if not frames or not frames[-1]["function"].endswith("_bootstrap"):
        yield "no _bootstrap: %s" % frames
    for inner, outer in zip(frames, frames[1:]):
        name = inner["function"].split(".")[-1]
        if inner["file"] == outer["file"] == path and name.isidentifier():
            if name + "(" not in source[outer["line"] - 1] and "LOADS" not in source[outer["line"] - 1]:
                yield "%s called on line %d: %s" % (name, outer["line"], source[outer["line"] - 1])


def check_readings(target, reports):
    """The share of torn stacks, and of those that are wrong though they do not look it."""
    source = (TESTS / "targets/busy_stacks.py").read_text().splitlines()
    stacks = [thread for report in reports for thread in report["threads"] if thread["native_id"] != target.pid]
    torn = sum(thread["torn"] for thread in stacks)
    broken = [list(broken_edges(thread["frames"], source, target.path)) for thread in stacks if not thread["torn"]]
    broken = [edges for edges in broken if edges]
    depths = [len(thread["frames"]) for thread in stacks]
    print("%d stacks, %d torn, %d broken, depths %d-%d" % (len(stacks), torn, len(broken), min(depths), max(depths)))
    assert sum(report["torn"] for report in reports) == torn
    return torn / len(stacks), broken


@pytest.mark.parametrize("load", ["alternating", "recursing", "calling_back", "generating", "encoding", "deep", ""])
@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_under_full_load(interpreter, load):
    """One thread that is always on a processor; and several, which take turns."""
    with Target(interpreter, "busy_stacks.py") as target:
        target.ask("run", *load.split())
        torn, broken = check_readings(target, list(read_many(target.pid, READINGS // (1 if load else 6))))
        assert target.ask("loads")
    assert torn <= MOST_TORN and not broken, "\n".join(map(str, broken[:5]))


# --- asyncio ------------------------------------------------------------------------------------------------

ASYNCIO = pytest.mark.interpreters("system", "bullseye", "trixie", "forky", "pyenv-3.8.18", "pyenv-3.10.13",
                                   "pyenv-3.12.1")


def task_as_described(task):
    future = task["waits_for"]
    return {"name": task["name"], "state": task["state"], "frames": frames_of(task),
            "waits_for": future and [future["address"], future["type"], future["name"]]}


@ASYNCIO
def test_every_task(interpreter):
    """Before anybody has asked them for their names, which some versions make only then."""
    with Target(interpreter, "async_tasks.py") as target:
        report = stacks_of(target.pid)
        truth = json.loads(target.ask("truth"))
        text = run_linger("stacks", "-p", target.pid).stdout
    tasks = {task["address"]: task for task in report["tasks"]}
    assert report["torn_tasks"] == report["left_out_tasks"] == 0 and len(truth) > 30
    for description in truth.values():
        del description["frames"][KEPT_FRAMES:]
    assert {address: task_as_described(task) for address, task in tasks.items()} == truth
    assert [task["name"] for task in tasks.values() if task["truncated"]] != []
    assert "Task \"derived\" (waiting for _asyncio.Future at 0x" in text
    assert re.search(r'^Task "Task-\d+" \(waiting for _asyncio.Task "awaited"\)\n  a_task \(', text, re.M)
    assert text.endswith("; %d asyncio tasks, 0 torn\n" % len(tasks))


@ASYNCIO
def test_tasks_that_come_and_go(interpreter):
    """What is read of them is whole or torn, and those that stand still are all there."""
    with Target(interpreter, "async_tasks.py") as target:
        still = {task["address"]: task_as_described(task) for task in stacks_of(target.pid)["tasks"]}
        target.ask("crowd", "50")
        reports = [stacks_of(target.pid) for _ in range(20)]
    busy = [task for report in reports for task in report["tasks"] if task["address"] not in still]
    torn = sum(task["torn"] for task in busy)
    print("%d tasks, %d torn" % (len(busy), torn))
    assert torn <= MOST_TORN * len(busy)
    for report in reports:
        found = {task["address"]: task_as_described(task) for task in report["tasks"]}
        assert {address: found.get(address) for address in still} == still


# --- what cannot be done ------------------------------------------------------------------------------------

@pytest.mark.interpreters("system")
def test_a_target_that_ends(interpreter):
    with Target(interpreter, "busy_stacks.py") as target:
        target.ask("run")
        with running([str(DRIVER), str(target.pid), "1000000"], stderr=subprocess.PIPE) as driver:
            driver.stdout.readline()
            target.process.kill()
            _, said = driver.communicate(timeout=60)
        assert driver.returncode == 1 and b"has just ended" in said, said


@pytest.mark.interpreters("system")
def test_too_many_threads_are_refused(interpreter):
    program = ("import threading, time\nthreading.stack_size(65536)\nwait = threading.Event()\n"
               "for _ in range(4100): threading.Thread(target=wait.wait, daemon=True).start()\n"
               "print('ready', flush=True)\ninput()")
    with running([*interpreter.command, "-S", "-c", program], env=clean_environment()) as process:
        if process.stdout.readline() != b"ready\n":
            pytest.skip("this machine does not let a process have 4,100 threads")
        run = run_linger("stacks", "-p", process.pid)
    assert run.returncode == 1 and run.stdout == ""
    assert "more than 4096" in run.stderr and re.search("^hint: ", run.stderr, re.M)


@pytest.mark.parametrize("arguments", [(), ("-p", "word"), ("-p", "0"), ("-p", "1", "more"), ("--json",)])
def test_wrong_usage(arguments):
    run = run_linger("stacks", *arguments)
    assert run.returncode == 2 and run.stderr and run.stdout == ""


def test_no_such_process():
    run = run_linger("stacks", "-p", NEVER_A_PID)
    assert run.returncode == 1 and str(NEVER_A_PID) in run.stderr and "hint: " in run.stderr


def test_a_process_that_is_not_python():
    with running(["sleep", "60"]) as process:
        run = run_linger("stacks", "-p", process.pid)
    assert run.returncode == 2 and "not a Python process" in run.stderr and run.stdout == ""


@pytest.mark.interpreters("system")
def test_root_that_lacks_a_capability(interpreter):
    with Target(interpreter, "parked.py") as target:
        command = ["setpriv", "--bounding-set", "-bpf,-sys_admin", str(LINGER), "stacks", "-p", str(target.pid)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2 and "CAP_BPF" in run.stderr and "hint: " in run.stderr and run.stdout == ""


@pytest.mark.interpreters("system")
def test_a_file(interpreter, tmp_path):
    path = tmp_path / "stacks"
    with Target(interpreter, "parked.py") as target:
        assert run_linger("stacks", "-p", target.pid, "--json", "-o", path).returncode == 0
        assert len(json.loads(path.read_text())["threads"]) > 20
        refused = run_linger("stacks", "-p", target.pid, "-o", path)
        assert refused.returncode == 1 and "--force" in refused.stderr and path.read_text().startswith("{")
        assert run_linger("stacks", "-p", target.pid, "-o", path, "--force").returncode == 0
        assert path.read_text().startswith("Thread 0x")
