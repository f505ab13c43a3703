# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The core of the tests on the kernels of Debian's releases, each in a machine that QEMU emulates.

A guest is an initramfs: Debian's Python and pytest (fetch.sh), and on top of them what was built here, the libraries
that it is linked with, and the tests. Its kernel writes to the first serial port, its results come out of the second
(guest.py), so that neither disturbs the other. How many instructions the verifier walks is held to verified_insns.txt.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Tuple

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
CACHE = Path(os.environ.get("LINGER_TEST_CACHE", "/var/cache/linger-tests")) / "kernels"
LOGS = TOP / "build" / "kernels"
BASELINE = HERE / "verified_insns.txt"
MOST_GROWTH = 0.10
MEMORY_MIB = 3072
# QEMU 7.2 spoils the flags of cmpxchg16b: one start of Linux 6.12 in three ended in a panic. Without that instruction
# the kernels after 6.18 have memory for BPF programs in slabs that are checked only.
PROCESSOR = "max,-cx16"
COMMAND_LINE = "console=ttyS0 loglevel=5 panic=-1 slab_debug=F rdinit=/init"
SILENCE_S = 300  # after which a guest is taken to hang
BOOT_S = 120
POLL_S = 0.2
CONSOLE_LINES = 40

LAST = ("tests/kernels/test_kernel.py::test_the_kernel_s_own_log",)
SMOKE = (
    "tests/kernels/test_kernel.py::test_the_doctor",
    "tests/kernels/test_kernel.py::test_attaching",
    "tests/kernels/test_kernel.py::test_verified_instructions",
    "tests/integration/test_object_truth.py::test_live_blocks_are_the_pools_own[system-build]",
    "tests/integration/test_mapping.py::test_mappings_are_counted_exactly[system]",
    "tests/integration/test_census.py::test_pools_are_those_of_the_interpreter[system]",
    "tests/integration/test_stacks_command.py::test_text_says_the_same[system]",
)
CORE = SMOKE + (
    "tests/integration/test_object_truth.py::test_live_blocks_are_the_pools_own[system-clear]",
    "tests/integration/test_object_truth.py::test_live_blocks_are_the_pools_own[system-realloc_clear]",
    "tests/integration/test_raw.py::test_each_function_and_thread_has_its_own_blocks[system-inuse_space]",
    "tests/integration/test_raw.py::test_every_call_is_counted_once[system-heaps]",
    "tests/integration/test_raw.py::test_the_same_beside_the_other_domains",
    "tests/integration/test_raw.py::test_a_seccomp_filter_does_not_see_the_return_probes",
    "tests/integration/test_mapping.py::test_arenas_appear_once_as_mappings[system]",
    "tests/integration/test_mapping.py::test_mapping_mode_needs_no_probe_sites[system]",
    "tests/integration/test_accounting.py::test_a_full_live_set_counts_what_it_drops[system]",
    "tests/integration/test_accounting.py::test_children_are_told_of",
    "tests/integration/test_launch.py::test_every_block_since_the_first_allocation[system]",
    "tests/integration/test_launch.py::test_nothing_is_left_behind",
    "tests/integration/test_sampled.py::test_every_sample_ends_in_one_verdict",
    "tests/integration/test_sampled.py::test_raw_blocks_are_said_to_have_outlived_their_window",
    "tests/integration/test_sampled.py::test_kernels_without_uprobe_multi_are_told_what_to_do",
    "tests/integration/test_no_stop.py::test_a_recording_leaves_no_breakpoint[system]",
    "tests/integration/test_no_stop.py::test_a_killed_linger_leaves_nothing_behind[system]",
    "tests/integration/test_census.py::test_types_that_the_collector_knows[system]",
    "tests/integration/test_stacks_command.py::test_every_frame_of_every_thread[system]",
    "tests/integration/test_stacks_command.py::test_under_full_load[system-alternating]",
    "tests/integration/test_why.py::test_how_it_reads[system]",
    "tests/integration/test_get.py::test_same_as_in_the_target[system]",
    "tests/kernels/test_detaching.py",
    "tests/kernels/test_capabilities.py",
    "tests/kernels/test_ptrace_scope.py",  # behind the others: there is no way back from 3
)
# Before Linux 5.17: nothing is recorded, but processes can be looked at.
LOOKING = (
    "tests/kernels/test_refused.py",
    "tests/integration/test_census.py::test_pools_are_those_of_the_interpreter[system]",
    "tests/integration/test_census.py::test_types_that_the_collector_knows[system]",
    "tests/integration/test_stacks_command.py::test_every_frame_of_every_thread[system]",
    "tests/integration/test_why.py::test_how_it_reads[system]",
    "tests/integration/test_get.py::test_same_as_in_the_target[system]",
)
SMOKE_RELEASE = "bookworm"


@dataclass(frozen=True)
class Kernel:
    """What is to be seen on the kernel of a release."""
    release: str
    checks: Tuple[str, ...] = CORE
    attached_by: str = "uprobe_multi"


KERNELS = (
    Kernel("bullseye", LOOKING, ""),
    Kernel("bookworm", attached_by="perf events"),
    Kernel("trixie"),
    Kernel("forky"),
)


@dataclass
class Outcome:
    kernel: str
    check: str
    outcome: str  # passed, failed or skipped
    why: str = ""
    numbers: Dict = field(default_factory=dict)
    seconds: float = 0


# --- guests -------------------------------------------------------------------------------------------------

def fetch(*what):
    subprocess.run([HERE / "fetch.sh", *what], check=True)


def libraries():
    """What the dynamic linker adds to the programs that were built, and Debian's smallest system does not have."""
    with open(CACHE / "root.cpio", "rb") as root:
        there = subprocess.run(["cpio", "-t", "--quiet"], stdin=root, check=True, capture_output=True, text=True).stdout
    there = set(there.splitlines())
    linked = subprocess.run(["ldd", TOP / "build/linger"], check=True, capture_output=True, text=True).stdout
    for path in map(Path, re.findall(r"=> (/\S+)", linked)):
        place = str(path.parent.resolve() / path.name)[1:]
        if place not in there:
            yield path, place


def fill(folder, checks):
    """What comes on top of Debian's files."""
    folder.chmod(0o755)  # it becomes the guest's root directory
    for path, place in libraries():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / place)
    linger = folder / "srv/linger"
    shutil.copytree(TOP / "build/tests", linger / "build/tests")
    shutil.copy(TOP / "build/linger", linger / "build")
    for name in ("integration", "targets", "kernels"):
        shutil.copytree(TOP / "tests" / name, linger / "tests" / name, ignore=shutil.ignore_patterns("__pycache__"))
    (linger / "checks").write_text("".join(check + "\n" for check in checks))
    shutil.copy(TOP / "README.md", linger)
    shutil.copy(HERE / "init", folder / "init")


def pack(image, checks):
    """An initramfs may be several archives, one behind the other."""
    with tempfile.TemporaryDirectory(prefix="linger-guest-") as folder, open(image, "wb") as archive:
        fill(Path(folder), checks)
        archive.write((CACHE / "root.cpio").read_bytes())
        archive.flush()
        subprocess.run("find . | cpio -o -H newc --quiet", shell=True, check=True, cwd=folder, stdout=archive)


def command(release, image, console, port):
    """Emulated even where KVM is there: that is the same everywhere. The processors take turns: side by side one of
    them may still execute what the kernel has replaced in its own code, a trap say, which is a panic then."""
    return ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", PROCESSOR, "-smp", "2",
            "-m", str(MEMORY_MIB), "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot",
            "-serial", "file:%s" % console, "-serial", "file:%s" % port,
            "-kernel", CACHE / release / "vmlinuz", "-initrd", image,
            "-append", COMMAND_LINE]


def is_silent(port, since):
    """Whether nothing has come for too long: since the start at first, since the last result then."""
    status = port.stat()
    limit = SILENCE_S if status.st_size else BOOT_S
    return time.time() - max(since, status.st_mtime) > limit


def boot(release, image, console, port):
    """Runs the guest until it switches itself off; false if it hangs."""
    start = time.time()
    with subprocess.Popen(command(release, image, console, port), stdin=subprocess.DEVNULL) as machine:
        while machine.poll() is None:
            if is_silent(port, start):
                machine.kill()
                return False
            time.sleep(POLL_S)
    return True


# --- results ------------------------------------------------------------------------------------------------

def messages(port):
    for line in port.read_text(errors="replace").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return  # the guest died in the middle of it


def tail(console):
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    return "\n".join(lines[-CONSOLE_LINES:])


def results(kernel, name, console, port):
    """What came out of a guest. One that did not come to its end, or found no test to run, has failed."""
    ends = None
    for message in messages(port):
        if "check" in message:
            yield Outcome(name, message["check"], message["outcome"], message["why"], message["numbers"],
                          message["seconds"])
        ends = message.get("ends", ends)
    if ends not in (0, 1):
        yield Outcome(name, "the guest", "failed", "pytest's status: %s\n%s" % (ends, tail(console)))


def run_guest(kernel, name, checks):
    LOGS.mkdir(parents=True, exist_ok=True)
    console, port = (LOGS / (kernel.release + ending) for ending in (".console", ".results"))
    port.write_text("")
    with tempfile.NamedTemporaryFile(prefix="linger-guest-", suffix=".cpio") as image:
        pack(image.name, checks)
        done = boot(kernel.release, image.name, console, port)
    if not done:
        yield Outcome(name, "the guest", "failed", "it hangs")
    yield from results(kernel, name, console, port)


def run_kernel(kernel, options):
    try:
        fetch("root")
        fetch("kernel", kernel.release)
    except subprocess.CalledProcessError as error:
        yield Outcome(kernel.release, "the guest", "skipped", "it cannot be made: %s" % error)
        return
    name = (CACHE / kernel.release / "release").read_text().strip()
    checks = SMOKE if options.smoke else kernel.checks
    selection = ("-k", options.k) if options.k else ()
    for outcome in run_guest(kernel, name, (*selection, *checks, *LAST)):
        yield outcome
        if "attached by" in outcome.numbers:
            yield judge_attaching(kernel, outcome)
        if "verified" in outcome.numbers:
            yield from judge_verified(outcome, options.update_baseline)


def judge_attaching(kernel, outcome):
    found = outcome.numbers["attached by"]
    result = "passed" if found == kernel.attached_by else "failed"
    return Outcome(outcome.kernel, "probes are attached by " + found, result, "not by " + kernel.attached_by)


# --- what the verifier walks --------------------------------------------------------------------------------

def compiler():
    """The counts depend on it: those of another are not compared."""
    version = subprocess.run([os.environ.get("CLANG", "clang").split()[-1], "--version"], check=True,
                             capture_output=True, text=True).stdout
    return "clang-" + re.search(r"version (\d+)", version).group(1)


def read_baseline():
    rows = (line.split() for line in BASELINE.read_text().splitlines() if line and not line.startswith("#"))
    return {tuple(row[:-1]): int(row[-1]) for row in rows}


HEADER = """# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Instructions that the verifier walks: compiler, kernel, mode, program, count. run.sh --update-baseline writes it.
"""


def write_baseline(counts):
    rows = ("%-9s %-5s %-8s %-16s %6d\n" % (*key, count) for key, count in sorted(counts.items()))
    BASELINE.write_text(HEADER + "".join(rows))


def judge_verified(outcome, update):
    """A line for all programs together; those that grew too much are named."""
    series = re.match(r"\d+\.\d+", outcome.kernel).group()
    key = (compiler(), series)
    counts = {(*key, *program.split()): count for program, count in outcome.numbers["verified"].items()}
    baseline = read_baseline()
    if update:
        kept = {row: count for row, count in baseline.items() if row[:2] != key}
        write_baseline({**kept, **counts})
        return
    grown = ["%s %s: %d, was %d" % (*row[2:], count, baseline[row]) for row, count in counts.items()
             if row in baseline and count > (1 + MOST_GROWTH) * baseline[row]]
    missing = [" ".join(row) for row in counts if row not in baseline]
    numbers = counts.values()
    text = "%d programs, %d verified instructions, at most %d" % (len(numbers), sum(numbers), max(numbers))
    if grown:
        yield Outcome(outcome.kernel, text, "failed", "\n".join(grown))
    elif missing:
        yield Outcome(outcome.kernel, text, "skipped", "not in the baseline: " + ", ".join(missing))
    else:
        yield Outcome(outcome.kernel, text, "passed")


# --- the whole ----------------------------------------------------------------------------------------------

def what_is_missing():
    for program in ("qemu-system-x86_64", "cpio", "debootstrap"):
        if not shutil.which(program):
            yield program


def outcomes(options):
    missing = list(what_is_missing())
    chosen = [SMOKE_RELEASE] if options.smoke else options.releases or [kernel.release for kernel in KERNELS]
    for kernel in KERNELS:
        if kernel.release in chosen and missing:
            yield Outcome(kernel.release, "the guest", "skipped", "no " + ", ".join(missing))
        elif kernel.release in chosen:
            yield from run_kernel(kernel, options)


def show(outcome):
    numbers = {name: value for name, value in outcome.numbers.items() if not isinstance(value, dict)}
    told = ["%s %s" % pair for pair in numbers.items()] + (["%.0f s" % outcome.seconds] if outcome.seconds else [])
    print("%-8s %s: %s%s" % (outcome.outcome, outcome.kernel, outcome.check, " (%s)" % ", ".join(told) if told else ""))
    if outcome.outcome != "passed":
        print("\n".join("         " + line for line in outcome.why.splitlines()))
    sys.stdout.flush()


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help="; ".join(kernel.release for kernel in KERNELS))
    parser.add_argument("--smoke", action="store_true", help="the shortest that means something, on one kernel")
    parser.add_argument("--update-baseline", action="store_true", help="rewrite %s" % BASELINE.name)
    parser.add_argument("-k", metavar="EXPRESSION", help="only these checks, as pytest has it")
    options = parser.parse_args()
    unknown = set(options.releases) - {kernel.release for kernel in KERNELS}
    if unknown:
        parser.error("no kernel '%s'" % "', '".join(unknown))
    return options


def main():
    count = Counter()
    for outcome in outcomes(parse_options()):
        show(outcome)
        count[outcome.outcome] += 1
    print("\n%d passed, %d failed, %d skipped" % (count["passed"], count["failed"], count["skipped"]))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
