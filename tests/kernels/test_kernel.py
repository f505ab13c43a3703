# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a kernel does with the programs: that it takes them, how it attaches them, what its verifier walks."""
import contextlib
import json
import re
import subprocess
from pathlib import Path

from interpreters import BUILD, system
from linger import Recording, Target, run_linger

ALARMS = re.compile(r"WARNING:|BUG:|Oops|general protection|refcount_t|rcu: INFO|Call Trace")


def link_types(pid):
    """Of the BPF links that linger and its keepers hold, as the kernel calls them; before Linux 6.6 probes are perf
    events."""
    keepers = Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
    for process in (pid, *keepers):
        for file in Path("/proc/%s/fdinfo" % process).iterdir():
            with contextlib.suppress(FileNotFoundError):  # linger opens and closes files all the time
                found = re.search(r"^link_type:\s*(\w+)", file.read_text(), re.M)
                if found:
                    yield found.group(1)


def test_the_doctor(record_property):
    with Target(system(), "ending.py") as target:
        run = run_linger("doctor", "-p", target.pid, "--json")
    report = json.loads(run.stdout)
    record_property("features", {feature["name"]: feature["present"] for feature in report["features"]})
    assert run.returncode == 0 and report["ok"] and report["target"]["reads_by_bpf"], run.stdout


def test_attaching(record_property):
    with Target(system(), "ending.py") as target:
        with Recording(target.pid, domain="object,raw,mapping") as recording:
            types = list(link_types(recording.process.pid))
            target.ask("build")
            recording.stop()
    record_property("attached by", "uprobe_multi" if "uprobe_multi" in types else "perf events")
    record_property("links", len(types))
    record_property("attach_ms", round(recording.stats["attach_ms"]))
    record_property("detach_ms", round(recording.stats["detach_ms"]))
    assert recording["object"]["alloc_blocks"] >= 5000


def test_verified_instructions(record_property):
    with Target(system(), "ending.py") as target:
        text = subprocess.run([BUILD / "verified_insns", str(target.pid)], check=True, capture_output=True, text=True)
    counts = [line.split() for line in text.stdout.splitlines()]
    record_property("verified", {mode + " " + program: int(count) for mode, program, count in counts})
    assert counts and all(int(count) > 0 for _, _, count in counts)


def test_the_kernel_s_own_log():
    """The last: nothing that was done made the kernel complain."""
    log = subprocess.run(["dmesg"], check=True, capture_output=True, text=True).stdout
    assert len(log.splitlines()) > 50 and not ALARMS.findall(log), log[-2500:]
