# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A busy loop that knows the longest time it did not run. Line `gap`: prints it (seconds) and starts anew.

Time that the kernel's scheduler gave to others is not counted: a busy machine is not a stopped target.
"""
import os
import select
import time

import steps

SCHEDSTAT = os.open("/proc/thread-self/schedstat", os.O_RDONLY)


def waited():
    """Seconds that this thread could have run and had no processor."""
    return int(os.pread(SCHEDSTAT, 100, 0).split()[1]) / 1e9


def longest_gap():
    """Runs until a command is there to be read."""
    longest, rounds = 0.0, 0
    before, waited_before = time.perf_counter(), waited()
    while True:
        _ = [{}, [rounds], str(rounds)]
        now, waited_now = time.perf_counter(), waited()
        longest = max(longest, now - before - (waited_now - waited_before))
        before, waited_before = now, waited_now
        rounds += 1
        if rounds % 64 == 0 and select.select([0], [], [], 0)[0]:
            return longest


def main():
    steps.reply("ready")
    while True:
        longest = longest_gap()
        if not os.read(0, 4096):
            return
        steps.reply(repr(longest))


if __name__ == "__main__":
    main()
