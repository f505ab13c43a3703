# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A target owns its root directory and every name in it, and may write where linger is to write. None of this makes
linger open or write what lies outside, or wait.

With CAP_SYS_ADMIN linger opens the target's files through the kernel's own links; without, by name. Both are tried.
"""
import os
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from linger import LINGER, TIMEOUT_S, Target, run_linger
from watching import Openings

ANYBODY = 65534  # a user that owns nothing
BY_NAME = "--bounding-set=-all,+bpf,+perfmon,+sys_ptrace,+dac_read_search,+sys_resource"


def stacks(pid, by_name):
    if by_name:
        return run_linger(BY_NAME, LINGER, "stacks", "-p", pid, program="setpriv")
    return run_linger("stacks", "-p", pid)


def shows_stacks(run):
    return run.returncode == 0 and "steps.py" in run.stdout


def is_refused(run):
    return run.returncode == 2 and "it is not a Python process" in run.stderr


def run_in(pid, *command):
    """In the mount namespace of a process."""
    subprocess.run(["nsenter", "-t", str(pid), "-m", *map(str, command)], check=True, timeout=TIMEOUT_S)


@pytest.fixture
def static_interpreter(system_interpreter):
    if system_interpreter.kind != "static":
        pytest.skip("the system's interpreter is not one file")
    return system_interpreter


@pytest.fixture
def own(static_interpreter, tmp_path):
    """An interpreter in a directory of its own, and in a mount namespace of its own."""
    program = tmp_path / "place/python"
    program.parent.mkdir()
    shutil.copy(static_interpreter.elf, program)
    return replace(static_interpreter, command=("unshare", "-m", str(program)), elf=str(program))


def start(interpreter):
    return Target(interpreter, "busy_stacks.py", PYTHONHOME="/usr")


# --- what the target has in the place of its files ------------------------------------------------------------


def make_pipe(place, outside):
    os.mkfifo(place)


def make_device(place, outside):
    os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 8))  # /dev/random


def make_link(place, outside):
    place.symlink_to(outside)


def make_magic_link(place, outside):
    place.symlink_to("/proc/self/cwd/../../../../../../../.." + str(outside))


def make_other_file(place, outside):
    shutil.copy(outside, place)


def make_nothing(place, outside):
    pass


IN_PLACE = [make_pipe, make_device, make_link, make_magic_link, make_other_file, make_nothing]


def cover(pid, program):
    """Mounts something else over its directory; the kernel names the program as before."""
    run_in(pid, "mount", "-t", "tmpfs", "none", os.path.dirname(program))
    return Path("/proc/%d/root" % pid + program)


def delete(pid, program):
    """From now on the kernel names it so."""
    os.unlink(program)
    return Path(program + " (deleted)")


@pytest.mark.parametrize("by_name", [False, True], ids=["by_link", "by_name"])
@pytest.mark.parametrize("make", IN_PLACE)
@pytest.mark.parametrize("clear", [cover, delete])
def test_what_takes_the_place_of_the_program(own, tmp_path, clear, make, by_name):
    """The kernel's link leads to the program all the same; by name there is nothing that could be trusted."""
    outside = tmp_path / "outside"
    shutil.copy(own.elf, outside)
    with start(own) as target:
        assert shows_stacks(stacks(target.pid, by_name)), "it can be read before"
        make(clear(target.pid, own.elf), outside)
        with Openings(outside) as openings:
            run = stacks(target.pid, by_name)
            opened = openings.any()
    assert is_refused(run) if by_name else shows_stacks(run), run
    assert not opened


@pytest.fixture
def rooted(static_interpreter, tmp_path):
    """The same in a root file system of its own, as containers have."""
    root = tmp_path / "root"
    for name in ("tmp", "usr", "lib", "lib64", "opt", "proc", "dev", "old"):
        (root / name).mkdir(parents=True)
    shutil.copy(static_interpreter.elf, root / "opt/python")
    mounts = "".join("mount --bind /%s %s/%s; " % (name, root, name) for name in ("usr", "lib", "lib64", "dev"))
    return replace(static_interpreter, root=str(root), command=(
        "unshare", "-m", "sh", "-ec", mounts + 'mount -t proc proc %s/proc; mount --rbind %s %s; cd %s; '
        'pivot_root . old; umount -l old; exec "$@"' % (root, root, root, root), "sh", "/opt/python"))


@pytest.mark.parametrize("make", [make_link, make_magic_link])
def test_no_link_leads_out_of_the_root_of_the_target(rooted, tmp_path, make):
    outside = tmp_path / "outside"
    shutil.copy(tmp_path / "root/opt/python", outside)
    with start(rooted) as target:
        assert shows_stacks(stacks(target.pid, True)), "it can be read before"
        make(cover(target.pid, "/opt/python"), outside)
        with Openings(outside) as openings:
            run = stacks(target.pid, True)
            assert is_refused(run) and not openings.any(), run


@pytest.mark.parametrize("by_name", [False, True], ids=["by_link", "by_name"])
def test_the_same_number_on_another_device(own, tmp_path, by_name):
    """Two file systems that number their files alike, and one mounted over the other."""
    place, outside = tmp_path / "place", tmp_path / "outside"
    shutil.copy(own.elf, outside)
    script = 'mount -t tmpfs none %s; cp %s %s/python; exec %s/python "$@"' % (place, outside, place, place)
    own = replace(own, command=("unshare", "-m", "sh", "-ec", script, "sh"))
    with start(own) as target:
        assert shows_stacks(stacks(target.pid, by_name)), "it can be read before"
        run_in(target.pid, "mount", "-t", "tmpfs", "none", place)
        run_in(target.pid, "cp", outside, place / "python")
        numbers = {os.stat("/proc/%d/%s" % (target.pid, name)).st_ino for name in ("exe", "root%s/python" % place)}
        run = stacks(target.pid, by_name)
    assert len(numbers) == 1, "the test does not test what it should"
    assert is_refused(run) if by_name else shows_stacks(run), run


@pytest.mark.parametrize("by_name", [False, True], ids=["by_link", "by_name"])
def test_a_program_on_overlayfs(own, tmp_path, by_name):
    """stat and maps tell different devices there."""
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    shutil.move(own.elf, tmp_path / "lower/python")
    script = ("mount -t overlay overlay -o lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work {0}/place; "
              'exec {0}/place/python "$@"').format(tmp_path)
    own = replace(own, command=("unshare", "-m", "sh", "-ec", script, "sh"))
    with start(own) as target:
        run = stacks(target.pid, by_name)
    assert shows_stacks(run), run


# --- where linger writes --------------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path):
    """A directory like /tmp, which others can make files in."""
    tmp_path.chmod(0o1777)
    return tmp_path


def is_refused_output(run):
    return run.returncode == 1 and "others can replace it" in run.stderr


def write_stacks(pid, path, *options):
    return run_linger("stacks", "-p", pid, "-o", path, *options)


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_a_pipe_that_another_user_put_in_the_place_of_the_output(static_interpreter, shared, options):
    place = shared / "out"
    os.mkfifo(place)
    os.chown(place, ANYBODY, ANYBODY)
    with start(static_interpreter) as target:
        assert is_refused_output(write_stacks(target.pid, place, *options))


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_a_link_to_a_device_that_another_user_put_there(static_interpreter, tmp_path, options):
    """In a directory of theirs even a link of root's may be another one in a moment."""
    place = tmp_path / "out"
    place.symlink_to("/dev/null")
    os.chown(tmp_path, ANYBODY, ANYBODY)
    with start(static_interpreter) as target:
        assert is_refused_output(write_stacks(target.pid, place, *options))


def test_a_link_to_a_file_is_replaced_and_not_followed(static_interpreter, shared):
    place, outside = shared / "out", shared / "outside"
    outside.write_text("untouched")
    place.symlink_to(outside)
    os.chown(place, ANYBODY, ANYBODY, follow_symlinks=False)
    with start(static_interpreter) as target:
        assert write_stacks(target.pid, place).returncode == 1
        assert write_stacks(target.pid, place, "--force").returncode == 0
    assert outside.read_text() == "untouched" and not place.is_symlink()


def test_a_second_name_of_a_file_is_replaced_and_not_written_to(static_interpreter, shared):
    place, outside = shared / "out", shared / "outside"
    outside.write_text("untouched")
    os.link(outside, place)
    with start(static_interpreter) as target:
        assert write_stacks(target.pid, place, "--force").returncode == 0
    assert outside.read_text() == "untouched" and "steps.py" in place.read_text()
