# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The line of every instruction of the standard library, as user/line_table.c and the interpreter see it."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DUMP = ROOT / "tests/targets/dump_line_tables.py"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if not compiler:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("line_table") / "driver"
    subprocess.run(
        [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra"]
        + ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
        + ["-I", ROOT / "headers", "-I", ROOT / "user", "-o", program]
        + [ROOT / "tests/targets/line_table_driver.c", ROOT / "user/line_table.c"],
        check=True,
    )
    return program


def dump(interpreter, path, **environment):
    """The script goes in by standard input, because a chroot cannot see it."""
    with open(DUMP) as script, open(path, "w") as output:
        result = subprocess.run([*interpreter.command, "-"], stdin=script, stdout=output, stderr=subprocess.PIPE,
                                text=True, env=dict(os.environ, **environment), check=False)
    assert result.returncode == 0, result.stderr


def compare(driver, path):
    with open(path) as dumped:
        result = subprocess.run([driver], stdin=dumped, capture_output=True, text=True, check=False)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    codes, instructions = [int(word) for word in result.stdout.split() if word.isdigit()][:2]
    assert codes > 5000 and instructions > 200000, result.stdout


@pytest.mark.needs_ctypes
def test_standard_library(driver, tmp_path, interpreter):
    dump(interpreter, tmp_path / "dump.txt")
    compare(driver, tmp_path / "dump.txt")


@pytest.mark.needs_ctypes
def test_without_columns(driver, tmp_path, interpreter):
    """Location tables without columns consist of other kinds of entries."""
    if interpreter.version < (3, 11):
        pytest.skip("3.11 was the first version with columns")
    dump(interpreter, tmp_path / "dump.txt", PYTHONNODEBUGRANGES="1")
    compare(driver, tmp_path / "dump.txt")
