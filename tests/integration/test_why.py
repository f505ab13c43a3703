# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`linger why` against what objgraph finds inside of the target."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from linger import LINGER, NEVER_A_PID, Target, installed_targets, run_linger, running

OBJGRAPH = Path("/usr/lib/python3/dist-packages/objgraph.py")
OLDEST = (3, 8)
ACCEPTED = pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
CASES = ["InDict", "InClass", "InClosure", "InCallbacks", "InTraceback", "InTask"]
MANY = 1000


@pytest.fixture
def target(system_interpreter):
    with Target(system_interpreter, "holders.py") as running_target:
        yield running_target


def why(pid, what, *options):
    run = run_linger("why", "-p", pid, "-f", "json", what, *options)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def text_of(target, what, *options):
    run = run_linger("why", "-p", target.pid, what, *options)
    assert run.returncode == 0, run.stderr
    return run.stdout


def chain_of(way):
    return [[link["type"], link["address"]] for link in way["chain"]]


def shape_of(way):
    return "".join("%s%s " % (link["name"] or link["type"], link["shape"] or "") for link in way["chain"]).strip()


# --- the truth ----------------------------------------------------------------------------------------------

@ACCEPTED
@pytest.mark.skipif(not OBJGRAPH.exists(), reason="no python3-objgraph")
def test_the_chain_that_objgraph_finds(interpreter):
    shutil.copy(OBJGRAPH, installed_targets(interpreter.root))
    with Target(interpreter, "holders.py") as target:
        for case in CASES:
            truth = json.loads(target.ask("chain", case))
            found = why(target.pid, truth[-1][1])
            assert len(truth) > 1 and chain_of(found["ways"][0]) == truth, case
            assert found["ways"][0]["root"] == "module" and found["not_held"] == 0


def test_how_it_reads(interpreter):
    if interpreter.version < OLDEST:
        pytest.skip("no types of this version")
    expected = {
        "InDict": "module __main__.CACHE -> dict['9f3c…'] -> list[1] -> __main__.InDict at 0x",
        "InClass": "class __main__.Registry.items -> list[0] -> __main__.InClass at 0x",
        "InClosure": "function __main__.make_handler.<locals>.handler variable held -> __main__.InClosure at 0x",
        "InAttribute": "module __main__.MANAGER -> __main__.Manager.session -> __main__.InAttribute at 0x",
        "InSlot": "module __main__.SLOTTED -> __main__.Slotted.session -> __main__.InSlot at 0x",
        "InCallbacks": "module __main__.CALLBACKS -> list[0] -> method __main__.InCallbacks.on_event.__self__ ->",
    }
    with Target(interpreter, "holders.py") as target:
        for case, words in expected.items():
            text = re.sub(r"\s+", " ", text_of(target, case))
            assert words in text, text


def test_a_running_frame(interpreter):
    if interpreter.version < OLDEST:
        pytest.skip("no types of this version")
    with Target(interpreter, "holders.py") as target:
        way = why(target.pid, "InFrame")["ways"][0]
    assert way["root"] == "frame" and len(way["chain"]) == 2
    assert re.fullmatch(r"frame of keep_frame \(.*/holders.py:\d+\)", way["chain"][0]["name"])
    assert way["chain"][0]["step"] == " local local"


# --- many objects -------------------------------------------------------------------------------------------

@ACCEPTED
def test_instances_by_shape(interpreter):
    with Target(interpreter, "holders.py") as target:
        found = why(target.pid, "__main__.Many")
        text = text_of(target, "Many")
    assert (found["instances"], found["looked_at"], found["not_held"]) == (MANY + 5, MANY + 5, 0)
    first, second = [way for way in found["ways"] if way["root"] == "module"]
    assert first["held"] == MANY and second["held"] == 5
    assert shape_of(first).endswith("dict.BY_KEY dict[…] list[…] __main__.Many")
    assert "1,000  module __main__.BY_KEY -> dict[…] -> list[…] -> __main__.Many\n" in text
    assert "dict[tuple of 2]" in text
    assert "5  module __main__.MANAGER -> __main__.Manager.sessions -> dict[…] -> __main__.Many\n" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_linked_list(target):
    found = why(target.pid, "Node")
    ways = [way for way in found["ways"] if way["root"] == "module"]
    assert found["instances"] == MANY and found["not_held"] == 0
    assert [way["held"] for way in ways] == [MANY - 1, 1]
    text = re.sub(r"\s+", " ", text_of(target, target.ask("node", "7")))
    assert "module __main__.HEAD -> __main__.Node.next -> … 6 more of the same … -> __main__.Node at" in text


# --- what holds nothing -------------------------------------------------------------------------------------

def test_weak_references_do_not_hold(target):
    found = why(target.pid, "InCycle")
    assert found["instances"] == 2 and found["not_held"] == 2 and found["ways"] == []
    assert why(target.pid, "__main__.Weak")["not_held"] == 1
    assert "the collector has not found yet" in text_of(target, "InCycle")


def test_what_only_c_code_holds(target):
    (way,) = why(target.pid, "InCode")["ways"]
    assert way["root"] == "not_python" and way["chain"][-1]["type"] == "__main__.InCode"
    assert "C code, not any Python object" in text_of(target, "InCode")


# --- bounds -------------------------------------------------------------------------------------------------

def test_depth(target):
    found = why(target.pid, "InDict", "--depth", 1)
    assert found["steps"] == 1 and found["end"] == "depth" and found["not_held"] == 1
    assert "--depth" in text_of(target, "InDict", "--depth", 1)


def test_ctrl_c_gives_what_was_found(target):
    with subprocess.Popen([str(LINGER), "why", "-p", str(target.pid), "-f", "json", "str"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as run:
        time.sleep(0.3)
        run.send_signal(signal.SIGINT)
        output, errors = run.communicate(timeout=60)
    assert run.returncode in (0, 1, -signal.SIGINT), errors
    if run.returncode == 0:
        assert json.loads(output)["end"] in ("interrupted", "depth", "complete")


# --- the command --------------------------------------------------------------------------------------------

@pytest.mark.skipif(not shutil.which("dot"), reason="no graphviz")
def test_graphviz_draws_it(target, tmp_path):
    path = tmp_path / "why.dot"
    assert run_linger("why", "-p", target.pid, "Many", "-o", path).returncode == 0
    drawn = subprocess.run(["dot", "-Tsvg", path], capture_output=True, text=True, check=True)
    assert drawn.stderr == "" and "module __main__" in drawn.stdout and ".BY_KEY" in drawn.stdout


def test_files(target, tmp_path):
    path = tmp_path / "why.json"
    assert run_linger("why", "-p", target.pid, "InDict", "-o", path).returncode == 0
    assert json.loads(path.read_text())["type"] == "__main__.InDict"
    again = run_linger("why", "-p", target.pid, "InDict", "-o", path)
    assert again.returncode == 1 and "--force" in again.stderr


@pytest.mark.parametrize("what, words", [
    ("Mani", ["no object of a type 'Mani'", "hint: there are: __main__.Many"]),
    ("Same", ["more than one type 'Same'", "__main__.Outer.Same", "__main__.Same"]),
    ("Elephantiasis", ["no object of a type", "linger census"]),
    ("0x1000", ["there is no object at 0x1000"]),
    ("0x7fffffffe000", ["there is no object at 0x7fffffffe000"]),
])
def test_what_is_not_there(target, what, words):
    run = run_linger("why", "-p", target.pid, what)
    assert run.returncode == 1 and run.stdout == "" and all(word in run.stderr for word in words), run.stderr


def test_an_address_between_objects(target):
    address = int(json.loads(target.ask("addresses", "InDict"))[0], 16)
    run = run_linger("why", "-p", target.pid, hex(address + 8))
    assert run.returncode == 1 and "there is no object" in run.stderr


@pytest.mark.parametrize("options, status, words", [
    ([], 2, "which process"),
    (["-p", "1"], 2, "which objects"),
    (["-p", "0", "dict"], 2, "is not a process id"),
    (["-p", "1", "dict", "list"], 2, "too much"),
    (["-p", "1", "0xdict"], 2, "is not an address"),
    (["-p", "1", "dict", "--depth", "0"], 2, "is not a number of steps"),
    (["-p", "1", "dict", "-f", "svg"], 2, "no format"),
    (["-p", str(NEVER_A_PID), "dict"], 1, "no such process"),
])
def test_refusals(options, status, words):
    run = run_linger("why", *options)
    assert (run.returncode, run.stdout) == (status, "") and words in run.stderr


def test_a_process_that_is_no_python():
    with running(["sleep", "60"]) as process:
        run = run_linger("why", "-p", process.pid, "dict")
    assert run.returncode == 2 and run.stdout == "" and "hint: " in run.stderr


def test_another_allocator(system_interpreter):
    with Target(system_interpreter, "ending.py", PYTHONMALLOC="malloc") as target:
        run = run_linger("why", "-p", target.pid, "dict")
    assert run.returncode == 2 and "PYTHONMALLOC" in run.stderr


@pytest.mark.parametrize("delay_ms", [0, 20, 80, 300])
def test_a_target_that_ends_meanwhile(system_interpreter, delay_ms):
    with Target(system_interpreter, "holders.py") as target:
        with subprocess.Popen([str(LINGER), "why", "-p", str(target.pid), "Many"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as run:
            time.sleep(delay_ms / 1000)
            os.kill(target.pid, signal.SIGKILL)
            output, errors = run.communicate(timeout=60)
    assert run.returncode in (0, 1, 2)
    assert output if run.returncode == 0 else "failed to" in errors or "has just gone" in errors


@pytest.mark.interpreters("system", "trixie", "forky")
def test_a_busy_target(interpreter):
    with Target(interpreter, "census.py") as target:
        target.ask("churn")
        for _ in range(5):
            found = why(target.pid, "inspected.Slotted")
            assert found["looked_at"] >= 40 and found["ways"]


@pytest.mark.needs_ctypes
@ACCEPTED
def test_a_corrupted_heap(interpreter):
    with Target(interpreter, "census.py") as target:
        target.ask("scribble", "4096" if interpreter.version < (3, 10) else "16384")
        for kind in ("bytes", "list"):
            assert why(target.pid, kind)["looked_at"]
        target.process.kill()  # it could not end by itself any more
