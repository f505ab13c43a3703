# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What linger gives up once everything is open: each command works to its end without it, and it is really gone.

strace shows every system call that the filter answers: with ENOSYS. test_syscall_filter.c has what it refuses.
"""
import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from interpreters import SYSTEM_PYTHON, clean_environment
from linger import (LINGER, RECORDING, TIMEOUT_S, Recording, Target, run_linger, running, wait_until)

ANYBODY = 65534
READS = {"dac_read_search", "sys_ptrace", "bpf"}
PROBES = READS | {"perfmon"}
CAPABILITIES = {1: "dac_override", 2: "dac_read_search", 3: "fowner", 5: "kill", 19: "sys_ptrace", 21: "sys_admin",
                38: "perfmon", 39: "bpf"}


# --- what is refused ------------------------------------------------------------------------------------------


class Traced:
    """linger under strace, which sees all that it asks of the kernel once the filter is in place."""

    def __init__(self, folder, *arguments, inject=(), **keywords):
        self.trace, self.log = folder / "strace", folder / "log"
        environment = dict(os.environ, **keywords)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["strace", "-f", "-o", self.trace, *inject, str(LINGER), *map(str, arguments)], env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said(self):
        return self.log.read_text(errors="replace")

    def pid(self):
        return int(self.trace.read_text().split(None, 1)[0])

    def wait_ready(self):
        wait_until(lambda: RECORDING in self.said() or self.process.poll() is not None, RECORDING)
        assert self.process.poll() is None, self.said()

    def signal(self, number):
        os.kill(self.pid(), number)

    def finish(self, status=0):
        assert self.process.wait(TIMEOUT_S) == status, self.said()
        return self.said()

    def calls(self):
        """Those of linger, its threads and its child from the filter on; not of a command that it has started."""
        lines = [line.split(None, 1) for line in self.trace.read_text().splitlines()]
        others = {pid for pid, call in lines if call.startswith("execve(") and pid != lines[0][0]}
        own = [call for pid, call in lines if pid not in others]
        filters = [i for i, call in enumerate(own) if call.startswith("seccomp(SECCOMP_SET_MODE_FILTER")]
        assert filters, "there was no filter: " + self.said()
        return own[filters[-1] + 1:]

    def refused(self):
        """clone3's flags lie in memory, where no filter sees them; libc makes do with clone."""
        return [call for call in self.calls() if "ENOSYS" in call and "clone3" not in call]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()


def check(folder, *arguments, status=0, **keywords):
    with Traced(folder, *arguments, **keywords) as traced:
        said = traced.finish(status)
        assert not traced.refused() and len(traced.calls()) > 3, (traced.refused(), said)
    return said


@contextlib.contextmanager
def busy(interpreter):
    """A target with a thread that never rests: where linger has a processor of its own, a timer interrupts it."""
    with Target(interpreter, "busy_stacks.py") as target:
        target.ask("run", "recursing")
        yield target


@pytest.fixture
def target(system_interpreter):
    with Target(system_interpreter, "busy_stacks.py") as running_target:
        yield running_target


def record(folder, pid, *options, mode="exact", name="out.folded", **keywords):
    return Traced(folder, "record", "-p", pid, "--mode", mode, "-o", folder / name, "--stats", folder / "stats.json",
                  *options, **keywords)


def check_recording(traced, end, status=0):
    with traced:
        traced.wait_ready()
        end()
        traced.finish(status)
        assert not traced.refused(), traced.refused()


@pytest.mark.parametrize("mode", ["exact", "sampled", "mapping"])
def test_nothing_that_a_recording_needs_is_refused(target, tmp_path, mode):
    traced = record(tmp_path, target.pid, "-v", mode=mode)

    def end():
        time.sleep(2 if mode == "sampled" else 0.5)
        traced.signal(signal.SIGINT)

    check_recording(traced, end)
    assert "system calls filtered" in traced.said()


@pytest.mark.parametrize("name", ["out.svg", "out.txt", "out.pb.gz"])
def test_nothing_is_refused_in_any_format(target, tmp_path, name):
    traced = record(tmp_path, target.pid, "-d", 2, "--every", 1, mode="sampled", name=name)
    check_recording(traced, lambda: traced.signal(signal.SIGUSR1))
    assert "the recording goes on" in traced.said()


# Probes that are attached one by one take long to attach; malloc has few.
@pytest.mark.parametrize("end, without", [("exit", ""), ("exit", "uprobe_multi"), ("exec", "")])
def test_nothing_is_refused_when_the_target_ends(system_interpreter, tmp_path, end, without):
    with Target(system_interpreter, "ending.py") as target:
        target.ask("build")
        traced = record(tmp_path, target.pid, "--domain", "raw,mapping", LINGER_WITHOUT=without)
        check_recording(traced, lambda: target.send(end))


def test_nothing_is_refused_with_a_command(tmp_path):
    code = "import time; kept = [{} for _ in range(10000)]; time.sleep(1)"
    said = check(tmp_path, "record", "--mode", "exact", "-o", tmp_path / "out.svg", "--", SYSTEM_PYTHON, "-S", "-c",
                 code)
    assert "wrote" in said


LOOKS = {"census": [], "census_json": ["--json"], "census_by_module": ["--by", "module"],
         "census_fragmentation": ["--fragmentation"], "census_every": ["--every", "1", "-d", "1"], "stacks": [],
         "stacks_locals": ["--locals"], "stacks_json": ["--json"], "get": ["__main__.ALL"],
         "why": ["collections.deque"], "why_dot": ["-f", "dot", "collections.deque"]}
BY_PTRACE = ["-e", "inject=bpf:error=EINVAL"]  # of no kernel's BPF reader


@pytest.mark.parametrize("inject", [[], BY_PTRACE], ids=["bpf", "process_vm_readv"])
@pytest.mark.parametrize("look", LOOKS)
def test_nothing_that_a_look_needs_is_refused(system_interpreter, tmp_path, look, inject):
    with busy(system_interpreter) as target:
        said = check(tmp_path, look.split("_")[0], "-p", target.pid, *LOOKS[look], inject=inject,
                     status=1 if look == "get" else 0)
    assert ("process_vm_readv" in said) == bool(inject)


@pytest.mark.parametrize("command", ["census", "stacks", "why", "get"])
@pytest.mark.parametrize("place", ["new", "old", "/dev/null"])
def test_nothing_is_refused_where_a_look_writes(system_interpreter, tmp_path, command, place):
    path = tmp_path / place
    if place == "old":
        path.write_text("old")
    what = {"why": ["dict"], "get": ["sys.path"]}.get(command, [])
    with busy(system_interpreter) as target:
        check(tmp_path, command, "-p", target.pid, *what, "-o", path, "--force")
    assert path.read_bytes() != b"old"


def test_nothing_that_a_report_needs_is_refused(target, tmp_path):
    before, after, census = tmp_path / "before.pb.gz", tmp_path / "after.pb.gz", tmp_path / "census.json"
    for path in (before, after):
        assert run_linger("record", "-p", target.pid, "-d", 1, "-o", path, "--mode", "exact").returncode == 0
    assert run_linger("census", "-p", target.pid, "-o", census).returncode == 0
    for form in ("text", "folded", "svg", "pprof"):
        check(tmp_path, "report", before, "-f", form)
        check(tmp_path, "report", before, "-f", form, "-o", tmp_path / form)
    for form in ("text", "svg", "folded"):
        check(tmp_path, "report", "--diff", before, after, "-f", form)
    check(tmp_path, "census", "--diff", census, census, "-o", tmp_path / "diff.txt")


# --- what is given up -----------------------------------------------------------------------------------------


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path("/proc/%d/status" % pid).read_text().splitlines())


def set_of(mask):
    return {CAPABILITIES.get(i, str(i)) for i in range(64) if int(mask, 16) >> i & 1}


def check_given_up(pid, kept):
    status = status_of(pid)
    assert {name: set_of(status[name]) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {
        "CapEff": kept, "CapPrm": kept, "CapInh": set(), "CapBnd": set(), "CapAmb": set()}
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")


@pytest.mark.parametrize("mode", ["exact", "sampled", "mapping"])
def test_a_recording_keeps_what_it_needs(target, mode):
    domain = "mapping" if mode == "mapping" else "object"
    with Recording(target.pid, "-v", mode=mode, domain=domain) as recording:
        check_given_up(recording.process.pid, PROBES)
        said = recording.stop()
    kept = re.search(r"capabilities from now on: (.*); system calls filtered", said).group(1)
    assert set(kept.split(", ")) == PROBES


def children(pid):
    return [int(child) for child in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def test_the_keepers_of_probes_keep_nothing(target):
    """They share linger's memory."""
    with Recording(target.pid) as recording:
        keepers = children(recording.process.pid)
        assert keepers
        for keeper in keepers:
            status = status_of(keeper)
            assert (status["Name"], status["Seccomp"], status["NoNewPrivs"]) == ("linger-probes", "2", "1")
            assert not set_of(status["CapEff"]) and not set_of(status["CapPrm"])
        recording.stop()


@pytest.mark.parametrize("command, kept", [("census", READS), ("get", READS), ("stacks", PROBES), ("why", PROBES)])
def test_a_look_keeps_what_it_needs(system_interpreter, tmp_path, command, kept):
    """It waits for somebody to read what it has found."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    what = {"why": ["dict"], "get": ["sys.path"]}.get(command, [])
    with busy(system_interpreter) as target:
        with running([LINGER, command, "-p", str(target.pid), *what, "-o", pipe]) as linger:
            wait_until(lambda: status_of(linger.pid)["Seccomp"] == "2", "the filter")
            check_given_up(linger.pid, kept)
            assert pipe.read_text()
            assert linger.wait(TIMEOUT_S) == 0


def test_a_report_keeps_nothing_but_to_read(target, tmp_path):
    profile, pipe = tmp_path / "profile.pb.gz", tmp_path / "pipe"
    assert run_linger("record", "-p", target.pid, "-d", 1, "-o", profile, "--mode", "exact").returncode == 0
    os.mkfifo(pipe)
    with running([LINGER, "report", profile, "-f", "text", "-o", pipe]) as linger:
        wait_until(lambda: status_of(linger.pid)["Seccomp"] == "2", "the filter")
        check_given_up(linger.pid, {"dac_read_search"})
        assert pipe.read_text()
        assert linger.wait(TIMEOUT_S) == 0


def test_a_report_needs_nothing_to_give_up(target, tmp_path):
    profile = tmp_path / "profile.pb.gz"
    assert run_linger("record", "-p", target.pid, "-d", 1, "-o", profile, "--mode", "exact").returncode == 0
    os.chmod(profile, 0o644)
    for folder in [tmp_path, *tmp_path.parents[:-2]]:
        folder.chmod(0o755)
    run = run_linger("report", profile, "-f", "text", user=ANYBODY)
    assert run.returncode == 0 and run.stdout


class Command:
    """`linger record -- COMMAND`."""

    def __init__(self, folder, *command):
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [LINGER, "record", "--mode", "exact", "-o", folder / "out.folded", "--", *command], stderr=log,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=clean_environment())

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


TELLING = ("import signal, sys\n"
           "signal.signal(signal.SIGUSR2, lambda number, frame: sys.exit(7))\n"
           "print(open('/proc/self/status').read(), flush=True)\n"
           "signal.pause()\n")


def read_status(stream):
    lines = iter(lambda: stream.readline().decode().rstrip("\n"), "")
    return dict(line.split(":\t", 1) for line in lines)


@pytest.mark.parametrize("user", [0, ANYBODY])
def test_a_command_keeps_what_it_was_given(tmp_path, user):
    """And signals reach it also when it has become somebody else."""
    before = Path("/proc/self/status").read_text()
    before = dict(line.split(":\t", 1) for line in before.splitlines())
    with Command(tmp_path, "setpriv", "--reuid=%d" % user, SYSTEM_PYTHON, "-S", "-c", TELLING) as command:
        status = read_status(command.process.stdout)
        wait_until(lambda: RECORDING in command.log.read_text(), RECORDING)
        check_given_up(command.process.pid, PROBES | {"kill"})
        command.process.send_signal(signal.SIGUSR2)
        assert command.process.wait(TIMEOUT_S) == 7, command.log.read_text()
    names = ["Seccomp", "NoNewPrivs", "CapBnd", *(["CapEff", "CapPrm"] if user == 0 else [])]
    assert {name: status[name] for name in names} == {name: before[name] for name in names}


# --- what is kept for the output ------------------------------------------------------------------------------


@pytest.fixture
def theirs(tmp_path):
    """A directory of another user's."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, ANYBODY, ANYBODY)
    return folder


def test_writing_into_the_directory_of_another_user(target, theirs):
    with running([LINGER, "record", "-p", str(target.pid), "--mode", "exact", "-o", theirs / "out.folded"],
                 stderr=subprocess.PIPE) as linger:
        assert RECORDING in linger.stderr.readline().decode()
        check_given_up(linger.pid, PROBES | {"dac_override"})
        linger.send_signal(signal.SIGINT)
        assert linger.wait(TIMEOUT_S) == 0, linger.stderr.read()
        linger.stderr.close()
    assert (theirs / "out.folded").exists()


def test_replacing_a_file_in_a_shared_directory_of_another_user(target, theirs):
    theirs.chmod(0o1777)
    place = theirs / "out.txt"
    place.write_text("old")
    os.chown(place, ANYBODY, ANYBODY)
    run = run_linger("census", "-p", target.pid, "-o", place, "--force")
    assert run.returncode == 0 and place.read_text() != "old", run.stderr


def test_who_has_the_older_capability_keeps_it(system_interpreter, tmp_path):
    """CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with busy(system_interpreter) as target:
        with running(["setpriv", "--bounding-set=-bpf,-perfmon", LINGER, "stacks", "-p", str(target.pid), "-o",
                      pipe]) as linger:
            wait_until(lambda: status_of(linger.pid)["Seccomp"] == "2", "the filter")
            check_given_up(linger.pid, READS - {"bpf"} | {"sys_admin"})
            assert "recursing" in pipe.read_text()
            assert linger.wait(TIMEOUT_S) == 0


@pytest.mark.parametrize("lacking", ["-bpf,-perfmon", "-dac_override", "-fowner,-kill,-setpcap",
                                     "-sys_admin,-checkpoint_restore"])
def test_who_has_less_from_the_start(target, tmp_path, lacking):
    run = run_linger("--bounding-set=" + lacking, LINGER, "record", "-p", target.pid, "--mode", "exact", "--domain",
                     "object", "-d", 1, "-o", tmp_path / "out.folded", program="setpriv")
    assert run.returncode == 0, run.stderr
