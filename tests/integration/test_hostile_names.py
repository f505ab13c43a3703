# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No name of the target breaks out of what linger writes: not in a terminal, and in no format."""
import json
import os
import re
import shutil
import subprocess
import unicodedata
import xml.etree.ElementTree as xml
from dataclasses import replace

import pytest

from interpreters import all_interpreters
from linger import LINGER, TIMEOUT_S, Target, parse_folded, run_linger
from pprof import read
from test_svg_browser import CHROMEDRIVER, CHROMIUM, browser  # noqa: F401

BIDI = {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"}
MARKS = "\u200e\u200f\u061c\u2028\u2029\ufeff\ufffe\uffff"
ALLOWED = {"folded": "\n", "text": "\n", "json": "\n", "svg": "\n\t", "dot": "\n\t"}
SVG = "{http://www.w3.org/2000/svg}"
PROGRAM = b"py\x1b[31m\n;\xff\xc2\x9b<script> 7"


def forbidden(text, allowed="\n"):
    """What no output may hold."""
    return {c for c in text if c not in allowed and (
        unicodedata.category(c) in ("Cc", "Cs") or unicodedata.bidirectional(c) in BIDI or c in MARKS)}


def check_plain(data, allowed="\n"):
    text = data.decode()  # strictly
    assert text and not forbidden(text, allowed), forbidden(text, allowed)
    return text


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A program whose own path is as bad as the names in it."""
    interpreter = all_interpreters()[0]
    if interpreter.missing or interpreter.kind != "static":
        pytest.skip(interpreter.missing or "the system's interpreter is not one file")
    program = os.path.join(os.fsencode(tmp_path_factory.mktemp("hostile")), PROGRAM)
    shutil.copy(interpreter.elf, program)
    with Target(replace(interpreter, command=(program,)), "hostile_names.py", PYTHONHOME="/usr") as running:
        yield running


@pytest.fixture(scope="module")
def profiles(target, tmp_path_factory):
    """Recordings of it in all formats, and what linger said meanwhile."""
    folder = tmp_path_factory.mktemp("profiles")
    said = b""
    for name in ("out.folded", "out.svg", "out.txt", "out.pb.gz", "later.pb.gz"):
        process = subprocess.Popen([LINGER, "record", "-v", "-p", str(target.pid), "--mode", "exact", "-o",
                                    folder / name, "--stats", folder / (name + ".json")], stderr=subprocess.PIPE)
        line = b""
        while not line.startswith(b"linger: capabilities"):
            line = process.stderr.readline()
            assert line, said
            said += line
        for _ in range(1 + (name == "later.pb.gz")):
            target.ask("make")
        process.terminate()
        said += process.communicate(timeout=TIMEOUT_S)[1]
        assert process.returncode == 0, said
    return folder, said


def run(*arguments):
    result = subprocess.run([LINGER, *map(str, arguments)], capture_output=True, timeout=TIMEOUT_S,
                            stdin=subprocess.DEVNULL, check=False)
    assert result.returncode == 0, result.stderr
    check_plain(result.stderr or b"nothing")
    return result.stdout


# --- recordings -----------------------------------------------------------------------------------------------


def test_what_is_said(profiles):
    for line in check_plain(profiles[1]).splitlines():
        assert line.startswith(("linger: ", "hint: ")), line


def test_folded(profiles):
    """A frame is what is between two semicolons, a weight what is behind the last space."""
    folded = parse_folded(check_plain((profiles[0] / "out.folded").read_bytes()))
    assert sum(len(frames) for frames, _ in folded.stacks["object"]) > 20
    for frames, weight in folded.stacks["object"]:
        assert int(weight) > 0 and all(frames)
        assert len(frames) <= 6, "a name became several frames"


@pytest.mark.parametrize("form", ["folded", "text", "svg"])
def test_reports_are_as_recordings(profiles, form):
    check_plain(run("report", profiles[0] / "out.pb.gz", "-f", form), ALLOWED[form])


@pytest.mark.parametrize("form", ["folded", "text", "svg"])
def test_differences(profiles, form):
    text = check_plain(run("report", "--diff", profiles[0] / "out.pb.gz", profiles[0] / "later.pb.gz", "-f", form),
                       ALLOWED[form])
    if form == "svg":
        check_svg(text)


def test_text(profiles):
    check_plain((profiles[0] / "out.txt").read_bytes())


def check_svg(text):
    """Well formed, one script, and no attribute that runs anything."""
    tree = xml.fromstring(text)
    elements = list(tree.iter())
    assert sum(element.tag == SVG + "script" for element in elements) == 1
    assert {element.tag for element in elements} <= {SVG + tag for tag in ALLOWED_TAGS}, {e.tag for e in elements}
    assert not [name for element in elements for name in element.attrib if name.lower().startswith("on")]


ALLOWED_TAGS = ["svg", "script", "style", "g", "rect", "text", "title", "tspan"]


def test_svg(profiles):
    check_svg(check_plain((profiles[0] / "out.svg").read_bytes(), ALLOWED["svg"]))


@pytest.mark.skipif(not (CHROMIUM.exists() and CHROMEDRIVER.exists()), reason="chromium is not installed")
def test_svg_in_a_browser(profiles, browser):  # noqa: F811
    browser.get((profiles[0] / "out.svg").as_uri())
    assert browser.execute_script("return [window.hostile, document.querySelectorAll('script').length]") == [None, 1]
    assert browser.execute_script("return document.querySelectorAll('img').length") == 0
    assert browser.get_log("browser") == []


def test_pprof(profiles):
    profile = read((profiles[0] / "out.pb.gz").read_bytes())
    lines = [line for sample in profile.samples for line in sample.stack]
    assert lines
    for text in {text for line in lines for text in (line.function, line.file)} | set(profile.comments) | {
            text for mapping in profile.mappings for text in mapping}:
        assert not forbidden(text, ""), text


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from (name, *strings(part))
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def check_json(data):
    value = json.loads(check_plain(data))
    assert not [text for text in strings(value) if forbidden(text, "")]
    return value


def test_stats(profiles):
    assert check_json((profiles[0] / "out.folded.json").read_bytes())["target"]


# --- looks ----------------------------------------------------------------------------------------------------


def test_census(target, tmp_path):
    for by in ("type", "class", "module"):
        check_plain(run("census", "-p", target.pid, "--by", by, "--top", "1000"))
        assert check_json(run("census", "-p", target.pid, "--by", by, "--json"))
    path = tmp_path / "census.json"
    run("census", "-p", target.pid, "-o", path)
    target.ask("make")
    check_plain(run("census", "-p", target.pid, "--every", "1", "-d", "1"))
    run("census", "-p", target.pid, "-o", tmp_path / "later.json")
    check_plain(run("census", "--diff", path, tmp_path / "later.json"))


def test_stacks(target):
    """Each line of the table is a frame, a variable, a thread or a task, whatever they are called."""
    text = check_plain(run("stacks", "-p", target.pid, "--locals", "--no-redact"))
    for line in text.splitlines():
        assert not line or re.match(r'Thread 0x|Task "|Task |  .* \(.*:\d+\)$|      .*: |note: |  \[', line), line
    known = check_json(run("stacks", "-p", target.pid, "--locals", "--no-redact", "--json"))
    assert len(known["threads"]) >= 19 and len(known["tasks"]) >= 19


def test_get(target):
    for name in ("NAMES", "NAMES[0]", "NAMES[4]", "NAMES[5]", "NAMES[16]", "INSTANCES", "CLASSES[0]"):
        check_plain(run("get", "-p", target.pid, "--no-redact", "__main__." + name))
        assert check_json(run("get", "-p", target.pid, "--no-redact", "__main__." + name, "--json"))


def test_what_is_not_there(target):
    result = run_linger("get", "-p", target.pid, "__main__.INSTANCES['\x1b[31m\u202e\x9b']")
    assert result.returncode == 1 and not forbidden(result.stderr)


KEYS = ["red \x1b[31m \x1b]0;title\x07", "; a;b;  c 7", "&#x1b;[31m &lt;b&gt; &quot;", "%s%n%d%%",
        "</script><script>window.hostile = 1</script>"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", ["text", "json", "dot"])
def test_why(target, form, key):
    found = check_json(run("get", "-p", target.pid, "__main__.INSTANCES['%s'][0]" % key, "--json"))
    data = run("why", "-p", target.pid, found["address"], "-f", form)
    check_plain(data, ALLOWED[form])
    if form == "json":
        check_json(data)
    if form == "dot" and shutil.which("dot"):
        drawn = subprocess.run(["dot", "-Tsvg"], input=data, capture_output=True, check=True).stdout
        check_plain(drawn)
        assert {element.tag for element in xml.fromstring(drawn).iter()} <= {SVG + tag for tag in DRAWN}


DRAWN = ["svg", "g", "title", "polygon", "path", "text"]
