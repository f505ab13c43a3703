# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a target can make linger do: take a bounded time and bounded memory, and lose events of that target alone.

The bounds are in CPU seconds and in peak resident memory, as the kernel accounts for them.
"""
import os
import struct
import subprocess
from pathlib import Path

import pytest

from interpreters import TESTS
from linger import LINGER, Recording, Target, running

PAGE = 4096
MIB = 1 << 20
SPARSE_BYTES = 1 << 40
EHDR, PHDR, SHDR = "<16sHHIQQQIHHHHHH", "<IIQQQQQQ", "<IIQQQQIIQQ"
PT_LOAD, PT_NOTE = 1, 4
STRTAB, SYMTAB, RELA = 3, 2, 4
PN_XNUM = 0xffff


class Cost:
    """Of a command of linger: what it said, CPU seconds, peak memory in bytes."""

    def __init__(self, *arguments):
        with subprocess.Popen([LINGER, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL) as process:
            self.said = process.stdout.read().decode()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = self.status = os.waitstatus_to_exitcode(status)
        self.seconds = usage.ru_utime + usage.ru_stime
        self.bytes = usage.ru_maxrss * 1024

    def check(self, seconds, mib):
        print("%.2f s, %.0f MiB" % (self.seconds, self.bytes / MIB))
        assert self.seconds <= seconds and self.bytes <= mib * MIB, (self.seconds, self.bytes / MIB, self.said[-500:])
        return self


# --- files ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mapper(tmp_path_factory):
    program = tmp_path_factory.mktemp("mapper") / "mapped_files"
    subprocess.check_call(["gcc", "-O1", "-D_GNU_SOURCE", "-o", program, TESTS / "targets/mapped_files.c"])
    return program


def elf(path, segments, sections, n_segments=None, n_sections=None, first_section=None):
    """A sparse file with these headers; sections: (type, link, offset, bytes, entry bytes)."""
    at = 64
    sections = [first_section or struct.pack(SHDR, *[0] * 10)] + [
        struct.pack(SHDR, 0, kind, 0, 0, offset, size, link, 0, 1, entry)
        for kind, link, offset, size, entry in sections]
    segments = [struct.pack(PHDR, kind, flags, offset, address, address, size, size, PAGE)
                for kind, flags, offset, address, size in segments]
    table = at + 56 * len(segments)
    header = struct.pack(EHDR, b"\x7fELF\x02\x01\x01" + bytes(9), 3, 62, 1, 0, at, table, 0, 64, 56,
                         len(segments) if n_segments is None else n_segments, 64,
                         len(sections) if n_sections is None else n_sections, 0)
    with open(path, "wb") as file:
        file.write(header + b"".join(segments) + b"".join(sections))
        file.truncate(SPARSE_BYTES)


CODE = (PT_LOAD, 5, 0, 0, PAGE)
BEHIND = 1 << 30  # behind all headers


def many_string_tables(path):
    """Each symbol table is short and has names of its own, a GiB of them."""
    elf(path, [CODE], [part for i in range(2000) for part in (
        (SYMTAB, 2 * i + 2, BEHIND, 24, 24), (STRTAB, 0, BEHIND + PAGE * i, 1 << 30, 0))])


def many_symbol_tables(path):
    elf(path, [CODE], [(STRTAB, 0, BEHIND, 1, 0)] + [(SYMTAB, 1, BEHIND, 16 * MIB, 24)] * 60000)


def many_relocations(path):
    elf(path, [CODE], [(RELA, 0, BEHIND, 64 * MIB, 24)] * 60000)


def many_notes(path):
    elf(path, [CODE] + [(PT_NOTE, 4, BEHIND, BEHIND, 1 << 30)] * 1000, [])


def more_sections_than_fit(path):
    first = struct.pack(SHDR, 0, 0, 0, 0, 0, 1 << 31, 0, 0, 0, 0)
    elf(path, [CODE], [], n_sections=0, first_section=first)


def more_segments_than_fit(path):
    first = struct.pack(SHDR, 0, 0, 0, 0, 0, 0, 0, 1 << 31, 0, 0)
    elf(path, [CODE], [], n_segments=PN_XNUM, first_section=first)


def links_to_anything(path):
    """Names in what is no table."""
    elf(path, [CODE], [(1, 0, BEHIND, 1 << 38, 0)] + [(SYMTAB, 1, BEHIND, 24, 24)] * 100)


FILES = [many_string_tables, many_symbol_tables, many_relocations, many_notes, more_sections_than_fit,
         more_segments_than_fit, links_to_anything]


@pytest.mark.parametrize("make", FILES)
def test_a_file_that_is_larger_than_memory(mapper, tmp_path, make):
    path = tmp_path / "libpython3.so"
    make(path)
    with running([mapper, "1", path]) as process:
        assert process.stdout.readline() == b"ready\n"
        cost = Cost("stacks", "-p", process.pid).check(seconds=2, mib=400)
    assert cost.status == 2 and "it is not a Python process" in cost.said, cost.said


def test_files_without_end(mapper, tmp_path):
    """60,000 times a file that takes a while to look through: linger gives up in the end, and says so."""
    path = tmp_path / "libpython3.so"
    elf(path, [CODE], [(STRTAB, 0, BEHIND, 1, 0), (SYMTAB, 1, BEHIND, 100 * MIB // 24 * 24, 24)])
    with running([mapper, "60000", path]) as process:
        assert process.stdout.readline() == b"ready\n"
        cost = Cost("stacks", "-p", process.pid).check(seconds=15, mib=400)
    assert cost.status == 2 and "too many mapped files" in cost.said, cost.said


def test_long_names_without_end(mapper, tmp_path):
    folder = tmp_path
    while len(str(folder)) < 3500:
        folder = folder / ("x" * 250)
    folder.mkdir(parents=True)
    path = folder / "file"
    path.write_bytes(bytes(PAGE))
    with running([mapper, "60000", path]) as process:
        assert process.stdout.readline() == b"ready\n"
        cost = Cost("stacks", "-p", process.pid).check(seconds=15, mib=200)
    assert cost.status == 2, cost.said


# --- the process ----------------------------------------------------------------------------------------------


@pytest.fixture
def target(system_interpreter):
    with Target(system_interpreter, "hostile_load.py") as running_target:
        yield running_target


LOOKS = [["stacks"], ["census"], ["why", "module"], ["get", "sys.path"]]


@pytest.mark.parametrize("look", LOOKS)
def test_mappings_without_end(target, look):
    target.ask("mappings", "60000")
    assert Cost(look[0], "-p", target.pid, *look[1:]).check(seconds=10, mib=200).status == 0


@pytest.mark.parametrize("look", LOOKS[:3])
def test_threads_without_end(target, look):
    """Twice as many take twice as long."""
    target.ask("threads", "4000")
    assert Cost(look[0], "-p", target.pid, *look[1:]).check(seconds=30, mib=300).status == 0


# --- recordings -----------------------------------------------------------------------------------------------


def has_frame(recording, name):
    return any(name in frames for stacks in recording.profile.stacks.values() for frames, _ in stacks)


# How much, linger's options, and how it shows that a map was full.
FLOODS = {"stacks": (70000, [], lambda recording: has_frame(recording, "[stack table full]")),
          "codes": (40000, [], lambda recording: has_frame(recording, "[unknown]")),
          "blocks": (200000, ["--live-max", "1"], lambda recording: recording["raw"]["dropped"]["live_set_full"])}


@pytest.mark.parametrize("flood", FLOODS)
def test_one_target_s_flood_is_its_own(system_interpreter, target, flood):
    """Two recordings at once: one target fills a map of its own, the other is recorded to the block."""
    count, options, is_full = FLOODS[flood]
    with Target(system_interpreter, "hostile_load.py") as other:
        with Recording(target.pid, *options, domain="object,raw") as flooded, \
                Recording(other.pid, domain="object,raw", value="inuse_objects") as calm:
            other.ask("work")
            before = other.truth()
            target.send(flood, str(count))
            for _ in range(20):
                other.ask("work")
            assert target.read_line() == "done"
            after = other.truth()
            flooded.stop()
            calm.stop()
    assert is_full(flooded)
    assert not any(n for domain in calm.stats["domains"].values() for n in domain["dropped"].values())
    assert calm.stats["coverage"] == 1
    assert after.blocks - before.blocks >= 20 * 1000
    seen = sum(n for frame, n in calm.profile.by_leaf("object").items() if frame.function.startswith("work"))
    assert 21 * 1000 <= seen <= 21 * 1000 + 21 * 4, seen  # the list may be one, too


def test_a_recorder_that_is_flooded_stays_small(target):
    """What it holds is the kernel maps, whose size does not depend on the target."""
    with Recording(target.pid, domain="object,raw,mapping") as recording:
        for flood, (count, _, _) in FLOODS.items():
            target.ask(flood, str(count))
        target.ask("mappings", "30000")
        peak = next(int(line.split()[1]) for line in Path("/proc/%d/status" % recording.process.pid).read_text()
                    .splitlines() if line.startswith("VmHWM")) * 1024
        recording.stop()
    print("%.0f MiB" % (peak / MIB))
    assert peak < 300 * MIB, peak / MIB
