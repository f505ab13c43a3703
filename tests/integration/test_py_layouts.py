# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The offsets of user/py_layouts.c, tried out on each interpreter's own memory."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECK = ROOT / "tests/targets/check_layout.py"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if not compiler:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("py_layouts") / "driver"
    subprocess.run(
        [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra"]
        + ["-I", ROOT / "headers", "-I", ROOT / "user", "-o", program]
        + [ROOT / "tests/targets/layout_driver.c", ROOT / "user/py_layouts.c"],
        check=True,
    )
    return program


def run_in(interpreter, *words):
    """The script goes in by standard input, because a chroot cannot see it."""
    with open(CHECK) as script:
        result = subprocess.run([*interpreter.command, "-", *words], stdin=script, capture_output=True, text=True,
                                check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.needs_ctypes
def test_own_memory(driver, interpreter):
    runtime = bytes.fromhex(run_in(interpreter))
    layout = subprocess.run([driver, str(interpreter.version[1])], input=runtime, stdout=subprocess.PIPE, check=True)
    assert run_in(interpreter, *layout.stdout.decode().split()) == "ok"
