# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the kernel shows of a target from outside: thread states and the bytes of its text."""
import os
import threading
import time
from pathlib import Path

SAMPLE_S = 0.0005


class StateSampler:
    """Collects the states of all threads of a process, a few hundred times a second, while it is entered."""

    def __init__(self, pid):
        self.tasks = Path("/proc/%d/task" % pid)
        self.states, self.samples = set(), 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def sample(self):
        files = [os.open(task / "stat", os.O_RDONLY) for task in self.tasks.iterdir()]
        while not self.ended.is_set():
            for file in files:
                # After the name, which may hold anything, comes the state.
                self.states.add(os.pread(file, 512, 0).rpartition(b")")[2].split()[0].decode())
                self.samples += 1
            time.sleep(SAMPLE_S)
        for file in files:
            os.close(file)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.ended.set()
        self.thread.join()


def text_mappings(pid):
    """(start, end, offset, link to the file) of the executable mappings of files."""
    for line in Path("/proc/%d/maps" % pid).read_text().splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/"):
            start, end = (int(part, 16) for part in fields[0].split("-"))
            yield start, end, int(fields[2], 16), "/proc/%d/map_files/%x-%x" % (pid, start, end)


def changed_text(pid):
    """Addresses at which the text of a process is not what its file says: breakpoints."""
    changed = []
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for start, end, offset, path in text_mappings(pid):
            with open(path, "rb", buffering=0) as file:
                in_file = os.pread(file.fileno(), end - start, offset)
            in_memory = os.pread(memory.fileno(), len(in_file), start)
            changed += [start + i for i in differing(in_file, in_memory)]
    return changed


def differing(left, right, block=4096):
    for start in range(0, len(left), block):
        if left[start:start + block] != right[start:start + block]:
            yield from (start + i for i, pair in enumerate(zip(left[start:start + block], right[start:start + block]))
                        if pair[0] != pair[1])
