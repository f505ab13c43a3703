# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What every fault is made of: a target that knows whether it is unharmed, linger, and what may be left of it."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration"))

from interpreters import find  # noqa: E402
from linger import (LINGER, RECORDING, TIMEOUT_S, Target, check_identity, parse_folded, wait_until)  # noqa: E402
from sampling import changed_text  # noqa: E402

MODES = {"exact": "object,raw,mapping", "sampled": "object,raw,mapping", "mapping": "mapping"}
OFTEN = ("--overhead", "50")  # many windows in a short time
GONE_S = 20  # until the kernel has torn down a dead process


class Skipped(Exception):
    """This machine cannot have the fault."""


@dataclass(frozen=True)
class Fault:
    """perform(random, number) is one run. It raises when something is wrong, and may return what it met."""
    name: str
    about: str
    runs: int
    perform: Callable


FAULTS = {}


def fault(about, runs):
    """A function of the fault's name, with dashes."""
    def register(perform):
        name = perform.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, about, runs, perform)
        return perform
    return register


def options_of(mode):
    return OFTEN if mode == "sampled" else ()


# --- the target ---------------------------------------------------------------------------------------------

class Unharmed(Target):
    """unharmed.py: it looks at its own structures all the time."""

    def __init__(self, interpreter=None, rest_ms=1, **keywords):
        super().__init__(interpreter or find("system"), "unharmed.py", str(rest_ms), **keywords)

    def wait_no_probes(self, longest_s=GONE_S):
        wait_until(lambda: not changed_text(self.pid), "the probes to be gone", longest_s)

    def rounds(self):
        return int(self.ask("progress"))

    def wait_progress(self, rounds=2):
        """It goes on, whatever happened to linger."""
        aim = self.rounds() + rounds
        wait_until(lambda: self.rounds() >= aim, "the target to look at %d structures" % rounds)

    def check(self):
        """It goes on without probes, has found nothing broken, and ends as it should."""
        self.wait_no_probes()
        self.wait_progress()
        self.check_verdict()

    def check_verdict(self):
        said = json.loads(self.ask("verdict"))
        assert not said["broken"], said["broken"][:3]
        assert said["rounds"] > 0
        self.process.stdin.close()
        assert self.process.wait(GONE_S) == 0, "the target ended with status %d" % self.process.returncode

    def __exit__(self, *unused):
        with contextlib.suppress(OSError):
            super().__exit__(*unused)


def stop_state(pid):
    """The state that the kernel shows: one letter."""
    return Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0]


# --- linger -------------------------------------------------------------------------------------------------

class Linger:
    """A recording that is expected to end in any way: what it wrote is in its folder, which has nothing else in it."""

    def __init__(self, folder, pid, *options, mode="exact", before=(), **keywords):
        self.folder = Path(folder)
        self.log = tempfile.TemporaryFile()
        command = [*before, str(LINGER), "record", "-p", str(pid), "--mode", mode, "--domain", MODES[mode], "-o",
                   str(self.folder / "heap.folded"), "--stats", str(self.folder / "stats.json"), *options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **keywords)

    @property
    def pid(self):
        return self.process.pid

    def said(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def has_ended(self):
        return self.process.poll() is not None

    def has_begun(self):
        return RECORDING in self.said()

    def wait_begun(self):
        wait_until(lambda: self.has_begun() or self.has_ended(), RECORDING)
        assert self.has_begun(), self.said()
        return self

    def descriptors(self):
        """What its descriptors are of; none when it has ended."""
        folder = "/proc/%d/fd" % self.pid
        names = []
        with contextlib.suppress(OSError):
            for number in os.listdir(folder):
                with contextlib.suppress(OSError):
                    names.append(os.readlink(os.path.join(folder, number)))
        return names

    def children(self):
        """Each keeps the probes of one set in their places."""
        with contextlib.suppress(OSError):
            return [int(pid) for pid in Path("/proc/%d/task/%d/children" % (self.pid, self.pid)).read_text().split()]
        return []

    def keepers(self):
        return len(self.children())

    def interrupt(self):
        """Ctrl-C."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)

    def results(self):
        """Its statistics once it has ended as it should, held to the accounting identity."""
        status = self.process.wait(TIMEOUT_S)
        assert status == 0, "linger ended with status %d: %s" % (status, self.said())
        stats = json.loads((self.folder / "stats.json").read_text())
        check_identity(stats, parse_folded((self.folder / "heap.folded").read_text()), "inuse_space")
        check_files(self.folder, "heap.folded", "stats.json")
        return stats

    def check_end(self):
        """Either it recorded and it adds up, or it says why not. Which."""
        self.process.wait(TIMEOUT_S)
        if self.has_begun():
            self.results()
            return "recorded"
        self.check_refusal()
        check_files(self.folder)
        return "refused"

    def check_refusal(self):
        """Ends with a sentence and a status that says so. The sentence."""
        status = self.process.wait(TIMEOUT_S)
        said = self.said()
        assert status in (1, 2), "status %d: %s" % (status, said)
        assert "linger: " in said, said
        return said

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if not self.has_ended():
            self.process.kill()
            self.process.wait()
        self.log.close()


# --- what may be left ---------------------------------------------------------------------------------------

def listed(kind):
    """Programs or links that the kernel holds: id -> what bpftool says."""
    run = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True, check=False)
    return {item["id"]: item for item in json.loads(run.stdout or "[]") if "id" in item}


def held(field):
    """The ids of programs or links that some process has a descriptor of."""
    ids = set()
    for path in Path("/proc").glob("[0-9]*/fdinfo/*"):
        with contextlib.suppress(OSError):
            ids.update(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(field + ":"))
    return ids


def ownerless():
    """Programs and links that no process holds."""
    return {(kind, number) for kind, field in (("prog", "prog_id"), ("link", "link_id"))
            for number in set(listed(kind)) - held(field)}


def running_lingers():
    found = []
    for path in Path("/proc").glob("[0-9]*/exe"):
        with contextlib.suppress(OSError):
            if os.readlink(path) == str(LINGER):
                found.append(int(path.parts[2]))
    return found


class NothingLeft:
    """Around one run: when it is over, no process, no program and no link of linger's is there that was not there
    before. Other programs that use BPF meanwhile are no matter, unless they leave something too."""

    def __enter__(self):
        self.before = ownerless()
        return self

    def __exit__(self, kind, *unused):
        if kind is None:
            self.check()

    def check(self):
        wait_until(lambda: not running_lingers(), "linger's processes to be gone", GONE_S)
        wait_until(lambda: not ownerless() - self.before, "linger's programs and links to be gone", GONE_S)


@contextlib.contextmanager
def scratch():
    """A folder for what linger writes."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        yield Path(folder)


def check_files(folder, *expected):
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(expected), "the folder holds %s" % names


def rest(random, longest_s):
    """For a random while; how long it was."""
    seconds = random.uniform(0, longest_s)
    time.sleep(seconds)
    return seconds
