# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a build needs, and what it makes do with."""
import shutil
import subprocess
from pathlib import Path

import pytest

from linger import Target

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def minimal(tmp_path_factory):
    """linger built as on a kernel without BTF."""
    build = tmp_path_factory.mktemp("minimal")
    run = subprocess.run(["make", "-C", str(ROOT), "BUILD=%s" % build, "MINIMAL=1"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return build / "linger"


def test_the_minimal_types_will_do(minimal, system_interpreter, tmp_path):
    with Target(system_interpreter, "kinds.py") as target:
        run = subprocess.run([minimal, "record", "-p", str(target.pid), "-d", "0.5", "-o", tmp_path / "heap.folded"],
                             capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_missing_package_is_named(tmp_path):
    """dpkg-query that knows of nothing: every package is missing."""
    fake = tmp_path / "dpkg-query"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    run = subprocess.run([ROOT / "tests/setup/packages.sh", "--check", "build"], capture_output=True, text=True,
                         env={"PATH": "%s:/usr/bin:/bin" % tmp_path})
    assert run.returncode == 1
    assert "libbpf-dev" in run.stderr and "hint: " in run.stderr


def test_the_build_is_hardened():
    """What a mistake in reading hostile bytes would meet first."""
    program = ROOT / "build/linger"
    said = subprocess.run(["readelf", "-hldsW", program], capture_output=True, text=True, check=True).stdout
    assert "DYN (" in said and "GNU_RELRO" in said and "Flags: NOW PIE" in said
    assert "__stack_chk_fail" in said and "__snprintf_chk" in said
    stack = next(line for line in said.splitlines() if "GNU_STACK" in line)
    assert " RW " in stack and "RWE" not in stack


def test_little_is_linked_dynamically():
    libraries = subprocess.run([shutil.which("ldd"), ROOT / "build/linger"], capture_output=True, text=True).stdout
    assert "libbpf" not in libraries and len(libraries.splitlines()) <= 7
