# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the parts of the bench share: child processes, workloads, the machine's description, tables."""

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINGER = pathlib.Path(os.environ.get("LINGER", ROOT / "build/linger"))
COUNT_ONLY = ROOT / "build/bench/count_only"
JSON_LOOP = ROOT / "tests/bench/json_loop.py"
NUMPY_LOOP = ROOT / "tests/bench/numpy_loop.py"
SERVICE = ROOT / "tests/demo/service.py"
PYTHON = os.environ.get("BENCH_PYTHON", "/usr/bin/python3")

skipped: list[str] = []


class Failed(Exception):
    """A measurement that could not be made, with the reason."""


def progress(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def skip(text: str) -> None:
    if text not in skipped:
        skipped.append(text)
        progress(f"skipped: {text}")


class Child:
    """A process of ours, gone when its `with` block is left.

    Its lines (stdout and stderr together) are kept with the time at which they came.
    """

    def __init__(self, argv: list, **options) -> None:
        self.started = time.monotonic()
        self.name = pathlib.Path(argv[0]).name
        self.process = subprocess.Popen(
            [str(word) for word in argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            **options,
        )
        self.pid = self.process.pid
        self.lines: list[tuple[float, str]] = []
        self.ended = False
        self.news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self.news:
                self.lines.append((time.monotonic(), line.rstrip("\n")))
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def wait_for(self, pattern: str, timeout: float = 60) -> tuple[float, re.Match]:
        """The first line that matches, and when it came."""

        def found() -> tuple[float, re.Match] | None:
            hits = ((when, re.search(pattern, line)) for when, line in self.lines)
            return next((hit for hit in hits if hit[1]), None)

        with self.news:
            self.news.wait_for(lambda: found() or self.ended, timeout)
            hit = found()
        if hit is None:
            why = "ended" if self.ended else f"took more than {timeout:.0f} s"
            raise Failed(f"{self.name} {why} before it printed {pattern!r}: {self.tail()}")
        return hit

    def tail(self) -> str:
        return " / ".join(line for _, line in self.lines[-3:]) or "no output"

    def end(self, signal_number: int = signal.SIGINT, timeout: float = 30) -> int:
        """Asks once, then kills; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"{self.name} did not end within {timeout:.0f} s") from None

    def until_ready(self) -> None:
        """Waits until the process does what it was started for."""

    def __enter__(self) -> "Child":
        try:
            self.until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class JsonLoop(Child):
    """json_loop.py; its rate between two times comes from the lines that it prints."""

    script = JSON_LOOP

    def __init__(self, python: list, depth: int = 6) -> None:
        super().__init__([*python, self.script, depth, 3600])

    def until_ready(self) -> None:
        self.wait_for(r"^[\d.]+ \d+ ")

    def ticks(self) -> list[tuple[float, int]]:
        with self.news:
            words = [line.split() for _, line in self.lines]
        return [(float(line[0]), int(line[1])) for line in words if len(line) == 3 and line[1].isdigit()]

    def rate(self, start: float, end: float) -> float:
        inside = [tick for tick in self.ticks() if start <= tick[0] <= end]
        if len(inside) < 2:
            raise Failed(f"the loop printed fewer than two lines in {end - start:.1f} s: {self.tail()}")
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])

    def measure(self, seconds: float) -> float:
        start = time.monotonic()
        time.sleep(seconds)
        return self.rate(start, time.monotonic())


class NumpyLoop(JsonLoop):
    """numpy_loop.py: it prints the same lines."""

    script = NUMPY_LOOP


@dataclasses.dataclass(frozen=True)
class Load:
    """What a load generator saw: requests per second, and how long they took."""

    rate: float
    p99_ms: float
    longest_ms: float


class Service(Child):
    """The demo's FastAPI service; its rate is what ab gets out of it."""

    def __init__(self, python: list) -> None:
        super().__init__([*python, SERVICE])

    def until_ready(self) -> None:
        _, match = self.wait_for(r"^port (\d+)$")
        self.url = f"http://127.0.0.1:{match[1]}/search?q=quiet+rivers"
        self.measure(0.5)

    def load(self, seconds: float) -> Load:
        return self.ask("-t", str(max(1, round(seconds))), "-n", "1000000")

    def serve(self, requests: int) -> Load:
        """So many requests, however long they take: the heap is then as large, and was collected as often."""
        return self.ask("-n", str(requests))

    def ask(self, *limits: str) -> Load:
        with scratch() as folder:
            percentiles = pathlib.Path(folder, "percentiles.csv")  # the table on stdout is in whole milliseconds
            argv = ["ab", "-q", "-c", "10", *limits, "-e", str(percentiles), self.url]
            try:
                done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
            except subprocess.TimeoutExpired:
                raise Failed("the service did not answer for two minutes") from None
            rate = re.search(r"^Requests per second: +([\d.]+)", done.stdout, re.MULTILINE)
            longest = re.search(r"^ +100% +(\d+)", done.stdout, re.MULTILINE)
            if not rate or not longest:
                raise Failed(f"ab failed: {done.stderr.strip()}")
            p99 = re.search(r"^99,([\d.]+)", percentiles.read_text(), re.MULTILINE)
            return Load(float(rate[1]), float(p99[1]), float(longest[1]))

    def measure(self, seconds: float) -> float:
        return self.load(seconds).rate


class Recording(Child):
    """`linger record`, from the line that says that it records until `finish`."""

    def __init__(self, pid: int, folder: str, *options: str) -> None:
        self.stats_file = pathlib.Path(folder, "stats.json")
        profile = pathlib.Path(folder, "profile.folded")
        super().__init__(
            [LINGER, "record", "-p", pid, "-o", profile, "--stats", self.stats_file, "--force", *options]
        )

    def until_ready(self) -> None:
        self.ready, _ = self.wait_for("^linger: recording")

    def finish(self) -> dict:
        """Ends it as Ctrl-C does; returns what it counted."""
        status = self.end()
        if status != 0:
            raise Failed(f"linger ended with status {status}: {self.tail()}")
        return json.loads(self.stats_file.read_text())


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="linger-bench-") as folder:
        yield folder


def have_linger() -> bool:
    if not LINGER.exists():
        skip("linger: build/linger is not built")
    return LINGER.exists()


def python_object(pid: int) -> str:
    """The file that holds the interpreter's code: libpython if there is one, or else the executable."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        if re.search(r"/libpython3[^/]*\.so", line):
            return line.split(maxsplit=5)[5]
    return os.path.realpath(f"/proc/{pid}/exe")


def machine() -> str:
    """Date, kernel, processor and interpreter in one line."""
    model = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    version = subprocess.run([PYTHON, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    today = datetime.date.today().isoformat()
    processor = f"{model[1] if model else platform.machine()}, {os.cpu_count()} CPUs"
    return f"{today}, Linux {platform.release()}, {processor}, {version} ({os.path.realpath(PYTHON)})"


def table(title: str, heads: list[str], rows: list[list[str]]) -> None:
    print(f"\n{title}\n")
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def median(values: list[float]) -> float:
    return statistics.median(values)


def spread(values: list[float], form: str = ".0f") -> str:
    """Median and, in brackets, the smallest and the largest."""
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"
