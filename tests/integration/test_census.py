# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`linger census` against what the target says of itself."""
import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from linger import LINGER, Target, installed_targets, run_linger, running

MADE = 200000
OBJGRAPH = Path("/usr/lib/python3/dist-packages/objgraph.py")
OLDEST = (3, 8)  # whose types can be told
FEW = 10  # types with fewer instances come and go with what the interpreter does by itself


def census(pid, *options):
    run = run_linger("census", "-p", pid, "--json", *options)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def pool_table(text):
    """Block size -> pools, blocks in use, free blocks, as sys._debugmallocstats() has them."""
    rows = re.findall(r"^ *\d+ +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.M)
    return {int(size): tuple(map(int, numbers)) for size, *numbers in rows}


def by_name(found):
    return {kind["type"]: kind["objects"] for kind in found["types"]}


def of_type(found, name):
    return next((t for t in found["types"] if t["type"] == name), {"objects": 0, "own_bytes": 0})


def check_sums(found):
    types = found["types"]
    rests = [found[name] for name in ("not_objects", "free_list_objects", "torn")]
    blocks = sum(t["objects"] - t["outside_objects"] + t["owned_blocks"] for t in types)
    assert found["total"]["blocks"] == blocks + sum(r["blocks"] for r in rests)
    assert found["total"]["block_bytes"] == (
        sum(t["block_bytes"] + t["owned_block_bytes"] for t in types) + sum(r["block_bytes"] for r in rests))
    assert found["outside"]["bytes"] == sum(t["outside_bytes"] + t["owned_outside_bytes"] for t in types)


def skip_older(interpreter):
    if interpreter.version < OLDEST:
        pytest.skip("no types of this version; test_an_older_version sees to it that linger says so")


@pytest.fixture
def target(system_interpreter):
    with Target(system_interpreter, "census.py") as running_target:
        yield running_target


def test_pools_are_those_of_the_interpreter(interpreter):
    with Target(interpreter, "census.py") as target:
        assert target.ask("pools") == "waiting"
        found = census(target.pid, "--fragmentation")
        types = None if interpreter.version < OLDEST else census(target.pid)
        truth = pool_table(target.errors())
        target.ask("go")
    classes = {c["block_bytes"]: (c["pools"], c["used_blocks"], c["free_blocks"])
               for c in found["classes"] if c["pools"]}
    assert classes == truth
    if types:
        check_types(types, truth)


def check_types(types, truth):
    assert types["total"]["blocks"] == sum(blocks for _, blocks, _ in truth.values())
    assert types["total"]["block_bytes"] == sum(size * row[1] for size, row in truth.items())
    assert types["torn"]["blocks"] == 0
    check_sums(types)


def test_types_that_the_collector_knows(interpreter):
    skip_older(interpreter)
    with Target(interpreter, "census.py") as target:
        truth = json.loads(target.ask("types"))
        found = census(target.pid)
        target.ask("go")
    types = {kind["address"]: kind for kind in found["types"]}
    expected = {address: name_and_count for address, name_and_count in truth.items() if name_and_count[1] >= FEW}
    assert {address: (types[address]["tracked"] if address in types else 0) for address in expected} == {
        address: count for address, (_, count) in expected.items()}
    assert found["torn_links"] == 0
    check_sums(found)


@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_objects_outside_the_pools(interpreter):
    with Target(interpreter, "census.py") as target:
        types = {kind["type"]: kind for kind in census(target.pid)["types"]}
    for name, count in (("__main__.Large", 3000), ("__main__.LargeWithDict", 30)):
        found = types[name]
        assert (found["objects"], found["outside_objects"], found["block_bytes"]) == (count, count, 0)
    assert types["__main__.Large"]["outside_bytes"] == 3000 * (16 + 16 + 80 * 8)
    assert types["tuple"]["outside_objects"] >= 40 and types["type"]["outside_objects"] >= 200


def test_names(interpreter):
    skip_older(interpreter)
    with Target(interpreter, "census.py") as target:
        truth = json.loads(target.ask("types"))
        found = census(target.pid)
        target.ask("go")
    types = {kind["address"]: kind["type"] for kind in found["types"]}
    for address, (name, count) in truth.items():
        if count >= FEW and len(name) < 500:
            assert types[address] == name.replace("\x1b", "_")


# sys.getsizeof() says more or less of these: nodes of an ordered dict, attributes of what is derived from int, and the
# place for a generator's temporary values, which only its code knows.
OTHER_SIZES = {"collections.OrderedDict", "generator", "inspected.Text", "re.RegexFlag",
               "re._constants._NamedIntConstant", "sre_constants._NamedIntConstant"}
CONTAINERS = ["list", "grown", "dict", "words", "set", "frozenset", "collections.deque", "bytearray", "tuple",
              "inspected.Row", "inspected.Table", "ValueError"]


@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_sizes(interpreter):
    """As sys.getsizeof() has it, which does not know what instances own."""
    with Target(interpreter, "census.py") as target:
        truth = json.loads(target.ask("sizes"))
        found = census(target.pid)
        target.ask("go")
    types = {kind["address"]: kind for kind in found["types"]}
    known = {address: total for address, total in truth.items()
             if total[1] >= FEW and total[0] not in OTHER_SIZES and types[address]["objects"] == total[1]}
    wrong = {}
    for address, (name, _, size) in known.items():
        own, owned = types[address]["own_bytes"], types[address]["owned_bytes"]
        if min(abs(own - size), abs(own + owned - size)) > size / 100:
            wrong[name] = (size, own, owned)
    assert not wrong and len(known) > 20
    assert found["torn_owners"] == 0


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_what_containers_own(interpreter, kind):
    name = {"grown": "list", "words": "dict"}.get(kind, kind)
    with Target(interpreter, "census.py") as target:
        before = of_type(census(target.pid), name)
        size = int(target.ask("contain", kind))
        after = of_type(census(target.pid), name)
    grown = {key: after[key] - before.get(key, 0) for key in ("objects", "own_bytes", "owned_bytes")}
    assert grown["objects"] >= 1100
    assert abs(grown["own_bytes"] + grown["owned_bytes"] - size) <= size / 100


@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_the_largest_and_the_longest(interpreter):
    with Target(interpreter, "census.py") as target:
        truth = json.loads(target.ask("peaks"))
        types = {kind["type"]: kind for kind in census(target.pid)["types"]}
    for name, address, length, size in truth:
        assert types[name]["longest"] == {"address": address, "length": length}
        assert types[name]["largest"]["address"] == address
        assert abs(types[name]["largest"]["bytes"] - size) <= size / 100


@pytest.mark.parametrize("kind", ["int", "float", "complex", "str", "bytes", "object", "range"])
@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_types_that_the_collector_does_not_know(interpreter, kind):
    with Target(interpreter, "census.py") as target:
        before = of_type(census(target.pid), kind)
        size = int(target.ask("make", kind, str(MADE)))
        after = of_type(census(target.pid), kind)
    assert abs(after["objects"] - before["objects"] - MADE) <= MADE / 1000
    assert abs(after["own_bytes"] - before["own_bytes"] - size) <= size / 100


@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_a_busy_target(interpreter):
    """At most one block in a hundred is in a pool that cannot be read in one piece."""
    with Target(interpreter, "census.py") as target:
        target.ask("churn")
        for _ in range(20):
            found = census(target.pid)
            check_sums(found)
            assert found["torn"]["blocks"] <= found["total"]["blocks"] / 100
            assert by_name(found)["inspected.Slotted"] >= 40


def of_large(found):
    large = ("type", "__main__.Large", "__main__.LargeWithDict")
    return {t["type"]: t["outside_objects"] for t in found["types"] if t["type"] in large}


@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_while_the_collector_runs(interpreter):
    """It counts references in the lists that lead to what is outside the pools."""
    with Target(interpreter, "census.py") as target:
        quiet = of_large(census(target.pid))
        target.ask("collect")
        for _ in range(20):
            found = census(target.pid)
            assert found["torn_links"] <= 10 and of_large(found) == quiet
    assert len(quiet) == 3


@pytest.mark.needs_ctypes
@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_a_corrupted_heap(interpreter):
    with Target(interpreter, "census.py") as target:
        target.ask("scribble", "4096" if interpreter.version < (3, 10) else "16384")
        check_sums(census(target.pid))
        assert run_linger("census", "-p", target.pid).returncode == 0
        assert run_linger("census", "-p", target.pid, "--fragmentation").returncode == 0
        target.process.kill()  # it could not end by itself any more


def test_modules(target):
    types, modules = census(target.pid), census(target.pid, "--by", "module")
    rows = {row["type"]: row for row in modules["types"]}
    made = [row for row in types["types"] if row["type"].startswith("inspected.")]
    assert rows["inspected"]["types"] == len(made) > 3
    assert rows["inspected"]["objects"] == sum(row["objects"] for row in made)
    assert rows["inspected"]["own_bytes"] == sum(row["own_bytes"] for row in made)
    assert rows["collections"]["objects"] >= 80 and rows["builtins"]["objects"] > rows["__main__"]["objects"]
    assert sum(row["types"] for row in modules["types"]) == len(types["types"])
    check_sums(modules)


def test_classes(target):
    types, classes = census(target.pid), census(target.pid, "--by", "class")
    rows = {row["type"]: row["objects"] for row in classes["types"]}
    assert rows["__main__.Outer.Inner"] == 20 and rows["ValueError"] >= 10
    assert "dict" not in rows and rows["[other types]"] > by_name(types)["dict"]
    check_sums(classes)


def test_classes_that_grow(target):
    target.ask("grow")
    run = run_linger("census", "-p", target.pid, "--by", "class", "--every", 1, "-d", 1)
    assert diff_rows(run.stdout)["__main__.Outer.Inner"][1] > 0


# --- what grows ---------------------------------------------------------------------------------------------

def diff_rows(text):
    """Type -> change of its bytes and of its blocks, in the order of the table."""
    rows = re.findall(r"^ +[\d,]+ +[\d,]+ +([-+]?[\d,]+) +([-+]?[\d,]+) +(?:-|[-+]\S+ \S+)  (.*)$", text, re.M)
    return {name: (int(size.replace(",", "")), int(blocks.replace(",", ""))) for size, blocks, name in rows}


def test_growth_between_two_files(target, tmp_path):
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    assert run_linger("census", "-p", target.pid, "-o", before).returncode == 0
    for kind, count in (("float", 3000), ("int", 2000), ("complex", 500)):
        target.ask("make", kind, str(count))
    assert run_linger("census", "-p", target.pid, "-o", after).returncode == 0
    run = run_linger("census", "--diff", before, after)
    rows = diff_rows(run.stdout)
    made = [name for name in rows if name in ("float", "int", "complex")]
    assert run.returncode == 0 and made == ["float", "int", "complex"]
    assert abs(rows["float"][1] - 3000) <= 5 and abs(rows["int"][1] - 2000) <= 20
    back = diff_rows(run_linger("census", "--diff", after, before).stdout)
    assert back["float"] == (-rows["float"][0], -rows["float"][1])
    assert sum(size for name, (size, _) in rows.items() if not name.startswith("total")) == [
        size for name, (size, _) in rows.items() if name.startswith("total")][0]


@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_growth_as_objgraph_has_it(interpreter, tmp_path):
    if not OBJGRAPH.exists():
        pytest.skip("no %s: Debian's python3-objgraph" % OBJGRAPH)
    shutil.copy(OBJGRAPH, installed_targets(interpreter.root))
    files = tmp_path / "before.json", tmp_path / "after.json"
    with Target(interpreter, "census.py") as target:
        for path in files:
            truth = json.loads(target.ask("growth"))
            assert run_linger("census", "-p", target.pid, "-o", path).returncode == 0
            target.ask("go")
            target.ask("hold")
    known = {kind["type"] for kind in json.loads(files[1].read_text())["types"] if kind["tracked"]}
    rows = diff_rows(run_linger("census", "--diff", "--top", 1000, *files).stdout)
    grown = [(blocks, name) for name, (_, blocks) in rows.items() if name in known and blocks >= 100]
    names = [name.split(".")[-1] for _, name in sorted(grown, reverse=True)]
    assert names == [name for name, more in truth if more >= 100]


def test_nothing_grows_in_one_file(target, tmp_path):
    path = tmp_path / "types.json"
    assert run_linger("census", "-p", target.pid, "-o", path).returncode == 0
    rows = diff_rows(run_linger("census", "--diff", path, path).stdout)
    assert rows and not any(size or blocks for size, blocks in rows.values())


def test_growth_again_and_again(target):
    target.ask("grow")
    run = run_linger("census", "-p", target.pid, "--every", 1, "-d", 2)
    tables = run.stdout.split("object: types that grew")[1:]
    grown = [diff_rows(table)["__main__.Outer.Inner"][1] for table in tables]
    assert run.returncode == 0 and len(grown) == 2 and 0 < grown[0] < grown[1]


def test_growth_until_the_target_ends(target):
    with subprocess.Popen([str(LINGER), "census", "-p", str(target.pid), "--every", "1"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline().startswith("object: types that grew")
        target.process.kill()
        target.process.wait()
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 0 and "has ended" in errors


def test_growth_until_ctrl_c(target):
    with subprocess.Popen([str(LINGER), "census", "-p", str(target.pid), "--every", "1"],
                          stdout=subprocess.PIPE, text=True) as run:
        run.stdout.readline()
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    assert run.returncode == 0


# --- the command --------------------------------------------------------------------------------------------

def test_the_table_has_what_was_asked_for(target):
    text = run_linger("census", "-p", target.pid, "--top", 3).stdout
    rows = re.findall(r"^ +\S+ \S+ +[\d.]+ % +\S+ \S+ +(?:-|\S+ \S+) +([\d,]+)  (.*)$", text, re.M)
    assert len([name for _, name in rows if not name.startswith(("[", "other", "total"))]) == 3
    assert rows[-1][1].startswith("total: ") and "outside the pools" in text and "\x1b" not in text
    counts = [int(count.replace(",", "")) for count, _ in rows]
    assert sum(counts[:-1]) == counts[-1]


def test_files(target, tmp_path):
    path = tmp_path / "types.json"
    assert run_linger("census", "-p", target.pid, "-o", path).returncode == 0
    assert by_name(json.loads(path.read_text()))["__main__.Outer.Inner"] == 20
    again = run_linger("census", "-p", target.pid, "-o", path)
    assert again.returncode == 1 and "--force" in again.stderr
    assert run_linger("census", "-p", target.pid, "--fragmentation", "--force", "-o", path).returncode == 0
    assert json.loads(path.read_text())["classes"]


@pytest.mark.parametrize("options, status, words", [
    ([], 2, "which process"),
    (["-p", "0"], 2, "is not a process id"),
    (["-p", "999999999"], 1, "no such process"),
    (["-p", "1", "--top", "0"], 2, "is not a number of types"),
    (["-p", "1", "more"], 2, "--diff compares two files"),
    (["--diff", "one.json"], 2, "--diff compares two files"),
    (["--diff", "one.json", "two.json", "three.json"], 2, "too much"),
    (["--diff", "one.json", "two.json", "-p", "1"], 2, "not a process"),
    (["--diff", "/nowhere/one.json", "two.json"], 1, "failed to read '/nowhere/one.json'"),
    (["--diff", "/etc/passwd", "/etc/passwd"], 1, "no census by type"),
    (["-p", "1", "--every", "0"], 2, "is not a number of seconds"),
    (["-p", "1", "-d", "5"], 2, "-d goes with --every"),
    (["-p", "1", "--by", "size"], 2, "it is type, class or module"),
    (["-p", "1", "--by", "class", "--fragmentation"], 2, "of a process by type"),
    (["-p", "1", "--every", "5", "--json"], 2, "a table of types"),
])
def test_refusals(options, status, words):
    run = run_linger("census", *options)
    assert (run.returncode, run.stdout) == (status, "") and words in run.stderr


def test_a_process_that_is_no_python():
    with running(["sleep", "60"]) as process:
        run = run_linger("census", "-p", process.pid)
    assert run.returncode == 2 and run.stdout == "" and "hint: " in run.stderr


@pytest.mark.interpreters("pyenv-3.7.16")
def test_an_older_version(interpreter):
    with Target(interpreter, "ending.py") as target:
        run = run_linger("census", "-p", target.pid)
    assert (run.returncode, run.stdout) == (2, "") and "older than 3.8" in run.stderr


@pytest.mark.parametrize("allocator", ["malloc", "debug"])
def test_another_allocator(system_interpreter, allocator):
    with Target(system_interpreter, "ending.py", PYTHONMALLOC=allocator) as target:
        run = run_linger("census", "-p", target.pid)
    assert run.returncode == (2 if allocator == "malloc" else 0)
    assert "PYTHONMALLOC" in run.stdout + run.stderr


@pytest.mark.parametrize("delay_ms", [0, 5, 10, 20, 40, 80])
def test_a_target_that_ends_meanwhile(system_interpreter, delay_ms):
    """All of it, or a sentence."""
    with Target(system_interpreter, "census.py") as target:
        target.ask("make", "int", str(MADE))
        with subprocess.Popen([str(LINGER), "census", "-p", str(target.pid), "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as run:
            time.sleep(delay_ms / 1000)
            target.process.kill()
            output, errors = run.communicate(timeout=60)
    assert run.returncode in (0, 1, 2)
    if run.returncode:
        assert "failed to" in errors and not output
    else:
        assert by_name(json.loads(output))["int"] >= MADE


@pytest.mark.parametrize("delay_ms", [0, 5, 20, 80])
def test_a_target_that_becomes_another_program(system_interpreter, delay_ms):
    """All of it, or a sentence."""
    with Target(system_interpreter, "census.py") as target:
        target.ask("make", "int", str(MADE))
        with subprocess.Popen([str(LINGER), "census", "-p", str(target.pid), "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as run:
            time.sleep(delay_ms / 1000)
            target.send("become")
            output, errors = run.communicate(timeout=60)
        target.process.kill()
    assert run.returncode in (0, 1, 2)
    if run.returncode:
        assert "failed to" in errors and not output
    else:
        assert by_name(json.loads(output))["int"] >= MADE


def test_a_target_that_forks(target):
    target.ask("fork")
    for _ in range(5):
        found = census(target.pid)
        check_sums(found)
        assert by_name(found)["inspected.Slotted"] >= 40


@pytest.mark.needs_ctypes
@pytest.mark.interpreters("system", "bullseye", "trixie", "forky")
def test_strange_names(interpreter):
    skip_older(interpreter)
    with Target(interpreter, "census.py") as target:
        target.ask("name")
        target.ask("spoil")
        found = census(target.pid)
        table = run_linger("census", "-p", target.pid, "--top", 1000).stdout
        target.process.kill()  # it could not end by itself any more
    check_sums(found)
    assert all(len(kind["type"]) < 3000 for kind in found["types"] if kind["type"])
    assert [kind["objects"] for kind in found["types"] if kind["objects"] == 77]
    assert "\x1b" not in table and table.endswith("\n")


def test_a_user_without_rights(target):
    program = shutil.copy(LINGER, installed_targets("/"))
    run = run_linger("census", "-p", target.pid, program=program, user="nobody", extra_groups=[])
    assert run.returncode == 2 and run.stdout == "" and "hint: " in run.stderr


def test_a_target_that_has_ended(system_interpreter):
    with Target(system_interpreter, "census.py") as target:
        target.process.kill()
        run = run_linger("census", "-p", target.pid)
        assert run.returncode in (1, 2) and run.stdout == "" and "failed to" in run.stderr
