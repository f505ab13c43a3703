# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Faults of what linger writes to: full, read-only, closed, nobody reads it."""
import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from harness import (LINGER, MODES, TIMEOUT_S, Linger, Unharmed, check_files, fault, options_of, parse_folded, scratch,
                     wait_until)

PRECIOUS = "precious\n"
ROOM_BYTES = 16384


@contextlib.contextmanager
def small_disk(size_bytes=1 << 20):
    """A file system of its own."""
    with tempfile.TemporaryDirectory(prefix="chaos-disk-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % size_bytes, "chaos", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def fill(disk):
    """To the last byte."""
    with open(disk / "ballast", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def check_kept(disk, forced, *others):
    """The old file as it was; the statistics may have found room."""
    names = {path.name for path in disk.iterdir()} - {"stats.json"}
    assert names == {*others, *["heap.folded"] * forced}, names
    assert not forced or (disk / "heap.folded").read_text() == PRECIOUS


def record_and_write(target, linger):
    linger.wait_begun()
    target.ask("stacks", "0", "20000")
    linger.interrupt()
    return linger.check_refusal()


@fault("disk full when the profile is written", runs=12)
def disk_full(random, number):
    """Full from the start, or in the middle of the file; with and without an older file that --force may replace."""
    forced = number % 2
    with Unharmed() as target, small_disk() as disk:
        if forced:
            (disk / "heap.folded").write_text(PRECIOUS)
        with Linger(disk, target.pid, *["--force"] * forced) as linger:
            linger.wait_begun()
            fill(disk)
            if number % 3:
                os.truncate(disk / "ballast", (disk / "ballast").stat().st_size - ROOM_BYTES)
            said = record_and_write(target, linger)
        assert linger.process.returncode == 1 and "No space left" in said, said
        check_kept(disk, forced, "ballast")
        target.check()
    return "said so"


@fault("disk full for interim profiles, room at the end", runs=6)
def disk_full_for_a_while(random, number):
    """--every: what cannot be written is said, and the recording goes on."""
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target, small_disk(4 << 20) as disk:
        with Linger(disk, target.pid, *options_of(mode), "--every", "0.2", mode=mode) as linger:
            linger.wait_begun()
            fill(disk)
            wait_until(lambda: "No space left" in linger.said(), "linger to say that the disk is full")
            (disk / "ballast").unlink()
            wait_until(lambda: "the recording goes on" in linger.said(), "an interim profile")
            linger.interrupt()
            assert linger.process.wait(TIMEOUT_S) == 0, linger.said()
        names = {path.name for path in disk.iterdir()}
        assert {"heap.folded", "stats.json"} < names, names
        for name in names - {"stats.json"}:
            assert name.startswith("heap.") and name.endswith(".folded"), names
            parse_folded((disk / name).read_text())
        target.check()


@fault("file system of the profile read-only by the time it is written", runs=6)
def disk_read_only(random, number):
    mode, forced = list(MODES)[number % len(MODES)], number % 2
    with Unharmed() as target, small_disk() as disk:
        if forced:
            (disk / "heap.folded").write_text(PRECIOUS)
        options = [*options_of(mode), *["--force"] * forced]
        with Linger(disk, target.pid, *options, mode=mode) as linger:
            linger.wait_begun()
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            said = record_and_write(target, linger)
        with Linger(disk, target.pid, *options, mode=mode) as again:
            assert "Read-only" in again.check_refusal() and not again.has_begun()
        assert linger.process.returncode == 1 and "Read-only" in said, said
        check_kept(disk, forced)
        target.check()
    return "said so"


# --- streams ------------------------------------------------------------------------------------------------

def record_to_stream(target, mode, duration_s, **keywords):
    command = [str(LINGER), "record", "-p", str(target.pid), "--mode", mode, *options_of(mode)]
    command += ["-d", str(duration_s)] if duration_s else []
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **keywords)


def said_by(process):
    said = process.communicate(timeout=TIMEOUT_S)[1]
    assert "linger: " in said, said
    return said


@fault("standard output closed", runs=6)
def output_closed(random, number):
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target:
        said = said_by(process := record_to_stream(target, mode, 0.5, preexec_fn=lambda: os.close(1)))
        assert process.returncode == 1 and "Bad file descriptor" in said, said
        target.check()
    return "said so"


@fault("all standard streams closed", runs=3)
def streams_closed(random, number):
    """The descriptors 0 to 2 are free for what linger opens; the profile goes to its file all the same."""
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target, scratch() as folder:
        command = 'exec "$@" <&- >&- 2>&-'
        with Linger(folder, target.pid, *options_of(mode), "-d", "0.5", mode=mode,
                    before=("sh", "-c", command, "sh")) as linger:
            linger.results()
        target.check()


@fault("reader of the pipe on standard output gone before the profile is written", runs=9)
def reader_ends(random, number):
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target:
        process = record_to_stream(target, mode, 0.5, stdout=subprocess.PIPE)
        process.stdout.close()
        process.stdout = None
        said = said_by(process)
        assert process.returncode == 1 and "Broken pipe" in said, (process.returncode, said)
        target.check()
    return "said so"


@fault("pipe on standard output that nobody reads for a while", runs=3)
def reader_waits(random, number):
    """linger waits with a full pipe; no probe is in the target any more, and it can be interrupted."""
    with Unharmed() as target:
        process = record_to_stream(target, "exact", None, stdout=subprocess.PIPE)
        assert "recording" in process.stderr.readline()
        target.ask("stacks", "0", "20000")
        process.send_signal(signal.SIGINT)
        target.wait_no_probes()
        target.wait_progress()
        assert process.poll() is None, "the pipe took everything"
        if number % 2:
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT_S) == -signal.SIGINT
        text = process.communicate(timeout=TIMEOUT_S)[0]
        if not number % 2:
            assert process.returncode == 0 and parse_folded(text).total("object") > 0
        target.check()


@fault("nobody reads what linger says", runs=6)
def talk_unread(random, number):
    """The pipe on standard error has no reader: the profile is written all the same."""
    mode = list(MODES)[number % len(MODES)]
    with Unharmed() as target, scratch() as folder:
        command = [str(LINGER), "record", "-v", "-p", str(target.pid), "--mode", mode, *options_of(mode), "-d", "0.5",
                   "-o", str(folder / "heap.folded")]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        process.stderr.close()
        assert process.wait(TIMEOUT_S) == 0
        parse_folded((folder / "heap.folded").read_text())
        check_files(folder, "heap.folded")
        target.check()
