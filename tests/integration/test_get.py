# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`linger get` against what the target says of its own objects."""
import json

import pytest

from linger import NEVER_A_PID, Target, run_linger

SCALARS = {"int", "bool", "NoneType", "float", "str", "Text", "bytes"}


@pytest.fixture
def target(interpreter):
    if interpreter.version < (3, 8):
        pytest.skip("objects are known from CPython 3.8 on")
    with Target(interpreter, "get.py") as target:
        yield target


def get(target, name, *options):
    run = run_linger("get", "-p", target.pid, "--json", *options, name)
    assert run.returncode == 0, (name, run.stderr)
    return json.loads(run.stdout)


def test_same_as_in_the_target(target):
    for expression, (kind, length, size, text) in json.loads(target.ask("truth")).items():
        found = get(target, "__main__." + expression, "--no-redact")
        assert found["type"].rsplit(".", 1)[-1] == kind, found
        assert found["length"] == length, found
        if kind in SCALARS and not expression.startswith("long_"):
            assert found["preview"].replace('"', "'") in (text.replace('"', "'"), text.replace('"', "'")
                                                          .replace("it's", "it\\'s")), found
        if kind not in ("type", "Text"):
            assert abs(found["size_bytes"] - size) <= max(8, size * 0.01), (found, size)


def test_secrets(target):
    assert get(target, "__main__.long_text")["preview"] == "str of 60"
    assert get(target, "__main__.long_raw")["preview"] == "bytes of 60"
    assert get(target, "__main__.short")["preview"] == "'it\\'s\\n'"
    assert get(target, "__main__.long_text", "--no-redact")["preview"] == "'" + "secret" * 10 + "'"
    assert get(target, "__main__.huge")["preview"].startswith("int of 10")


def test_other_objects(target):
    assert get(target, "collections")["preview"].startswith("<module collections at 0x")
    assert get(target, "__main__.truth")["preview"].startswith("<function truth at 0x")
    assert get(target, "__main__.Session")["preview"].startswith("<class __main__.Session at 0x")
    assert get(target, "__main__.sessions['alice']")["preview"].startswith("<__main__.Session at 0x")
    assert get(target, "__main__.sessions['alice'].computed")["type"] == "property"
    assert get(target, "__main__.queue")["preview"] == "collections.deque of 200"


@pytest.mark.parametrize("name, words", [
    ("nosuch.thing", ["no module 'nosuch' is imported", "__main__"]),
    ("__main__.nosuch", ["__main__, <module __main__ at 0x", "has no attribute nosuch"]),
    ("__main__.cache.nosuch", ["__main__.cache, dict of 1003, has no attribute nosuch"]),
    ("__main__.cache['nosuch']", ["__main__.cache, dict of 1003, has no key nosuch"]),
    ("__main__.items[100]", ["__main__.items, list of 100, has no item [100]"]),
    ("__main__.integer[0]", ["__main__.integer, 17, has no item [0]"]),
    ("__main__.plain.attribute_3", ["has no attribute attribute_3"]),
])
@pytest.mark.interpreters("system")
def test_what_is_not_there(target, name, words):
    run = run_linger("get", "-p", target.pid, name)
    assert run.returncode == 1 and not run.stdout
    assert all(word in run.stderr for word in words), run.stderr


@pytest.mark.parametrize("name", ["", ".", "a..b", "a[", "a['b]", "a[x]", "a]", "[0]", "a.b[1]c"])
def test_no_path(name):
    run = run_linger("get", "-p", NEVER_A_PID, name)
    assert run.returncode != 0 and not run.stdout


@pytest.mark.interpreters("system")
def test_text(target):
    run = run_linger("get", "-p", target.pid, "__main__.cache")
    lines = [line.split(None, 1) for line in run.stdout.splitlines()]
    assert [word for word, _ in lines] == ["name", "type", "length", "size", "address", "preview"]
    assert dict(lines)["length"] == "1,003" and dict(lines)["preview"] == "dict of 1003"


@pytest.mark.parametrize("command", [("get", "__main__.cache"), ("stacks", "--locals")])
def test_older_versions(interpreter, command):
    if interpreter.version >= (3, 8):
        pytest.skip("objects are known from CPython 3.8 on")
    with Target(interpreter, "get.py") as target:
        run = run_linger(command[0], "-p", target.pid, *command[1:])
        assert run.returncode == 2 and "Python 3.7" in run.stderr, run.stderr
