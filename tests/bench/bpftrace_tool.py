# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bpftrace as a peer: the usual script on PyObject_Malloc, its return and PyObject_Free.

It keeps the live blocks in a map; with stacks it also sums the bytes per native stack, as such scripts do
(bpftrace knows no Python frames). An event is an allocation (entry and return together) or a free.
"""

import os
import re
import shutil

import common

SCRIPT = """
uprobe:{object}:PyObject_Malloc {{ @size[tid] = arg0; }}
uretprobe:{object}:PyObject_Malloc /@size[tid]/ {{
    @live[retval] = @size[tid];{stack}
    delete(@size[tid]);
    @events = count();
}}
uprobe:{object}:PyObject_Free {{
    delete(@live[arg0]);
    @events = count();
}}
interval:ms:500 {{ print(@events); }}
END {{ clear(@live); clear(@size); {clear} }}
"""
STACK = " @bytes[ustack(20)] = sum(@size[tid]);"
EVENTS = r"^@events: (\d+)"


def missing() -> str | None:
    return None if shutil.which("bpftrace") else "bpftrace: not installed"


class Bpftrace(common.Child):
    """bpftrace on a process, from its first counted event on."""

    def __init__(self, pid: int, stacks: bool = False) -> None:
        script = SCRIPT.format(object=common.python_object(pid), stack=STACK if stacks else "",
                               clear="clear(@bytes);" if stacks else "")
        environment = dict(os.environ, BPFTRACE_MAP_KEYS_MAX="1000000")
        super().__init__(["bpftrace", "-p", pid, "-e", script], env=environment)

    def until_ready(self) -> None:
        self.wait_for(r"^@events: [1-9]")

    def counts(self) -> list[tuple[float, int]]:
        with self.news:
            hits = [(when, re.match(EVENTS, line)) for when, line in self.lines]
        return [(when, int(hit[1])) for when, hit in hits if hit]
