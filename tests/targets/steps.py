# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The command loop of every target: one line in, one line out, so that no test guesses at timing.

What the loop allocates dies before the next line is read: os.read takes its buffer from malloc (it is larger
than 512 bytes when asked for), and everything else is a temporary. So the difference of two truths holds the
work alone.
"""
import os
import sys


def reply(text):
    data = text.encode() + b"\n"
    while data:
        data = data[os.write(1, data):]


def truth():
    """What the interpreter says it holds: the block count, and the pool table on standard error.

    sys.getallocatedblocks() counts the blocks that pymalloc passed on to malloc too; the table of
    sys._debugmallocstats() is exact per size class. The harness reads it from the file behind descriptor 2.
    """
    blocks = sys.getallocatedblocks()
    sys._debugmallocstats()
    return str(blocks)


def serve(commands):
    """Answers lines `COMMAND ARGUMENT...` until standard input ends. A command returns a string or None."""
    known = {"truth": truth}
    known.update(commands)
    reply("ready")
    while True:
        line = os.read(0, 4096)
        if not line:
            return
        words = line.decode().split()
        reply(known[words[0]](*words[1:]) or "done")
