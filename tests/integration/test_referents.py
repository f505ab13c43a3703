# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What objects refer to, against what the collector of the target itself says."""
import collections
import json
import subprocess

import pytest

from interpreters import BUILD
from linger import TIMEOUT_S, Target

DRIVER = BUILD / "referents_driver"
# What the collector does not follow: keys that are strings, the class up to 3.8, and what is not sure to be one.
UNTRACED = {"dict_key", "class", "word"}
UNCOLLECTED = {"code"}


@pytest.fixture
def target(interpreter):
    if interpreter.version < (3, 8):
        pytest.skip("objects are known from CPython 3.8 on")
    with Target(interpreter, "referents.py") as target:
        target.objects = json.loads(target.ask("list"))
        yield target


def find(target, *options):
    """By address: the references as (to, label, key, name), the buffers' sizes; and the losses."""
    addresses = "\n".join(str(one["id"]) for one in target.objects.values())
    run = subprocess.run([DRIVER, str(target.pid), *options], input=addresses, capture_output=True, text=True,
                         timeout=TIMEOUT_S, check=True)
    references, buffers, losses = collections.defaultdict(list), collections.defaultdict(list), None
    for line in run.stdout.splitlines():
        word, *fields = line.split(" ")
        if word == "ref":
            references[int(fields[0])].append((int(fields[1]), fields[2], int(fields[3]), " ".join(fields[4:])))
        elif word == "buffer":
            buffers[int(fields[0])].append(int(fields[2]))
        else:
            losses = tuple(map(int, fields))
    return references, buffers, losses


def differences(one, found):
    """What is missing, and what only we say that it refers to."""
    expected = set(one["referents"])
    missing = expected - {to for to, *_ in found}
    surplus = [reference for reference in found if reference[0] not in expected.union(one["may"])
               and reference[1] not in UNTRACED]
    return [*missing, *surplus]


@pytest.mark.parametrize("options", [(), ("given",)], ids=["read", "given"])
def test_same_as_the_collector(target, options):
    references, _, losses = find(target, *options)
    wrong = {name: differences(one, references[one["id"]]) for name, one in target.objects.items()
             if name not in UNCOLLECTED}
    assert {name: found for name, found in wrong.items() if found} == {}
    assert losses == (0, 0)


@pytest.mark.needs_ctypes
def test_ruined_objects(target):
    """Nothing is guessed: what makes no sense is counted, and other objects are read as ever."""
    target.ask("scribble")
    references, _, (unreadable, implausible) = find(target)
    assert unreadable + implausible >= 11, (unreadable, implausible)
    for name in ("dict int", "list subclass", "deque bounded", "instance of 40", "set thinned"):
        assert not differences(target.objects[name], references[target.objects[name]["id"]]), name
