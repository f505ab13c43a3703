# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Makes child processes, by fork() and by vfork(), and threads, which are no children. Command: `make`."""
import os
import threading

import steps

FORKS = 3


def make():
    for _ in range(FORKS):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    return str(FORKS + 1)


if __name__ == "__main__":
    steps.serve({"make": make})
