# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""pprof files: what linger writes, what it reads back, what pprof itself makes of them, and what changed."""
import contextlib
import gzip
import os
import pty
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import pprof
from interpreters import all_interpreters
from linger import BOOKS, LINGER, Recording, Target, parse_folded, run_linger

GO = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
NOBODY = 65534


class Recorded:
    def __init__(self, recording, path):
        self.path = path
        self.path.write_bytes(recording.output)
        self.stats = recording.stats
        self.pprof = pprof.read(recording.output)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two recordings of one process: all kinds of stacks, and then some of them and others."""
    interpreter = all_interpreters()[0]
    if interpreter.missing:
        pytest.skip(interpreter.missing)
    folder = tmp_path_factory.mktemp("report")
    os.chmod(folder, 0o755)
    with Target(interpreter, "stacks.py") as target:
        with Recording(target.pid, domain="object,mapping", form="pprof") as first:
            target.ask("run_all")
            first.stop()
            before = Recorded(first, folder / "before.pb.gz")
        with Recording(target.pid, domain="object,mapping", form="pprof") as second:
            target.ask("run", "threads")
            target.ask("churn_lines")
            second.stop()
            after = Recorded(second, folder / "after.pb.gz")
    return before, after


@pytest.fixture(scope="module")
def recorded(recordings):
    return recordings[0]


def report(*arguments, **options):
    run = run_linger("report", *arguments, **options)
    assert run.returncode == 0, run.stderr
    return run.stdout


# --- where it goes ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("form", ["folded", "svg", "text", "pprof"])
def test_a_full_disk_is_named(recorded, form):
    run = run_linger("report", recorded.path, "-f", form, "-o", "/dev/full")
    assert run.returncode == 1 and run.stderr == "linger: failed to write '/dev/full': No space left on device\n"


def test_nothing_goes_to_a_standard_output_that_is_closed(recorded):
    command = ["sh", "-c", '"$0" report "$1" >&-', str(LINGER), str(recorded.path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and run.stderr == "linger: failed to write 'standard output': Bad file descriptor\n"


# --- what is in the file ------------------------------------------------------------------------------------

def test_the_file_says_what_it_holds(recorded):
    profile = recorded.pprof
    assert profile.types == [("inuse_space", "bytes"), ("inuse_objects", "count"), ("alloc_space", "bytes"),
                             ("alloc_objects", "count")]
    assert profile.default == "inuse_space"
    assert len(profile.samples) > 50 and max(len(sample.stack) for sample in profile.samples) >= 256


@pytest.mark.parametrize("value", BOOKS)
def test_totals_are_those_of_the_stats(recorded, value):
    for domain, totals in recorded.stats["domains"].items():
        samples = [s for s in recorded.pprof.samples if s.labels["domain"] == domain]
        assert sum(s.values[value] for s in samples) == totals[BOOKS[value]]


def test_losses_and_coverage_are_comments(recorded):
    comments = "\n".join(recorded.pprof.comments)
    assert re.search(r"^object: \d+ allocations seen = \d+ recorded \+ \d+ dropped", comments, re.M)
    assert re.search(r"^coverage: \d+\.\d+ %", comments, re.M)


def test_the_interpreter_is_the_mapping(recorded):
    target = recorded.stats["target"]
    assert recorded.pprof.mappings == [(target["path"], target["build"])]


@pytest.fixture
def raw_recorded(system_interpreter, tmp_path):
    with Target(system_interpreter, "ending.py") as target:
        with Recording(target.pid, domain="object,raw", form="pprof") as recording:
            target.ask("build")
            recording.stop()
        return Recorded(recording, tmp_path / "raw.pb.gz")


def test_the_library_with_malloc_is_the_second_mapping(raw_recorded, tmp_path):
    target, raw = raw_recorded.stats["target"], raw_recorded.stats["raw"]
    expected = [(target["path"], target["build"]), (raw["path"], raw["build"])]
    assert raw["path"] and raw["build"] and raw_recorded.pprof.mappings == expected
    again = tmp_path / "again.pb.gz"
    report(raw_recorded.path, "-o", again)
    assert pprof.read(again.read_bytes()).mappings == expected
    assert "ending.py" in go_pprof("-top", "-lines", again)


def test_the_time_is_that_of_the_recording(recorded):
    assert recorded.pprof.duration_ns == pytest.approx(recorded.stats["elapsed_s"] * 1e9, abs=5e6)
    assert 0 <= recorded.path.stat().st_mtime - recorded.pprof.time_ns / 1e9 < 600


def test_first_lines_are_those_of_the_functions(recorded):
    lines = {line for sample in recorded.pprof.samples for line in sample.stack if line.file.endswith("/stacks.py")}
    source = next(iter(lines)).file
    text = Path(source).read_text().splitlines()
    functions = {line for line in lines if re.fullmatch(r"\w+", line.function)}
    assert len(functions) >= 10
    for line in functions:
        # A decorator is where a decorated function begins.
        begin = text[line.first_line - 1].strip()
        assert begin.startswith(("def %s(" % line.function, "@", "async def %s(" % line.function)), (line, begin)
        assert line.first_line <= line.line


# --- the same stacks in every format ------------------------------------------------------------------------

@pytest.mark.parametrize("value", BOOKS)
def test_stacks_come_back_line_by_line(recorded, value):
    lines = report(recorded.path, "-f", "folded", "--value", value).splitlines()
    assert sorted(lines) == pprof.folded(recorded.pprof, value)


def test_pprof_to_pprof_is_the_same_file(recorded, tmp_path):
    copy = tmp_path / "copy.pb.gz"
    report(recorded.path, "-o", copy)
    assert copy.read_bytes() == recorded.path.read_bytes()


def test_a_domain_alone(recorded, tmp_path):
    lines = report(recorded.path, "--domain", "object").splitlines()
    assert sorted(lines) == [line for line in pprof.folded(recorded.pprof, "inuse_space")
                             if line.startswith("[object]")]
    report(recorded.path, "--domain", "mapping", "-o", tmp_path / "mapping.pb.gz")
    alone = pprof.read((tmp_path / "mapping.pb.gz").read_bytes())
    assert {sample.labels["domain"] for sample in alone.samples} == {"mapping"}


def test_text_has_the_total(recorded):
    text = report(recorded.path, "-f", "text")
    stacks = len({line.rsplit(" ", 1)[0] for line in pprof.folded(recorded.pprof, "alloc_objects")
                  if line.startswith("[object]")})
    assert re.search(r"100\.0 %% .* total: %d stacks" % stacks, text)
    for comment in recorded.pprof.comments:
        assert "note: " + comment in text


def test_svg_draws_it(recorded, tmp_path):
    path = tmp_path / "heap.svg"
    report(recorded.path, "-o", path)
    assert "<svg" in path.read_text() and "stacks.py" in path.read_text()


def test_the_asked_value_is_the_default_of_the_file(recorded, tmp_path):
    path = tmp_path / "alloc.pb.gz"
    report(recorded.path, "--value", "alloc_objects", "-o", path)
    assert pprof.read(path.read_bytes()).default == "alloc_objects"
    assert report(path) == report(recorded.path, "--value", "alloc_objects")


@pytest.fixture
def nobody_s(recorded):
    """A folder with linger and a profile that anybody can read, and how to run it there as nobody."""
    with tempfile.TemporaryDirectory(prefix="linger-report-") as folder:
        os.chmod(folder, 0o755)
        program, path = (shutil.copy(file, folder) for file in (LINGER, recorded.path))
        yield path, lambda *arguments: run_linger("report", *arguments, program=program, user=NOBODY, group=NOBODY,
                                                  extra_groups=[])


def test_it_needs_no_root(recorded, nobody_s):
    path, run_as_nobody = nobody_s
    run = run_as_nobody(path)
    assert run.returncode == 0, run.stderr
    assert run.stdout == report(recorded.path)


def test_files_that_are_another_user_s_are_a_failure(nobody_s):
    """And no sign that something cannot be traced, which has a status of its own."""
    path, run_as_nobody = nobody_s
    for arguments in [(path, "-o", "/root/p.svg"), ("/etc/shadow",)]:
        run = run_as_nobody(*arguments)
        assert run.returncode == 1 and "Permission denied" in run.stderr, run.stderr


# --- pprof itself -------------------------------------------------------------------------------------------

def go_pprof(*arguments):
    if not GO:
        pytest.skip("go is not installed")
    run = subprocess.run([GO, "tool", "pprof", "-unit=B", *map(str, arguments)], capture_output=True, text=True,
                         timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def by_function(profile, value):
    """{function: [flat, cum]}, as pprof counts them: by name, once for each stack."""
    totals = {}
    for sample in profile.samples:
        for function in {line.function for line in sample.stack}:
            totals.setdefault(function, [0, 0])[1] += sample.values[value]
        if sample.stack:
            totals[sample.stack[-1].function][0] += sample.values[value]
    return {name: both for name, both in totals.items() if any(both)}


def number(text):
    return 0 if text in (".", "0") else int(text[:-1] if text.endswith("B") else text)


@pytest.mark.parametrize("value", ["inuse_space", "alloc_space", "inuse_objects"])
def test_go_pprof_top_has_the_same_numbers(recorded, value):
    output = go_pprof("-top", "-nodecount=1000000", "-nodefraction=0", "-edgefraction=0",
                      "-sample_index=" + value, recorded.path)
    rows = re.findall(r"^ *(\S+) +\S+% +\S+% +(\S+) +\S+%  (.*)$", output, re.M)
    assert {name: [number(flat), number(cum)] for flat, cum, name in rows} == by_function(recorded.pprof, value)


def test_go_pprof_shows_our_comments_and_the_interpreter(recorded):
    output = go_pprof("-top", recorded.path)
    assert "Build ID: " + recorded.stats["target"]["build"] in output
    for comment in recorded.pprof.comments:
        assert comment in output


def test_go_pprof_lists_the_lines_of_a_function(recorded):
    output = go_pprof("-list=^hold$", "-sample_index=inuse_space", recorded.path)
    listed = {}
    for flat, _, line, text in re.findall(r"^ *(\S+) +(\S+) +(\d+):(.*)$", output, re.M):
        if flat != ".":
            listed[int(line)] = number(flat)
            assert "out" in text or "KEEP" in text, text
    expected = {}
    for sample in recorded.pprof.samples:
        leaf = sample.stack[-1] if sample.stack else None
        if leaf and leaf.function == "hold" and sample.values["inuse_space"]:
            expected[leaf.line] = expected.get(leaf.line, 0) + sample.values["inuse_space"]
    assert listed == expected and sum(expected.values()) > 10 * 200 * 200


def test_go_pprof_chooses_a_domain_by_its_label(recorded):
    output = go_pprof("-top", "-nodefraction=0", "-nodecount=1000000", "-sample_index=inuse_space",
                      "-tagfocus=domain=object", recorded.path)
    total = recorded.stats["domains"]["object"]["live_bytes"]
    assert "Showing nodes accounting for %dB" % total in output, output[:1000]


def test_reads_what_go_pprof_wrote(recorded, tmp_path):
    """Go numbers, orders and merges in its own way."""
    copy = tmp_path / "merged.pb.gz"
    go_pprof("-proto", "-output=" + str(copy), recorded.path)
    lines = report(copy, "-f", "folded").splitlines()
    assert sorted(lines) == pprof.folded(recorded.pprof, "inuse_space")


# --- estimates ----------------------------------------------------------------------------------------------

@pytest.fixture
def sampled(render_sample, tmp_path):
    """The sampled recording of render_sample.c."""
    path = tmp_path / "sampled.pb.gz"
    path.write_bytes(subprocess.check_output([render_sample, "pprof", "inuse_space", "sampled"]))
    return path


def test_exact_recordings_have_no_labels_of_estimates(recorded):
    assert {key for sample in recorded.pprof.samples for key in sample.labels} <= {"domain", "thread"}


def test_estimates_are_labels(sampled):
    first, *rest = pprof.read(sampled.read_bytes()).samples
    assert first.labels == {"domain": "object", "age": "10s-1min", "survivors": 80, "windows": 30,
                            "inuse_low": 2700000, "inuse_high": 3600000, "newest": 10500}
    # The same stack at another age is another sample.
    assert rest[0].stack == first.stack and rest[0].labels["age"] == "1-10min"
    alone = next(sample for sample in rest if sample.stack[0].function == "[no survivor sampled]")
    assert alone.labels["survivors"] == 0 and not {"age", "newest"} & alone.labels.keys()


def test_estimates_read_back_are_the_same(render_sample, sampled):
    run = subprocess.run([LINGER, "report", sampled, "-f", "pprof"], capture_output=True, check=True)
    assert run.stdout == sampled.read_bytes()
    for form in ("folded", "text"):
        assert report(sampled, "-f", form) == subprocess.check_output(
            [render_sample, form, "inuse_space", "sampled"], text=True)


def test_the_table_of_estimates_adds_up(sampled):
    text = report(sampled, "-f", "text", "--domain", "object")
    shares = [float(share) for share in re.findall(r"^.{30}  *([\d.]+) %  ", text, re.M)]
    assert len(shares) == 7 and sum(shares[:-1]) == pytest.approx(shares[-1], abs=0.4) and shares[-1] == 100
    assert re.search(r"^ *11\.4 MiB +10\.5 - 13\.3 MiB +71\.8 % +290  growing +Cache\.put ", text, re.M)
    assert re.search(r" 90  stopped 2 min ago +get_user ", text)
    assert all(len(line) <= 110 for line in text.splitlines())


def test_groups_are_frames(sampled):
    lines = weights(report(sampled, "-f", "folded", "--domain", "object"))
    roots = [stack.split(";")[1] for stack in lines]
    assert roots.count("[younger than 10 s]") == 2 and roots.count("[too few survivors]") == 1
    assert sum(lines.values()) == 16704096
    assert "[younger than 10 s]" in report(sampled, "-f", "svg")


def test_ages_are_no_difference(render_sample, sampled, tmp_path):
    exact = tmp_path / "exact.pb.gz"
    exact.write_bytes(subprocess.check_output([render_sample, "pprof", "inuse_space"]))
    found = changes(report("--diff", exact, sampled, "--domain", "object"))
    cache = next(change for stack, change in found.items() if stack.startswith("[object];<module>") and "put" in stack)
    assert cache == (4000000, 12000000)
    assert report("--diff", sampled, sampled, "-f", "folded") == ""


def test_go_pprof_reads_the_labels(sampled):
    tags = go_pprof("-tags", sampled)
    assert {"age:", "survivors:", "windows:", "inuse_low:", "inuse_high:", "newest:"} <= set(tags.split())
    assert "9000000B" in go_pprof("-top", "-tagfocus=age=1-10min", "-focus=put", sampled)


# --- differences --------------------------------------------------------------------------------------------

def weights(text):
    return {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in text.splitlines()}


def changes(text):
    found = {}
    for line in text.splitlines():
        stack, before, after = line.rsplit(" ", 2)
        found[stack] = int(before), int(after)
    return found


@pytest.mark.parametrize("value", BOOKS)
def test_before_and_the_changes_are_after(recordings, value):
    before, after = (weights(report(r.path, "--value", value)) for r in recordings)
    found = changes(report("--diff", *(r.path for r in recordings), "--value", value))
    assert found
    for stack in {*before, *after}:
        assert found.get(stack, (before.get(stack), after.get(stack))) == (before.get(stack, 0), after.get(stack, 0))
    assert all(b != a for b, a in found.values())
    assert sum(a - b for b, a in found.values()) == sum(after.values()) - sum(before.values())


def test_the_table_adds_up(recordings):
    text = report("--diff", *(r.path for r in recordings), "-f", "text", "--domain", "object")
    row = r"^ *([\d,]+) +([\d,]+) +([-+]?[\d,]+) +([-+]?[\d,]+)  (.*)$"
    rows = [([int(n.replace(",", "")) for n in found[:4]], found[4]) for found in re.findall(row, text, re.M)]
    assert any(numbers[2] > 0 for numbers, _ in rows) and any(numbers[2] < 0 for numbers, _ in rows)
    total = next(numbers for numbers, name in rows if name.startswith("total: "))
    parts = [numbers for numbers, name in rows if not name.startswith("total: ")]
    assert [sum(column) for column in zip(*parts)] == total
    books = [r.stats["domains"]["object"] for r in recordings]
    assert total[:2] == [book["live_bytes"] for book in books]
    assert total[2] == total[1] - total[0]
    assert total[3] == books[1]["live_blocks"] - books[0]["live_blocks"]


def test_with_itself_nothing_changed(recorded, tmp_path):
    twice = (recorded.path, recorded.path)
    assert report("--diff", *twice, "-f", "folded") == ""
    text = report("--diff", *twice, "-f", "text")
    assert text.startswith("no change") and text.count("\n") == 1
    report("--diff", *twice, "-o", tmp_path / "diff.svg")
    assert "No change." in (tmp_path / "diff.svg").read_text()


def test_the_flame_graph_has_both_colours(recordings, tmp_path):
    report("--diff", *(r.path for r in recordings), "-o", tmp_path / "diff.svg")
    text = (tmp_path / "diff.svg").read_text()
    assert 'class="f grown' in text and 'class="f shrunk' in text
    assert re.search(r"\nbefore: .*\nafter: .*\nchange: [-+]", text)


# --- the command line ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [
    (), ("a", "b"), ("--diff", "a"), ("--diff", "a", "b", "c"), ("a", "-f", "nonsense"), ("a", "--value", "nonsense"),
    ("a", "--domain", "nonsense"), ("a", "-o", "x.nonsense"), ("--diff", "a", "b", "-f", "pprof"), ("-p", "1")])
def test_wrong_usage(arguments):
    run = run_linger("report", *arguments)
    assert run.returncode == 2 and run.stderr.startswith("linger report: ") and run.stdout == ""


def test_help_has_examples():
    assert "linger report --diff before.pb.gz after.pb.gz" in run_linger("report", "--help").stdout


def check_failure(run, *words):
    assert run.returncode == 1 and run.stdout == ""
    assert len(re.findall(r"^linger: failed to .+: .+", run.stderr, re.M)) == 1, run.stderr
    for word in words:
        assert word in run.stderr


def test_files_that_are_no_profiles(recorded, tmp_path):
    path = tmp_path / "bad.pb.gz"
    data = recorded.path.read_bytes()
    for content, why in ((b"", "not a profile"), (b"[object];main (/a.py:1) 5\n", "not a profile"),
                         (data[:-20], "damaged or cut off"), (data[:30], "damaged or cut off"),
                         (gzip.compress(b"\x12\xff\xff\xff\xff\x0f"), "not a profile"),
                         (gzip.compress(gzip.decompress(data)[:-5]), "not a profile")):
        path.write_bytes(content)
        check_failure(run_linger("report", path), str(path), why)
        check_failure(run_linger("report", "--diff", recorded.path, path), str(path), why)
    check_failure(run_linger("report", tmp_path / "missing"), "No such file")


def test_a_profile_of_something_else(tmp_path):
    path = tmp_path / "cpu.pb.gz"
    strings = b"".join(b"\x32" + bytes([len(text)]) + text for text in (b"", b"cpu", b"nanoseconds"))
    path.write_bytes(gzip.compress(b"\x0a\x04\x08\x01\x10\x02" + strings))
    check_failure(run_linger("report", path), "it is no heap profile")


def test_a_value_that_the_file_does_not_have(tmp_path):
    path = tmp_path / "heap.pb.gz"
    strings = b"".join(b"\x32" + bytes([len(text)]) + text for text in (b"", b"inuse_space", b"bytes"))
    path.write_bytes(gzip.compress(b"\x0a\x04\x08\x01\x10\x02" + strings))
    assert report(path) == ""
    run = run_linger("report", path, "--value", "alloc_space")
    check_failure(run, "it has no alloc_space")
    assert "hint: it has inuse_space" in run.stderr


def test_an_existing_file_is_kept_without_force(recorded, tmp_path):
    path = tmp_path / "heap.svg"
    path.write_text("precious")
    run = run_linger("report", recorded.path, "-o", path)
    assert run.returncode == 1 and "--force" in run.stderr and path.read_text() == "precious"
    report(recorded.path, "-o", path, "--force")
    assert "<svg" in path.read_text()


def on_a_terminal(*arguments):
    """Exit status and what the terminal shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([LINGER, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    output = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while True:
            output += os.read(ours, 65536)
    os.close(ours)
    return process.wait(60), output.decode()


def test_pprof_on_a_pipe(recorded):
    run = subprocess.run([LINGER, "report", recorded.path, "-f", "pprof"], capture_output=True, check=True)
    assert run.stdout == recorded.path.read_bytes()


def test_text_on_a_terminal_folded_on_a_pipe(recorded):
    status, output = on_a_terminal("report", recorded.path)
    assert status == 0 and "largest stacks" in output
    assert parse_folded(report(recorded.path)).total("object") == recorded.stats["domains"]["object"]["live_bytes"]


@pytest.mark.parametrize("command", ["report", "record"])
def test_pprof_is_not_for_a_terminal(recorded, command):
    arguments = ("report", recorded.path) if command == "report" else ("record", "-p", os.getpid())
    status, output = on_a_terminal(*arguments, "-f", "pprof")
    assert status == 2 and "is not for a terminal" in output and "\x1f" not in output
