# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""linger's own memory while a million blocks are alive, and while it writes their profile."""

import pathlib
import re
import signal
import subprocess
import time

import common

BLOCKS = 1_000_000
MANY_BLOCKS = common.ROOT / "tests/bench/many_blocks.py"
FIELDS = ("resident (VmRSS)", "of that, anonymous (RssAnon)", "of that, BPF maps it has mapped")
MIB = 1024 * 1024


def mapped_bpf_kib(smaps: str) -> int:
    """The resident part of mappings whose file is a BPF map: kernel memory that the process looks at."""
    total, is_map = 0, False
    for line in smaps.splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_map = "bpf-map" in line
        elif is_map and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


def memory_kib(pid: int) -> dict[str, int]:
    """Zeros when the process has let go of its memory."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        smaps = pathlib.Path(f"/proc/{pid}/smaps").read_text()
    except OSError:
        return dict.fromkeys(FIELDS, 0)
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", status, re.MULTILINE))
    values = (int(found.get("VmRSS", 0)), int(found.get("RssAnon", 0)), mapped_bpf_kib(smaps))
    return dict(zip(FIELDS, values))


def kernel_map_bytes(pid: int) -> int:
    """What the kernel says its BPF maps take."""
    total = 0
    for entry in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        text = entry.read_text()
        if "map_id:" in text:
            total += int(re.search(r"^memlock:\s+(\d+)", text, re.MULTILINE)[1])
    return total


def largest_until_end(recording: common.Recording) -> dict[str, int]:
    """The largest values seen from Ctrl-C to the end: this is when the profile is made."""
    largest = dict.fromkeys(FIELDS, 0)
    recording.process.send_signal(signal.SIGINT)
    while recording.process.poll() is None:
        now = memory_kib(recording.pid)
        largest = {name: max(largest[name], now[name]) for name in FIELDS}
        time.sleep(0.001)
    return largest


def run() -> None:
    if not common.have_linger():
        return
    argv = [common.PYTHON, MANY_BLOCKS, BLOCKS]
    with common.scratch() as folder, common.Child(argv, stdin=subprocess.PIPE) as target:
        target.wait_for("^ready")
        with common.Recording(target.pid, folder, "--mode", "exact") as recording:
            common.progress(f"rss: making {BLOCKS} blocks under linger")
            target.process.stdin.write("go\n")
            target.process.stdin.flush()
            target.wait_for("^holds", 300)
            maps = kernel_map_bytes(recording.pid)
            steady = memory_kib(recording.pid)
            largest = largest_until_end(recording)
            counted = recording.finish()["domains"]["object"]
    rows = []
    for name in FIELDS:
        rows.append([name, f"{steady[name] / 1024:.1f}", f"{max(largest[name], steady[name]) / 1024:.1f}"])
    rows.append(["BPF maps, all (kernel memory)", f"{maps / MIB:.1f}", ""])
    heads = ["linger's memory", "MiB while recording", "MiB at most until the end"]
    title = f"Memory of linger with {counted['live_blocks']:,} live blocks"
    common.table(f"{title} ({sum(counted['dropped'].values()):,} events dropped)", heads, rows)
