# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The command line: what it writes where, how it ends, and what it says of what it cannot do."""
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from interpreters import all_interpreters, clean_environment
from linger import (LINGER, NEVER_A_PID, RECORDING, Recording, Target, installed_targets, parse_folded, run_linger,
                    running, wait_until)


def check_refusal(run, *words):
    """One sentence, a hint, status 2, nothing on stdout."""
    assert run.returncode == 2, run.stderr
    assert re.search(r"^linger: failed to .+: .+", run.stderr, re.M), run.stderr
    assert len(re.findall(r"^linger: ", run.stderr, re.M)) == 1, run.stderr
    assert re.search(r"^hint: .+", run.stderr, re.M), run.stderr
    assert run.stdout == ""
    for word in words:
        assert word.lower() in run.stderr.lower(), run.stderr


def record(pid, *options, **keywords):
    return run_linger("record", "-p", pid, "-d", 1, "--mode", "exact", *options, **keywords)


@pytest.fixture
def target(system_interpreter):
    with Target(system_interpreter, "ending.py") as running_target:
        yield running_target


# --- interim profiles ---------------------------------------------------------------------------------------

def numbered(path, number):
    return path.with_name("heap.%d.folded" % number)


def test_profiles_while_the_recording_goes_on(target, tmp_path):
    path = tmp_path / "heap.folded"
    with running([str(LINGER), "record", "-p", str(target.pid), "--every", "0.3", "-o", str(path)],
                 stderr=subprocess.PIPE) as linger:
        target.ask("build")
        wait_until(lambda: numbered(path, 3).exists(), "three profiles are there")
        linger.send_signal(signal.SIGINT)
        said = linger.communicate(timeout=20)[1].decode()
    assert linger.returncode == 0 and path.exists()
    assert "wrote %s; the recording goes on" % numbered(path, 3) in said
    totals = [parse_folded(numbered(path, n).read_text()).total("object") for n in (1, 3)]
    assert 0 <= totals[0] <= totals[1] <= parse_folded(path.read_text()).total("object")


def test_a_profile_on_demand(target, tmp_path):
    path = tmp_path / "heap.folded"
    numbered(path, 1).write_text("mine")
    with running([str(LINGER), "record", "-p", str(target.pid), "-o", str(path)], stderr=subprocess.PIPE) as linger:
        assert RECORDING in linger.stderr.readline().decode()
        linger.send_signal(signal.SIGUSR1)
        refused = linger.stderr.readline().decode()
        assert "heap.1.folded" in refused and "exists" in refused
        target.ask("build")
        linger.send_signal(signal.SIGUSR1)
        wait_until(lambda: numbered(path, 2).exists(), "the second is there")
        linger.send_signal(signal.SIGINT)
        linger.communicate(timeout=20)
    assert linger.returncode == 0 and path.exists()
    assert numbered(path, 1).read_text() == "mine"


def test_a_profile_on_demand_needs_a_file(target):
    with running([str(LINGER), "record", "-p", str(target.pid)], stderr=subprocess.PIPE) as linger:
        assert RECORDING in linger.stderr.readline().decode()
        linger.send_signal(signal.SIGUSR1)
        assert "no profile for SIGUSR1" in linger.stderr.readline().decode()
        linger.send_signal(signal.SIGINT)
        linger.communicate(timeout=20)
    assert linger.returncode == 0


# --- help and usage -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [("--help",), ("record", "--help"), ("stacks", "--help"), ("why", "--help"),
                                       ("doctor", "--help")])
def test_help(arguments):
    run = run_linger(*arguments)
    assert run.returncode == 0 and "Usage" in run.stdout and run.stderr == ""


def test_version():
    assert re.search(r"\d+\.\d+", run_linger("--version").stdout)


def test_help_has_examples():
    assert "linger record -p" in run_linger("--help").stdout


@pytest.mark.parametrize("arguments", [
    (), ("nonsense",), ("record",), ("record", "-p", "word"), ("record", "-p", "-1"), ("record", "-p", "1", "-d", "x"),
    ("record", "-p", "1", "-f", "nonsense"), ("record", "-p", "1", "--value", "nonsense"),
    ("record", "-p", "1", "--domain", "nonsense"), ("record", "-p", "1", "--mode", "nonsense"),
    ("record", "-p", "1", "--live-max", "0"), ("record", "-p", "1", "-o", "x.svg", "--stats", "x.svg"),
    ("record", "-p", "1", "--no-such-option")])
def test_wrong_usage_fails_and_says_why(arguments):
    run = run_linger(*arguments)
    assert run.returncode not in (0, None) and run.returncode < 128
    assert run.stderr and run.stdout == ""


# --- outputs ------------------------------------------------------------------------------------------------

def test_an_existing_file_is_kept_without_force(target, tmp_path):
    path = tmp_path / "profile.folded"
    path.write_text("precious")
    run = record(target.pid, "-o", path)
    assert run.returncode != 0 and "--force" in run.stderr and path.read_text() == "precious"
    assert record(target.pid, "-o", path, "--force").returncode == 0
    assert path.read_text() != "precious"


def test_a_profile_whose_place_is_taken_meanwhile_is_kept(target, tmp_path):
    """Two at once, both of which found the name free."""
    path = tmp_path / "profile.folded"
    command = [LINGER, "record", "-p", str(target.pid), "--mode", "exact", "-o", path]
    with running(command, stderr=subprocess.PIPE, text=True) as process:
        assert RECORDING in process.stderr.readline()
        target.ask("build")
        path.write_text("precious")
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(60) == 1
        process.stderr.close()
    kept = re.search(r"^hint: what was to be written is in '(.+)'$", said, re.M)
    assert "it exists by now" in said and kept and path.read_text() == "precious"
    assert parse_folded(Path(kept.group(1)).read_text()).total("object") >= 5000 * 100


def test_a_closed_standard_output_is_a_failure():
    command = ["sh", "-c", '"$0" doctor >&-', str(LINGER)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "Bad file descriptor" in run.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("doctor",), ("doctor", "--json")])
def test_a_full_standard_output_is_a_failure(arguments):
    with open("/dev/full", "w") as full:
        run = subprocess.run([str(LINGER), *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 1 and "No space left" in run.stderr


def test_a_file_that_cannot_be_written_fails_before_the_recording(target, tmp_path):
    run = record(target.pid, "-o", tmp_path / "nowhere" / "profile.folded")
    assert run.returncode != 0 and RECORDING not in run.stderr and "nowhere" in run.stderr


@pytest.mark.parametrize("name,start", [("p.svg", "<svg"), ("p.folded", "[object]"), ("p.txt", None)])
def test_the_format_follows_the_ending(target, tmp_path, name, start):
    path = tmp_path / name
    command = [LINGER, "record", "-p", str(target.pid), "--mode", "exact", "-o", path]
    with running(command, stderr=subprocess.PIPE, text=True) as process:
        assert RECORDING in process.stderr.readline()
        target.ask("build")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        process.stderr.close()
    assert "ending.py" in path.read_text()
    assert start is None or start in path.read_text()[:2000]


def test_folded_on_a_pipe(target):
    with running([LINGER, "record", "-p", str(target.pid)], stderr=subprocess.PIPE, text=True) as process:
        assert RECORDING in process.stderr.readline()
        target.ask("build")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    assert parse_folded(output).total("object") >= 5000 * 100


def test_text_on_a_terminal(target):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([LINGER, "record", "-p", str(target.pid), "-d", "1"], stdin=theirs, stdout=theirs,
                               stderr=subprocess.DEVNULL)
    os.close(theirs)
    output = b""
    try:
        while True:
            output += os.read(ours, 65536)
    except OSError:  # the other end is closed
        os.close(ours)
    assert process.wait(60) == 0
    assert output and not re.search(rb"^\[object\];", output, re.M)


@pytest.fixture
def oddly_named(system_interpreter, tmp_path):
    """An interpreter whose path is no UTF-8 and would turn a terminal red, and the start of its path as it is shown."""
    folder = os.fsencode(tmp_path) + b"/\xff\x1b[31m;<x>"
    os.mkdir(folder)
    program = shutil.copy(os.path.realpath(system_interpreter.command[0]), os.fsdecode(folder))
    with running([program, "-S", "-c", "print('ready', flush=True); input()"], env=clean_environment()) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process.pid, "%s/\N{REPLACEMENT CHARACTER}_[31m;<x>/" % tmp_path


def test_a_path_of_the_target_is_cleaned_wherever_it_is_told(oddly_named, tmp_path):
    pid, shown = oddly_named
    run = record(pid, "-v", "--stats", tmp_path / "stats.json")
    assert run.returncode == 0, run.stderr
    assert shown in run.stderr and "\x1b" not in run.stderr
    assert json.loads((tmp_path / "stats.json").read_text())["target"]["path"].startswith(shown)
    assert shown in run_linger("doctor", "-p", pid).stdout
    assert json.loads(run_linger("doctor", "-p", pid, "--json").stdout)["target"]["path"].startswith(shown)


# --- how a recording ends -----------------------------------------------------------------------------------

def test_a_duration_ends_it(target):
    before = time.monotonic()
    with Recording(target.pid, "-d", "1") as recording:
        recording.finish()
    assert time.monotonic() - before >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_its_profile(target, number):
    with Recording(target.pid) as recording:
        target.ask("build")
        recording.process.send_signal(number)
        recording.finish()
    assert recording["object"]["live_blocks"] >= 5000


def test_nohup_outlives_the_terminal(target, tmp_path):
    """A hangup that linger is told to ignore does not end the recording, the next signal does."""
    path = tmp_path / "profile.folded"
    command = ["nohup", str(LINGER), "record", "-p", str(target.pid), "-o", path]
    with running(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: RECORDING in process.stderr.readline(), RECORDING)
        process.send_signal(signal.SIGHUP)
        target.ask("build")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        process.stderr.close()
    assert parse_folded(path.read_text()).total("object") >= 5000 * 100


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_target_that_ends_ends_it_with_its_profile(target, how):
    with Recording(target.pid) as recording:
        target.ask("build")
        if how == "exit":
            target.send("exit")
        else:
            target.process.kill()
        recording.finish()
    leaves = {frame.file: size for frame, size in recording.profile.by_leaf().items()}
    assert leaves[target.path] >= 5000 * 144


def test_a_target_that_execs_ends_it_with_its_profile(target):
    with Recording(target.pid, form="text") as recording:
        target.ask("build")
        target.send("exec")
        target.expect("ready")
        recording.finish()
    assert recording["object"]["alloc_blocks"] >= 5000
    assert "ending.py" in recording.output and "another program" in recording.output
    target.ask("build")


def test_two_recordings_of_one_target_agree(target):
    with Recording(target.pid) as first, Recording(target.pid) as second:
        target.ask("build")
        first.stop()
        second.stop()
    assert min(first["object"]["live_blocks"], second["object"]["live_blocks"]) >= 5000


def test_another_user_s_target(system_interpreter):
    with Target(system_interpreter, "ending.py", user="nobody") as target, Recording(target.pid) as recording:
        target.ask("build")
        recording.stop()
    assert recording["object"]["live_blocks"] >= 5000


def test_a_busy_process_is_not_counted_short(system_interpreter):
    """It goes on while its heap is counted: that is not taken for events that were missed."""
    program = ("print('ready', flush=True)\nkeep = []\n"
               "while True:\n    keep.append([object() for _ in range(100)])\n    if len(keep) > 2000: keep.clear()")
    with running([*system_interpreter.command, "-S", "-c", program], env=clean_environment()) as process:
        assert process.stdout.readline() == b"ready\n"
        with Recording(process.pid, "-d", "0.5") as recording:
            recording.finish()
    assert recording.stats["coverage"] > 0.99999


# --- what cannot be done ------------------------------------------------------------------------------------

def test_no_such_process():
    run = record(NEVER_A_PID)
    assert run.returncode in (1, 2) and str(NEVER_A_PID) in run.stderr and "hint: " in run.stderr


def test_a_process_that_is_not_python():
    with running(["sleep", "60"]) as process:
        check_refusal(record(process.pid), "python")


def test_a_kernel_thread():
    if not Path("/proc/2/comm").exists() or Path("/proc/2/comm").read_text() != "kthreadd\n":
        pytest.skip("no kernel threads in this pid namespace")
    check_refusal(record(2))


def too_old():
    return [pytest.param(i, id=i.id) for i in all_interpreters() if not i.missing and not i.supported] or [
        pytest.param(None, id="none", marks=pytest.mark.skip(reason="no interpreter older than 3.7"))]


@pytest.mark.parametrize("old", too_old())
def test_a_version_that_is_too_old(old):
    with running([*old.command, "-c", "input()"], env=clean_environment()) as process:
        wait_until(lambda: "libpython" in Path("/proc/%d/maps" % process.pid).read_text(), "the interpreter to start")
        check_refusal(record(process.pid), "older than 3.7")


@pytest.mark.parametrize("name", ["pypy3", "python3.13t", "python3.14t", "python3.13-nogil", "python3.14-nogil"])
def test_interpreters_without_pymalloc(name):
    program = shutil.which(name)
    if not program:
        pytest.skip("no " + name)
    with running([program, "-c", "print('ready', flush=True); input()"]) as process:
        process.stdout.readline()
        check_refusal(record(process.pid))


def test_a_32_bit_process(tmp_path):
    source, program = tmp_path / "small.c", tmp_path / "small"
    source.write_text("int main(void) { for (;;); }\n")
    made = subprocess.run(["gcc", "-m32", "-nostartfiles", "-nostdlib", "-static", "-Wl,-emain", source, "-o", program],
                          capture_output=True, check=False)
    if made.returncode:
        pytest.skip("gcc cannot make 32-bit programs here")
    with running([program]) as process:
        check_refusal(record(process.pid), "64-bit x86")


@pytest.mark.parametrize("allocator", ["malloc", "debug", "malloc_debug"])
def test_another_allocator_is_detected_and_said(system_interpreter, allocator):
    with Target(system_interpreter, "ending.py", PYTHONMALLOC=allocator) as target:
        run = record(target.pid, "--domain", "object")
    assert "PYTHONMALLOC" in run.stderr, run.stderr
    assert run.returncode in (0, 2)


def test_a_user_without_capabilities(target):
    program = shutil.copy(LINGER, installed_targets("/"))
    check_refusal(record(target.pid, program=program, user="nobody", extra_groups=[]), "CAP_")


@pytest.mark.parametrize("feature", ["btf", "bpf", "ringbuf", "bpf_loop", "attach_cookie"])
def test_a_kernel_that_lacks_a_feature(target, monkeypatch, feature):
    monkeypatch.setenv("LINGER_WITHOUT", feature)
    check_refusal(record(target.pid), "lacks " + feature)
    assert run_linger("doctor", "-p", target.pid).returncode == 2


def test_a_kernel_without_tracepoints_can_still_record_objects(target, monkeypatch):
    monkeypatch.setenv("LINGER_WITHOUT", "syscall_tracepoints")
    check_refusal(record(target.pid), "syscall_tracepoints", "--domain object")
    assert record(target.pid, "--domain", "object").returncode == 0


@pytest.mark.parametrize("dropped, named", [("-bpf,-sys_admin", "CAP_BPF"), ("-perfmon,-sys_admin", "CAP_PERFMON"),
                                            ("-sys_ptrace", "CAP_SYS_PTRACE")])
def test_root_that_lacks_a_capability(target, dropped, named):
    command = ["setpriv", "--bounding-set", dropped, str(LINGER), "record", "-p", str(target.pid), "-d", "1"]
    check_refusal(subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL), named)


# --- doctor -------------------------------------------------------------------------------------------------

def test_doctor_says_yes_where_recording_works(target):
    run = run_linger("doctor", "-p", target.pid)
    assert run.returncode == 0, run.stdout + run.stderr


def test_doctor_speaks_json(target):
    assert isinstance(json.loads(run_linger("doctor", "-p", target.pid, "--json").stdout), dict)


def test_doctor_refuses_what_record_refuses():
    with running(["sleep", "60"]) as process:
        run = run_linger("doctor", "-p", process.pid)
    assert run.returncode != 0 and "python" in (run.stdout + run.stderr).lower()


def test_doctor_takes_no_number_for_another():
    run = run_linger("doctor", "-p", (1 << 32) + 1)
    assert run.returncode == 2 and run.stdout == "" and "is not a process id" in run.stderr


def test_doctor_needs_no_target():
    assert run_linger("doctor").stdout
