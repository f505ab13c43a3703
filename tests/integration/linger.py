# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs targets and linger, and reads what both say.

Everything is driven by lines: a target answers each command when it is done, linger says when it records. So a
test never sleeps to give something time; the timeouts here only end a test that hangs.
"""
import atexit
import contextlib
import functools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

from interpreters import BUILD, Interpreter, TESTS, clean_environment

LINGER = TESTS.parent / "build" / "linger"
RECORDING = "linger: recording"
SLOWNESS = int(os.environ.get("LINGER_TEST_SLOWNESS", "1"))  # how much longer things take on this machine
TIMEOUT_S = 60 * SLOWNESS
POLL_S = 0.01
NEVER_A_PID = 4194305  # above the kernel's highest pid_max

# --value, and the field of --stats that says the same.
BOOKS = {"inuse_space": "live_bytes", "inuse_objects": "live_blocks", "alloc_space": "alloc_bytes",
         "alloc_objects": "alloc_blocks"}


class Frame(NamedTuple):
    function: str
    file: str
    line: int


class PoolTruth(NamedTuple):
    """What sys._debugmallocstats() says: exact, and nothing but pymalloc's pools."""
    blocks: int
    bytes: int
    arenas: int
    arena_bytes: int


def wait_until(condition, what, timeout_s=TIMEOUT_S):
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited %d s for %s" % (timeout_s, what))
        time.sleep(POLL_S)


# --- targets ----------------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def installed_targets(root):
    """A copy of the targets that the interpreter's mount tree, and other users, can read."""
    folder = tempfile.mkdtemp(prefix="linger-targets-", dir=os.path.join(root, "tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    for source in [*(TESTS / "targets").glob("*.py"), *BUILD.glob("*.so")]:
        os.chmod(shutil.copy(source, folder), 0o644)
    return folder


def pools_of(text):
    rows = re.findall(r"^ *\d+ +(\d+) +\d+ +(\d+) +\d+$", text, re.M)
    arenas = re.search(r"^(\d+) arenas \* (\d+) bytes/arena", text, re.M)
    return PoolTruth(sum(int(blocks) for _, blocks in rows), sum(int(size) * int(blocks) for size, blocks in rows),
                     int(arenas.group(1)), int(arenas.group(2)))


class Target:
    """A program of tests/targets under some interpreter, waiting for commands."""
    greeting = "ready"

    def __init__(self, interpreter: Interpreter, script: str, *arguments: str, user=None, **environment):
        folder = installed_targets(interpreter.root)
        self.path = os.path.join("/tmp", os.path.basename(folder), script)  # as the target sees it
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*interpreter.command, self.path, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=user,
            stderr=self.log, env=clean_environment(**environment), cwd=folder)
        self.pid = self.process.pid
        self.pending = b""
        try:
            self.expect(self.greeting)
        except BaseException:
            self.__exit__()
            raise

    def errors(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def read_line(self):
        deadline = time.monotonic() + TIMEOUT_S
        while b"\n" not in self.pending:
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the target did not answer within %d s" % TIMEOUT_S)
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                raise EOFError("the target ended: " + self.errors()[-2000:])
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode()

    def expect(self, answer):
        line = self.read_line()
        if line != answer:
            raise ValueError("the target said %r, not %r" % (line, answer))

    def send(self, *words):
        os.write(self.process.stdin.fileno(), " ".join(words).encode() + b"\n")

    def ask(self, *words):
        self.send(*words)
        return self.read_line()

    def truth(self):
        start = os.fstat(self.log.fileno()).st_size
        self.ask("truth")
        size = os.fstat(self.log.fileno()).st_size - start
        return pools_of(os.pread(self.log.fileno(), size, start).decode())

    def allocated_blocks(self):
        """sys.getallocatedblocks(): blocks that went on to malloc included."""
        return int(self.ask("truth"))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


# --- linger -----------------------------------------------------------------------------------------------

@dataclass
class Profile:
    """A folded file: stacks by domain, root first."""
    stacks: Dict[str, List[Tuple[Tuple[str, ...], int]]]
    drops: Dict[str, Dict[str, int]]

    def total(self, domain):
        return sum(weight for _, weight in self.stacks.get(domain, ()))

    def by_leaf(self, domain="object"):
        """Innermost frame -> weight."""
        totals = {}
        for frames, weight in self.stacks.get(domain, ()):
            leaf = frame_of(frames[-1] if frames else "")
            totals[leaf] = totals.get(leaf, 0) + weight
        return totals


def frame_of(text):
    """`func (file:line)`; what is no Python frame ([truncated], [unknown]) has only a name."""
    found = re.fullmatch(r"(.*) \((.*):(\d+)\)", text)
    return Frame(found.group(1), found.group(2), int(found.group(3))) if found else Frame(text, "", 0)


def parse_folded(text):
    profile = Profile({}, {})
    for line in text.splitlines():
        stack, weight = line.rsplit(" ", 1)
        domain, *frames = stack.split(";")
        assert re.fullmatch(r"\[\w+\]", domain), "the root frame is no domain: " + line
        dropped = re.fullmatch(r"\[dropped: (.*)\]", frames[0]) if len(frames) == 1 else None
        if dropped:
            profile.drops.setdefault(domain[1:-1], {})[dropped.group(1)] = int(weight)
        else:
            profile.stacks.setdefault(domain[1:-1], []).append((tuple(frames), int(weight)))
    return profile


def check_drops(in_profile, dropped, value):
    """Drops are in the profile in the unit of its value; how many bytes they were is not always known."""
    if value.endswith("objects"):
        assert in_profile == dropped
    else:
        assert set(in_profile) <= set(dropped) and all(in_profile.values())


def check_identity(stats, profile, value):
    """What holds for every recording, whatever was recorded."""
    estimated = {"object", "raw"} if stats["sampling"] else set()
    for name, domain in stats["domains"].items():
        dropped = {reason: n for reason, n in domain["dropped"].items() if n}
        assert domain["seen_allocs"] == domain["recorded_allocs"] + sum(dropped.values()), (name, domain)
        if profile:
            assert profile.total(name) == domain[BOOKS[value]], (name, domain)
        if name in estimated:
            continue
        assert domain["recorded_allocs"] == domain["alloc_blocks"], (name, domain)
        assert domain["alloc_bytes"] >= domain["live_bytes"] >= 0, (name, domain)
        if profile:
            check_drops(profile.drops.get(name, {}), dropped, value)
    for name, domain in stats["domains"].items():
        if name == "mapping" or name in estimated:
            continue
        # A block that is handed out again was freed, seen or not.
        freed = domain["seen_frees"] - domain["unmatched_frees"] + domain.get("missed_frees", 0)
        assert domain["live_blocks"] == domain["alloc_blocks"] - freed, domain


class Recording:
    """`linger record` of one process, from the moment it says that it records until it has written its files."""

    def __init__(self, pid: int, *options: str, domain="object", form="folded", value="inuse_space", mode="exact"):
        self.form, self.value = form, value
        self.folder = tempfile.TemporaryDirectory(prefix="linger-recording-")
        self.output_path = Path(self.folder.name) / "profile"
        self.stats_path = Path(self.folder.name) / "stats.json"
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(LINGER), "record", "-p", str(pid), "--mode", mode, "--domain", domain, "-f", form, "--value", value,
             "-o", str(self.output_path), "--stats", str(self.stats_path), *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.output = self.profile = self.stats = None

    def said(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def wait_ready(self):
        wait_until(lambda: RECORDING in self.said() or self.process.poll() is not None, RECORDING)
        if RECORDING not in self.said():
            raise AssertionError("linger ended with status %d: %s" % (self.process.returncode, self.said()))
        return self

    def stop(self):
        """Ends it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def finish(self):
        """Waits until it has ended, reads what it wrote, and holds it to the accounting identity."""
        status = self.process.wait(TIMEOUT_S)
        assert status == 0, "linger ended with status %d: %s" % (status, self.said())
        data = self.output_path.read_bytes()
        self.output = data if self.form == "pprof" else data.decode()
        self.profile = parse_folded(self.output) if self.form == "folded" else None
        self.stats = json.loads(self.stats_path.read_text())
        check_identity(self.stats, self.profile, self.value)
        return self.said()

    def __getitem__(self, domain):
        return self.stats["domains"][domain]

    def __enter__(self):
        try:
            return self.wait_ready()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()


def run_linger(*arguments, program=LINGER, **options):
    """linger with these arguments, to its end: for what is refused, and for help."""
    return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT_S,
                          stdin=subprocess.DEVNULL, check=False, **options)


@contextlib.contextmanager
def running(command, **options):
    """Any process as a target, killed at the end."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
