# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The interpreters that the tests trace, found on this machine. What is missing is named, never left out."""
import functools
import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional, Tuple

SYSTEM_PYTHON = "/usr/bin/python3"
TESTS = Path(__file__).resolve().parent.parent
BUILD = TESTS.parent / "build" / "tests"
CACHE = Path(os.environ.get("LINGER_TEST_CACHE", "/var/cache/linger-tests"))
SUITES = ("bullseye", "trixie", "forky")
OLDEST = (3, 7)


@dataclass(frozen=True)
class Interpreter:
    id: str
    kind: str  # static or shared: whether the allocator is in the program or in libpython
    command: Tuple[str, ...] = ()
    root: str = "/"  # of the mount tree that the command sees
    version: Tuple[int, ...] = ()
    elf: str = ""  # the file that holds the allocator
    missing: Optional[str] = None  # why it cannot be run
    has_ctypes: bool = True

    @property
    def supported(self):
        return self.version >= OLDEST


def clean_environment(**extra):
    """What targets run in: nothing that changes the allocator, the same hashes in every run."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/",
                   "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.update(extra)
    return environment


def ask(command, code):
    run = subprocess.run([*command, "-c", code], env=clean_environment(), capture_output=True, text=True, timeout=60)
    if run.returncode:
        raise OSError(run.stderr.strip() or "exit status %d" % run.returncode)
    return run.stdout.strip()


def allocator_file(program):
    """libpython where the program is linked with it, else the program."""
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    found = re.search(r"libpython3\S* => (\S+)", linked)
    return os.path.realpath(found.group(1) if found else program)


def inside(root, path):
    """The path outside of what is `path` under root, its links followed as seen from within."""
    return root + subprocess.run(["chroot", root, "readlink", "-f", path], capture_output=True, text=True,
                                 check=True).stdout.strip()


def describe(name, command, root="/"):
    try:
        version = ask(command, "import sys; print(*sys.version_info[:3])")
        elf = allocator_file(command[0]) if root == "/" else inside(root, command[-1])
    except (OSError, subprocess.SubprocessError) as error:
        return Interpreter(name, "static", missing="%s does not run: %s" % (" ".join(command), error))
    kind = "shared" if "libpython" in elf else "static"
    return Interpreter(name, kind, tuple(command), root, tuple(map(int, version.split())), elf)


def system():
    if not os.path.exists(SYSTEM_PYTHON):
        return Interpreter("system", "static", missing="no " + SYSTEM_PYTHON)
    return describe("system", (SYSTEM_PYTHON,))


def suite(name):
    root = CACHE / name
    if not (root / ".done").exists():
        return Interpreter(name, "static", missing="no %s: tests/setup/roots.sh could not make it" % root)
    return describe(name, ("chroot", str(root), "/usr/bin/python3"), str(root))


def musl():
    program = CACHE / "musl" / "python"
    if not (CACHE / "musl" / ".done").exists():
        return Interpreter("musl", "static", missing="no %s: tests/setup/musl.sh could not build it" % program)
    return replace(describe("musl", (str(program),)), has_ctypes=False)


def compile_embedding(source, program, version):
    """Compiled aside and moved: another test run may have the old one in execution."""
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_name("%s.%d" % (program.name, os.getpid()))
    command = ["gcc", "-O2", str(source), "-I/usr/include/python" + version, "-lpython" + version, "-o", str(fresh)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    fresh.rename(program)


def embedded():
    """A program linked with Debian's shared libpython: what Docker's python images look like."""
    version = "%d.%d" % system().version[:2] if system().version else "3"
    if not os.path.exists("/usr/include/python%s/Python.h" % version):
        return Interpreter("embedded", "shared", missing="no libpython%s-dev" % version)
    program = BUILD / ("embed-" + version)
    try:
        compile_embedding(TESTS / "targets" / "embed.c", program, version)
    except subprocess.CalledProcessError as error:
        return Interpreter("embedded", "shared", missing="embed.c does not compile: " + error.stderr.strip())
    except FileNotFoundError:
        return Interpreter("embedded", "shared", missing="no gcc")
    return describe("embedded", (str(program),))


def pyenv():
    versions = Path.home() / ".pyenv" / "versions"
    found = sorted(versions.glob("3.*/bin/python3"), key=lambda path: [*map(int, re.findall(r"\d+", path.parts[-3]))])
    if not found:
        return [Interpreter("pyenv", "shared", missing="no %s/3.*" % versions)]
    return [describe("pyenv-" + path.parts[-3], (str(path),)) for path in found]


@functools.lru_cache(maxsize=None)
def all_interpreters():
    return [system(), embedded(), *map(suite, SUITES), musl(), *pyenv()]


def find(name):
    """By id, for the command line."""
    for interpreter in all_interpreters():
        if interpreter.id == name:
            if interpreter.missing:
                raise SystemExit("%s: %s" % (name, interpreter.missing))
            return interpreter
    raise SystemExit("no interpreter '%s'; there are: %s" % (name, " ".join(i.id for i in all_interpreters())))
