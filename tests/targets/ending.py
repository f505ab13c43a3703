# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Targets that do not stay: `exit` ends the process, `exec` replaces it by the same program anew, `fork` makes children
that end at once."""
import os
import sys

import steps

KEEP = []


def build():
    KEEP.append([bytes(100) for _ in range(5000)])


def replace():
    os.execv(sys.executable, [sys.executable, os.path.abspath(__file__)])


def fork(count):
    for _ in range(int(count)):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    steps.serve({"build": build, "exit": lambda: os._exit(3), "exec": replace, "fork": fork})
