# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The least that each command needs of root's capabilities, to look at a process of another user: with these it does
what it does with all of them, without any one of them it is refused by name. README has the same table."""
import re
import subprocess

import pytest

from interpreters import SYSTEM_PYTHON, TESTS, system
from linger import LINGER, TIMEOUT_S, Target

ANY_MODE = "CAP_BPF CAP_PERFMON CAP_SYS_PTRACE"
WITH_ADMIN = "CAP_SYS_ADMIN CAP_SYS_PTRACE"  # which includes the other two
PROFILE = "heap.pb.gz"
NEEDS = {
    "doctor -p PID": ANY_MODE,
    "record -p PID --domain object,raw": ANY_MODE,
    "record -p PID --mode exact --domain object,raw": ANY_MODE,
    "record -p PID": WITH_ADMIN,
    "record -p PID --mode mapping": WITH_ADMIN,
    "record -- COMMAND": WITH_ADMIN,
    "census -p PID": ANY_MODE,
    "stacks -p PID": ANY_MODE,
    "get -p PID NAME": ANY_MODE,
    "why -p PID TYPE": ANY_MODE,
    "report FILE": "",
}
# Sampled mode is the default. Before uprobe_multi, probes are perf events, for which Debian asks for CAP_SYS_ADMIN.
MULTI = {"record -p PID --domain object,raw", "record -p PID --mode exact --domain object,raw", "record -p PID",
         "record -- COMMAND"}
CASES = [pytest.param(command, marks=pytest.mark.needs_feature("uprobe_multi") if command in MULTI else ())
         for command in NEEDS]
DROPPED = [pytest.param(command, capability, marks=case.marks)
           for case, command in zip(CASES, NEEDS) for capability in NEEDS[command].split()]


@pytest.fixture(scope="module")
def target():
    """With a thread that does not stand still: its stack is taken by a program of its own."""
    with Target(system(), "busy_stacks.py", user="nobody") as running_target:
        running_target.ask("run", "alternating")
        yield running_target


@pytest.fixture(scope="module")
def profile(target, tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / PROFILE
    subprocess.run([LINGER, "record", "-p", str(target.pid), "-d", "0.5", "--mode", "exact", "-o", path], check=True)
    return path


def arguments(command, target, profile, folder):
    names = {"PID": str(target.pid), "COMMAND": "%s -S -c pass" % SYSTEM_PYTHON, "NAME": "__main__.LOADS",
             "TYPE": "function", "FILE": str(profile)}
    words = " ".join(names.get(word, word) for word in command.split())
    if command.startswith("record"):
        words = words.replace("record", "record --force -d 0.5 -o %s" % (folder / PROFILE), 1)
    return words.split()


def run_with(capabilities, words):
    """Root, but with these capabilities alone; None: with all of them."""
    lowered = ["+" + name[len("CAP_"):].lower() for name in capabilities or ()]
    limit = [] if capabilities is None else ["setpriv", "--bounding-set", ",".join(["-all", *lowered])]
    return subprocess.run([*limit, LINGER, *words], capture_output=True, text=True, timeout=TIMEOUT_S,
                          stdin=subprocess.DEVNULL, check=False)


def said(run):
    """But for numbers, which are others each time, and for what the kernel may lose on a busy machine."""
    return [re.sub(r"\d+", "N", line) for line in run.stderr.splitlines() if "pass unseen" not in line]


@pytest.mark.parametrize("command", CASES)
def test_these_suffice(command, target, profile, tmp_path):
    words = arguments(command, target, profile, tmp_path)
    least, all_of_them = run_with(NEEDS[command].split(), words), run_with(None, words)
    assert least.returncode == all_of_them.returncode == 0, least.stderr + all_of_them.stderr
    assert said(least) == said(all_of_them) and "[torn]" not in least.stdout


@pytest.mark.parametrize("command, dropped", DROPPED)
def test_each_is_needed(command, dropped, target, profile, tmp_path):
    rest = [name for name in NEEDS[command].split() if name != dropped]
    if dropped == "CAP_SYS_ADMIN":
        rest += ["CAP_BPF", "CAP_PERFMON"]
    run = run_with(rest, arguments(command, target, profile, tmp_path))
    assert run.returncode == 2 and dropped in run.stdout + run.stderr, run.stdout + run.stderr
    assert not list(tmp_path.iterdir())


def test_the_readme_has_the_same_table():
    rows = re.findall(r"^\| `linger ([^|]+)` \| ([^|]*) \|", (TESTS.parent / "README.md").read_text(), re.M)
    assert {command: " ".join(re.findall(r"CAP_\w+", needs)) for command, needs in rows} == NEEDS
