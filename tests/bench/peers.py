# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Throughput of two workloads under each tool that is here, relative to the same workload untraced.

Every measurement has a process of its own; untraced and traced take turns, and the ratio is taken within such
a pair.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Iterator

import bpftrace_tool
import common
import memleak_tool

ROUNDS = 3
SECONDS = 2.0
VENV = pathlib.Path("/var/cache/linger-tests/bench-venv")
WORKLOADS = {"JSON loop": common.JsonLoop, "FastAPI service": common.Service}


@contextlib.contextmanager
def nothing(pid: int) -> Iterator[None]:
    yield


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    python: list = dataclasses.field(default_factory=lambda: [common.PYTHON])
    attach: Callable[[int], contextlib.AbstractContextManager] = nothing


def linger(mode: str) -> Callable:
    @contextlib.contextmanager
    def attach(pid: int) -> Iterator[None]:
        with common.scratch() as folder, common.Recording(pid, folder, "--mode", mode) as recording:
            yield
            recording.finish()

    return attach


@contextlib.contextmanager
def bpftrace(pid: int) -> Iterator[None]:
    with bpftrace_tool.Bpftrace(pid) as tracer:
        yield
        tracer.end()


def memray_attach(python: str, *options: str) -> Callable:
    @contextlib.contextmanager
    def attach(pid: int) -> Iterator[None]:
        with common.scratch() as folder:
            out = pathlib.Path(folder, "memray.bin")
            argv = [python, "-m", "memray", "attach", "--aggregate", "-o", out, *options, str(pid)]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
            if done.returncode != 0:
                raise common.Failed(f"memray attach: {(done.stderr or done.stdout).strip()[-200:]}")
            yield

    return attach


def works(argv: list, timeout: float) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, timeout=timeout).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def memray_python() -> str | None:
    """An interpreter that can import memray, and fastapi for the service; makes a venv if it has to."""
    in_venv = str(VENV / "bin/python")
    for python in (common.PYTHON, in_venv):
        if works([python, "-c", "import memray, fastapi"], 30):
            return python
    common.progress(f"peers: installing memray into {VENV}")
    if works([common.PYTHON, "-m", "venv", "--system-site-packages", str(VENV)], 120) and works(
        [in_venv, "-m", "pip", "install", "-q", "memray"], 300
    ):
        return in_venv
    return None


def memray_peers(folder: str) -> list[Peer]:
    python = memray_python()
    if not python:
        common.skip("memray: not importable, and pip could not install it")
        return []
    run = [python, "-m", "memray", "run", "-q", "-f", "-o", os.path.join(folder, "memray.bin")]
    pymalloc = "--trace-python-allocators"
    peers = [
        Peer("memray run, without pymalloc", run),
        Peer("memray run, with pymalloc", [*run, pymalloc]),
    ]
    if not (shutil.which("gdb") or shutil.which("lldb")):
        common.skip("memray attach: needs gdb or lldb")
        return peers
    return peers + [
        Peer("memray attach, without pymalloc", [python], memray_attach(python)),
        Peer("memray attach, with pymalloc", [python], memray_attach(python, pymalloc)),
    ]


def memleak_peers() -> list[Peer]:
    name, attach = memleak_tool.find()
    return [Peer(f"{name} (libc only)", attach=attach)] if attach else []


def find_peers(folder: str) -> list[Peer]:
    peers = [
        Peer("tracemalloc, 1 frame", [common.PYTHON, "-X", "tracemalloc=1"]),
        Peer("tracemalloc, 25 frames", [common.PYTHON, "-X", "tracemalloc=25"]),
    ]
    peers += memray_peers(folder)
    peers += memleak_peers()
    if bpftrace_tool.missing():
        common.skip(bpftrace_tool.missing())
    else:
        # An optimised interpreter has most allocations inlined; this tool sees only the calls.
        peers.append(Peer("bpftrace, calls of PyObject_Malloc and PyObject_Free", attach=bpftrace))
    if common.have_linger():
        peers.append(Peer("linger, exact", attach=linger("exact")))
        peers.append(Peer("linger, mapping (system calls only)", attach=linger("mapping")))
    return peers


def rate(workload: type, peer: Peer) -> float:
    with workload(peer.python) as process, peer.attach(process.pid):
        return process.measure(SECONDS)


Pairs = dict[tuple[str, str], list[tuple[float, float]]]


def measure(peers: list[Peer], workloads: dict) -> Pairs:
    """(untraced, traced) for each peer and workload, once per round."""
    pairs: Pairs = {}
    failed = set()
    for number in range(ROUNDS):
        for name, workload in workloads.items():
            for peer in peers:
                if (peer.name, name) in failed:
                    continue
                common.progress(f"peers: round {number + 1} of {ROUNDS}, {name}, {peer.name}")
                try:
                    pair = rate(workload, Peer("untraced", peer.python[:1])), rate(workload, peer)
                except common.Failed as failure:
                    common.skip(f"{peer.name}, {name}: {failure}")
                    failed.add((peer.name, name))
                    continue
                pairs.setdefault((peer.name, name), []).append(pair)
    return pairs


def cells(pairs: list[tuple[float, float]]) -> list[str]:
    if not pairs:
        return ["not measured", ""]
    slowdown = common.median([untraced / traced for untraced, traced in pairs])
    form = ".2f" if slowdown < 10 else ".0f"
    return [f"{common.median([traced for _, traced in pairs]):,.0f}", f"{slowdown:{form}}x"]


def usable_workloads() -> dict:
    usable = dict(WORKLOADS)
    if not shutil.which("ab") or not works([common.PYTHON, "-c", "import fastapi, uvicorn"], 30):
        common.skip("FastAPI service: needs ab (apache2-utils), fastapi and uvicorn")
        del usable["FastAPI service"]
    return usable


def run() -> None:
    workloads = usable_workloads()
    with common.scratch() as folder:
        peers = find_peers(folder)
        pairs = measure(peers, workloads)
    rows = [["untraced"]]
    for name in workloads:
        plain = [pair[0] for (_, workload), found in pairs.items() if workload == name for pair in found]
        rows[0] += [f"{common.median(plain):,.0f}", ""] if plain else ["not measured", ""]
    for peer in peers:
        row = [peer.name]
        for name in workloads:
            row += cells(pairs.get((peer.name, name), []))
        rows.append(row)
    heads = ["tool"]
    for name in workloads:
        unit = "iterations/s" if name == "JSON loop" else "requests/s"
        heads += [f"{name}, {unit}", "slowdown"]
    common.table(f"Throughput under each tool, medians of {ROUNDS} pairs", heads, rows)
