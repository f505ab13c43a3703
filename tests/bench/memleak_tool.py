# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bcc's memleak as a peer: the one in C (CO-RE, from libbpf-tools) or the one in Python (bpfcc-tools).

The first is in libbpf-tools of Debian 13, not of 12. The second compiles its program when it starts and wants the
kernel's headers. It uses nothing of them but the layout of the user's registers, which is the same in every
kernel; so where the running kernel's are not installed any other's do, laid together as bcc expects them.
memleak runs with its own defaults: a report every five seconds, which no measurement here is long enough to meet twice.
"""

import contextlib
import functools
import os
import pathlib
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator

import common

REPORT = r"Top \d+ stacks with outstanding"
SOURCES = pathlib.Path("/usr/src")


def core_command() -> list[str] | None:
    if os.environ.get("MEMLEAK"):
        return shlex.split(os.environ["MEMLEAK"])
    found = shutil.which("memleak-libbpf") or shutil.which("memleak")
    return [found] if found else None


def own_headers() -> bool:
    modules = pathlib.Path("/lib/modules", os.uname().release, "build")
    return modules.exists() or pathlib.Path("/sys/kernel/kheaders.tar.xz").exists()


def lay_headers(folder: str) -> bool:
    """Debian's two packages of headers, of whatever kernel, as links in one folder."""
    for special in sorted(SOURCES.glob("linux-headers-*-amd64")):
        shared = SOURCES / special.name.replace("-amd64", "-common")
        if shared.exists():
            for part in (shared, special):
                # What both have is the same, and cp says so.
                subprocess.run(["cp", "-as", f"{part}/.", folder], stderr=subprocess.DEVNULL, check=False)
            return True
    return False


@contextlib.contextmanager
def attached(command: list[str], pid: int, **variables: str) -> Iterator[None]:
    # It prints to what is no terminal.
    argv = ["stdbuf", "-oL", *command, "-p", str(pid)]
    with common.Child(argv, env=dict(os.environ, **variables)) as tracer:
        tracer.wait_for(REPORT, 30)
        yield
        tracer.end()


@contextlib.contextmanager
def attached_with_headers(command: list[str], pid: int) -> Iterator[None]:
    with common.scratch() as folder:
        lay_headers(folder)
        with attached(command, pid, BCC_KERNEL_SOURCE=folder):
            yield


def runs(attach: Callable) -> str | None:
    """None, or why it does not: the tool is there, but will it run here?"""
    try:
        with common.JsonLoop([common.PYTHON]) as loop, attach(loop.pid):
            return None
    except common.Failed as failure:
        return str(failure)


def candidates() -> Iterator[tuple[str, Callable]]:
    core = core_command()
    if core:
        yield "memleak, CO-RE", functools.partial(attached, core)
    python = shutil.which("memleak-bpfcc")
    if python and own_headers():
        yield "memleak, bcc", functools.partial(attached, [python])
    elif python and any(SOURCES.glob("linux-headers-*-common")):
        yield "memleak, bcc", functools.partial(attached_with_headers, [python])


@functools.lru_cache(maxsize=None)
def find() -> tuple[str, Callable | None]:
    """Its name and how to attach it; the first that runs. None is a skip, and says why."""
    reasons = []
    for name, attach in candidates():
        common.progress(f"trying {name}")
        reason = runs(attach)
        if reason is None:
            return name, attach
        reasons.append(f"{name}: {reason}")
    common.skip("; ".join(reasons) or "memleak: neither libbpf-tools' nor bpfcc-tools' with kernel headers is installed")
    return "memleak", None
