# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One run of number_taken (ends.py), in a pid namespace of its own: reuse.py SEED. Prints what was met.

linger records a process, which is killed, and its number goes to the next at once. The two run different programs, so
their stacks tell whose they are.
"""
import random
import re
import signal
import subprocess
import sys

from harness import MODES, Linger, Unharmed, options_of, rest, scratch
from interpreters import SYSTEM_PYTHON, clean_environment

OTHER = ("import mmap\n"
         "def other():\n"
         "    global keep\n"
         "    keep = [[object() for _ in range(100)], mmap.mmap(-1, 65536), bytes(5000)]\n"
         "print('ready', flush=True)\nwhile True: other()\n")


def start_other(pid):
    """With this number, which is free."""
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(pid - 1))
    other = subprocess.Popen([SYSTEM_PYTHON, "-S", "-c", OTHER], stdout=subprocess.PIPE, env=clean_environment())
    assert other.pid == pid, "the number went to another"
    return other


def whose(folder):
    """The functions of both programs that the profile knows, by program."""
    text = (folder / "heap.folded").read_text()
    marks = (("first", r"unharmed\.py:"), ("second", r"\bother \(<string>:"))
    return {name for name, mark in marks if re.search(mark, text)}


def main(seed):
    moment = random.Random(seed)
    mode = moment.choice(list(MODES))
    with Unharmed() as target, scratch() as folder, Linger(folder, target.pid, *options_of(mode), mode=mode) as linger:
        rest(moment, 0.6)
        target.process.kill()
        target.process.wait()
        other = start_other(target.pid)
        rest(moment, 0.5)
        if linger.process.poll() is None:
            linger.process.send_signal(signal.SIGINT)
        met = linger.check_end()
        seen = whose(folder) if met == "recorded" else set()
        assert other.poll() is None, "the other program ended"
        other.kill()
        other.wait()
    assert len(seen) <= 1, "one profile of two programs"
    print("%s: %s" % (mode, met + "".join(", the %s" % name for name in seen)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
