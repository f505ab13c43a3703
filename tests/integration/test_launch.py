# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that linger starts: recorded from the first allocation, and otherwise left as they are."""
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest

from interpreters import SYSTEM_PYTHON, all_interpreters, clean_environment
from linger import (LINGER, RECORDING, TIMEOUT_S, check_identity, installed_targets, parse_folded, pools_of,
                    run_linger, wait_until)

COUNT = 20000  # of holding.py
PLAIN = [SYSTEM_PYTHON, "-S", "-c"]


@pytest.fixture(autouse=True)
def with_a_gate(request):
    if "interpreter" in request.fixturenames and request.getfixturevalue("interpreter").id == "musl":
        pytest.skip("musl is never opened by the program: see test_a_program_with_musl")


def holding(root="/"):
    return "/tmp/%s/holding.py" % os.path.basename(installed_targets(root))


class Launch:
    """`linger record -- COMMAND`, and what came of it."""

    def __init__(self, folder, command, *options, domain="object", value="inuse_objects", **keywords):
        self.value = value
        self.output, self.statistics, self.log = folder / "profile", folder / "stats.json", folder / "log"
        keywords = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "env": clean_environment(), **keywords}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(LINGER), "record", "--mode", "exact", "--domain", domain, "-f", "folded", "--value", value,
                 "-o", str(self.output), "--stats", str(self.statistics), *options, "--", *map(str, command)],
                stderr=log, **keywords)

    def said(self):
        return self.log.read_text(errors="replace")

    def wait(self, status=0):
        """To its end, with this exit status; the standard output of the command."""
        output, _ = self.process.communicate(timeout=TIMEOUT_S)
        assert self.process.returncode == status, self.said()
        return output

    def results(self):
        stats, profile = json.loads(self.statistics.read_text()), parse_folded(self.output.read_text())
        check_identity(stats, profile, self.value)
        return stats, profile

    def children(self):
        return [int(pid) for pid in Path("/proc/%d/task/%d/children" % (2 * (self.process.pid,))).read_text().split()]

    def program(self):
        """The command's process, once it has become a Python interpreter."""
        for pid in self.children():
            with contextlib.suppress(FileNotFoundError):  # linger's other child has just ended
                if "python" in os.path.basename(os.readlink("/proc/%d/exe" % pid)):
                    return pid
        return None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def launch(folder, command, *options, status=0, **keywords):
    """Runs it to its end: standard output, stats and profile."""
    with Launch(folder, command, *options, **keywords) as run:
        output = run.wait(status)
        return (output, *run.results())


def held(profile, function="hold", domain="object"):
    return sum(weight for frames, weight in profile.stacks.get(domain, ())
               if any(frame.startswith(function + " (") for frame in frames))


# --- the numbers --------------------------------------------------------------------------------------------

def test_every_block_since_the_first_allocation(interpreter, tmp_path):
    """The interpreter's own count, by itself: nothing was there before."""
    with Launch(tmp_path, [*interpreter.command, holding(interpreter.root), "exit"]) as run:
        run.wait()
        stats, profile = run.results()
        truth = pools_of(run.said())
    domain = stats["domains"]["object"]
    assert domain["unmatched_frees"] == domain["missed_frees"] == sum(domain["dropped"].values()) == 0, domain
    assert truth.blocks > COUNT and (domain["live_blocks"], domain["live_bytes"]) == truth[:2], (domain, truth)
    assert COUNT <= held(profile) <= COUNT + 100
    assert stats["target"]["python"].startswith("%d.%d." % interpreter.version[:2])


@pytest.mark.parametrize("how, status", [("return", 0), ("sys.exit", 5)])
def test_what_is_alive_at_the_end_is_what_the_program_held(interpreter, tmp_path, how, status):
    """Not what is left when the interpreter has freed everything."""
    _, stats, profile = launch(tmp_path, [*interpreter.command, holding(interpreter.root), how], status=status)
    assert stats["domains"]["object"]["unmatched_frees"] == 0
    assert COUNT <= held(profile) <= COUNT + 100


def test_threads_and_atexit_belong_to_the_program(interpreter, tmp_path):
    _, _, profile = launch(tmp_path, [*interpreter.command, holding(interpreter.root), "late"])
    assert 3 * COUNT <= held(profile) <= 3 * COUNT + 100
    assert held(profile, "hold_late") >= COUNT


def test_mappings_since_the_start(interpreter, tmp_path):
    """Whose stack is found through the thread's key, which does not exist when the recording begins."""
    _, stats, profile = launch(tmp_path, [*interpreter.command, holding(interpreter.root), "map"],
                               domain="object,mapping", value="inuse_space")
    assert held(profile, "hold_mapping", "mapping") == 64 << 20
    assert stats["domains"]["mapping"]["live_bytes"] >= 64 << 20


def test_malloc_since_the_start(interpreter, tmp_path):
    """libc is not mapped yet when its probes are set."""
    _, stats, profile = launch(tmp_path, [*interpreter.command, holding(interpreter.root), "large"], domain="raw")
    domain = stats["domains"]["raw"]
    assert domain["missed_frees"] == sum(domain["dropped"].values()) == 0, domain
    assert domain["unmatched_frees"] <= 1, domain  # glibc 2.43 frees one that is not from its malloc
    assert COUNT <= held(profile, "hold_large", "raw") <= COUNT + 10
    assert domain["live_bytes"] >= COUNT * 1000


def test_probes_attached_one_by_one(tmp_path):
    """As on kernels before 6.6."""
    _, stats, profile = launch(tmp_path, [SYSTEM_PYTHON, holding(), "return"],
                               env=clean_environment(LINGER_WITHOUT="uprobe_multi"))
    assert stats["domains"]["object"]["unmatched_frees"] == 0 and held(profile) >= COUNT


@pytest.mark.parametrize("allocator, name", [("debug", "pymalloc behind hooks"), ("malloc", "malloc")])
def test_the_allocator_is_found_out_later(tmp_path, allocator, name):
    with Launch(tmp_path, [*PLAIN, "import time; time.sleep(1)"],
                env=clean_environment(PYTHONMALLOC=allocator)) as run:
        run.wait()
        assert run.results()[0]["target"]["allocator"] == name and "PYTHONMALLOC" in run.said()


def test_a_program_that_is_killed_spoils_no_coverage(tmp_path):
    """Its memory goes before the process does: what is counted in between is nothing, and no measurement."""
    for _ in range(5):
        with Launch(tmp_path, [*PLAIN, "keep = []\nwhile True: keep.append(object())"], "--force") as run:
            wait_until(lambda: RECORDING in run.said(), RECORDING)
            run.process.terminate()
            run.wait(128 + signal.SIGTERM)
            stats, _ = run.results()
        assert stats["coverage"] is None or stats["coverage"] > 0.99


def test_coverage_is_measured_against_an_empty_heap(tmp_path):
    program = "import time; keep = [object() for _ in range(%d)]; time.sleep(2)" % COUNT
    _, stats, _ = launch(tmp_path, [*PLAIN, program])
    assert stats["coverage"] >= 0.999


def test_two_at_once(tmp_path):
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    command = [SYSTEM_PYTHON, holding(), "return"]
    with Launch(folders[0], command) as first, Launch(folders[1], command) as second:
        for run in first, second:
            run.wait()
            stats, profile = run.results()
            assert stats["domains"]["object"]["unmatched_frees"] == 0 and held(profile) >= COUNT


# --- ways to start Python -----------------------------------------------------------------------------------

def shebang(folder, line):
    script = folder / "script"
    script.write_text("#!%s\nkeep = [object() for _ in range(%d)]\n" % (line, COUNT))
    script.chmod(0o755)
    return [script]


def virtual_environment(folder):
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    return [folder / "venv/bin/python3", holding(), "return"]


WAYS = {
    "by name": lambda folder: ["python3", holding(), "return"],
    "env": lambda folder: ["env", "python3", holding(), "return"],
    "shebang": lambda folder: shebang(folder, SYSTEM_PYTHON),
    "shebang with env": lambda folder: shebang(folder, "/usr/bin/env python3"),
    "exec in a shell": lambda folder: ["sh", "-c", "/bin/true; exec nice env python3 %s return" % holding()],
    "virtual environment": virtual_environment,
    "another user": lambda folder: ["setpriv", "--reuid=nobody", "--clear-groups", "python3", holding(), "return"],
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_start(tmp_path, way):
    _, stats, profile = launch(tmp_path, WAYS[way](tmp_path))
    assert stats["domains"]["object"]["unmatched_frees"] == 0
    assert profile.total("object") >= COUNT


# --- the command is left as it is ---------------------------------------------------------------------------

def test_the_output_is_the_command_s_own(tmp_path):
    output, _, _ = launch(tmp_path, [*PLAIN, "print('one'); print('two')"])
    assert output == b"one\ntwo\n"


def test_standard_input_is_the_command_s(tmp_path):
    with open(LINGER, "rb") as something:
        output, _, _ = launch(tmp_path, [*PLAIN, "import sys; print(len(sys.stdin.buffer.read()))"], stdin=something)
    assert int(output) == LINGER.stat().st_size


def test_options_behind_the_command_are_its_own(tmp_path):
    output = tmp_path / "profile.folded"
    run = run_linger("record", "-o", output, SYSTEM_PYTHON, "-c", "import sys; print(sys.argv)", "-p", "1", "--help")
    assert run.returncode == 0 and run.stdout == "['-c', '-p', '1', '--help']\n", run.stderr


SAME = ("import os\n"
        "wanted = ('SigBlk', 'SigIgn', 'NSpid', 'NoNewPrivs', 'Seccomp', 'CapEff')\n"
        "for line in open('/proc/self/status'):\n"
        "    if line.startswith(wanted[:2] + wanted[3:]): print(line, end='')\n"
        "print(sorted(os.listdir('/proc/self/fd')))\n"
        "print(os.getcwd(), os.nice(0), sorted(os.environ.items()))\n")


def test_nothing_of_linger_is_inherited(tmp_path):
    plain = subprocess.run([*PLAIN, SAME], env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True,
                           check=True).stdout
    output, _, _ = launch(tmp_path, [*PLAIN, SAME])
    assert output == plain


@pytest.mark.parametrize("status", [0, 3, 255])
def test_the_exit_status_is_passed_on(tmp_path, status):
    launch(tmp_path, [*PLAIN, "import os; os._exit(%d)" % status], status=status)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_deadly_signal_is_passed_on(tmp_path, number):
    launch(tmp_path, [*PLAIN, "import os; os.kill(os.getpid(), %d)" % number], status=128 + number)


WAITING = ("import os, signal, sys, time\n"
           "signal.signal(%d, lambda number, frame: (os.write(1, b'signal %%d\\n' %% number), sys.exit(7)))\n"
           "os.write(1, b'ready\\n')\n"
           "while True: time.sleep(60)\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
                                    signal.SIGUSR2])
def test_signals_are_forwarded(tmp_path, number):
    with Launch(tmp_path, [*PLAIN, WAITING % number]) as run:
        assert run.process.stdout.readline() == b"ready\n"
        run.process.send_signal(number)
        assert run.wait(7) == b"signal %d\n" % number
        assert run.results()[1].total("object") > 0


COUNTING = ("import signal, sys, time\n"
            "seen = []\n"
            "signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))\n"
            "sys.stdout.write('ready\\n'); sys.stdout.flush()\n"
            "while not seen: time.sleep(0.01)\n"
            "time.sleep(1)\n"
            "sys.stdout.write('%d seen\\n' % len(seen)); sys.stdout.flush()\n")


def test_ctrl_c_comes_once(tmp_path):
    """The terminal sends it to linger and to the command; the recording goes on until the command ends."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(LINGER, [LINGER, "record", "-o", tmp_path / "profile.folded", *PLAIN, COUNTING])
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    try:
        while True:
            said += os.read(terminal, 4096)
    except OSError:  # the other end is closed
        os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    assert b"1 seen" in said and "wrote" in said.decode()


def test_a_duration_ends_the_recording_and_not_the_command(tmp_path):
    flag = tmp_path / "flag"
    flag.touch()
    with Launch(tmp_path, [SYSTEM_PYTHON, holding(), "wait", flag], "-d", "1") as run:
        assert run.process.stdout.readline() == b"waiting\n"
        wait_until(lambda: "runs on" in run.said(), "the end of the recording")
        assert run.results()[1].total("object") >= COUNT and run.process.poll() is None
        run.process.send_signal(signal.SIGUSR1)
        run.wait(128 + signal.SIGUSR1)


def test_linger_s_end_is_not_the_command_s(tmp_path):
    flag = tmp_path / "flag"
    flag.touch()
    with Launch(tmp_path, [SYSTEM_PYTHON, holding(), "wait", flag]) as run:
        assert run.process.stdout.readline() == b"waiting\n"
        program = run.program()
        run.process.kill()
        run.process.wait()
        assert os.path.exists("/proc/%d" % program)
        flag.unlink()
        assert run.process.stdout.read() == b""  # its end


# --- at the gate --------------------------------------------------------------------------------------------

def has_libc(pid):
    return "libc.so" in Path("/proc/%d/maps" % pid).read_text()


def stop_at_the_gate(run):
    """Stops linger while it attaches: the command stays where it is. Its pid."""
    wait_until(run.program, "Python to be executed", 10)
    program = run.program()
    run.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: re.search(r"^State:\sT", Path("/proc/%d/status" % run.process.pid).read_text(), re.M),
               "linger to stop", 10)
    assert not has_libc(program), "linger was too fast for this test"
    return program


def test_others_are_not_held_up(tmp_path):
    with Launch(tmp_path, [*PLAIN, "print('started')"]) as run:
        program = stop_at_the_gate(run)
        for _ in range(50):
            subprocess.run(["/bin/true"], check=True, timeout=TIMEOUT_S)
        assert not has_libc(program)
        run.process.send_signal(signal.SIGCONT)
        assert run.wait() == b"started\n"
        assert run.results()[0]["domains"]["object"]["unmatched_frees"] == 0


def test_linger_s_end_opens_the_gate(tmp_path):
    with Launch(tmp_path, [*PLAIN, "print('started')"]) as run:
        stop_at_the_gate(run)
        run.process.kill()
        run.process.wait()
        subprocess.run(["/bin/true"], check=True, timeout=TIMEOUT_S)
        assert run.process.stdout.read() == b"started\n"


def test_a_command_killed_at_the_gate(tmp_path):
    with Launch(tmp_path, [*PLAIN, "print('started')"]) as run:
        os.kill(stop_at_the_gate(run), signal.SIGKILL)
        run.process.send_signal(signal.SIGCONT)
        assert run.wait(128 + signal.SIGKILL) == b""
        assert "linger: failed" in run.said()


def test_nothing_is_left_behind(tmp_path):
    launch(tmp_path, [SYSTEM_PYTHON, holding(), "return"])
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False).stdout
    assert left == ""


# --- what cannot be recorded --------------------------------------------------------------------------------

def unrecorded(folder, command, status, *words):
    with Launch(folder, command) as run:
        output = run.wait(status)
        said = run.said()
    assert len(re.findall(r"^linger: ", said, re.M)) == 1 and RECORDING not in said, said
    assert all(word in said for word in words), said
    assert not run.output.exists() and not run.statistics.exists()
    return output


@pytest.mark.parametrize("code, status", [(0, 2), (3, 3)])
def test_a_command_that_is_not_python(tmp_path, code, status):
    assert unrecorded(tmp_path, ["sh", "-c", "echo done; exit %d" % code], status, "'sh'", "hint: ") == b"done\n"


def test_a_child_process_is_not_the_command(tmp_path):
    command = ["sh", "-c", "%s -c 'print(1)'; true" % SYSTEM_PYTHON]
    assert unrecorded(tmp_path, command, 2, "child process") == b"1\n"


def test_a_static_program(tmp_path):
    source, program = tmp_path / "small.c", tmp_path / "small"
    source.write_text("#include <stdio.h>\nint main(void) { puts(\"done\"); return 0; }\n")
    if subprocess.run(["gcc", "-static", source, "-o", program], capture_output=True, check=False).returncode:
        pytest.skip("gcc cannot make static programs here")
    assert unrecorded(tmp_path, [program], 2, "static") == b"done\n"


def test_a_program_with_musl(tmp_path):
    musl = next(interpreter for interpreter in all_interpreters() if interpreter.id == "musl")
    if musl.missing:
        pytest.skip(musl.missing)
    assert unrecorded(tmp_path, [*musl.command, "-S", "-c", "print('done')"], 2, "musl") == b"done\n"


def test_a_version_that_is_too_old(tmp_path):
    old = Path.home() / ".pyenv/versions/3.6.15/bin/python3"
    if not old.exists():
        pytest.skip("no interpreter older than 3.7")
    assert unrecorded(tmp_path, [old, "-c", "print('done')"], 2, "older than 3.7") == b"done\n"


def test_no_such_command(tmp_path):
    unrecorded(tmp_path, ["/no/such/command"], 127, "/no/such/command", "No such file")


def test_what_cannot_be_executed(tmp_path):
    unrecorded(tmp_path, ["/etc/passwd"], 126, "/etc/passwd", "Permission denied")


def test_the_command_is_not_run_when_the_profile_cannot_be_written(tmp_path):
    run = run_linger("record", "-o", "/no/such/folder/profile.svg", "touch", tmp_path / "run")
    assert run.returncode == 1 and not (tmp_path / "run").exists()


@pytest.mark.parametrize("dropped, named", [("-sys_admin", "CAP_SYS_ADMIN"), ("-bpf,-sys_admin", "CAP_BPF")])
def test_a_user_without_capabilities(tmp_path, dropped, named):
    command = ["setpriv", "--bounding-set", dropped, str(LINGER), "record", "--domain", "object", "-o",
               str(tmp_path / "profile.svg"), "touch", str(tmp_path / "run")]
    run = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert run.returncode == 2 and named in run.stderr and "hint: " in run.stderr, run.stderr
    assert not (tmp_path / "run").exists()


def test_a_kernel_without_gates(tmp_path, monkeypatch):
    monkeypatch.setenv("LINGER_WITHOUT", "open_gate")
    run = run_linger("record", "-o", tmp_path / "profile.svg", "touch", tmp_path / "run")
    assert run.returncode == 2 and "open_gate" in run.stderr and "-p" in run.stderr
    assert not (tmp_path / "run").exists()
    assert run_linger("doctor").returncode == 0


@pytest.mark.parametrize("arguments, word", [
    (("-o", "x.svg"), "-p"), (("-p", "1", "-o", "x.svg", "true"), "either"), (("true",), "-o FILE"),
    (("--", "true"), "-o FILE")])
def test_wrong_usage(arguments, word):
    run = run_linger("record", *arguments)
    assert run.returncode == 2 and word in run.stderr and run.stdout == ""
