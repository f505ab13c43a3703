# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whether a file was opened, by whoever, as inotify tells."""
import ctypes
import os

IN_OPEN = 0x20
libc = ctypes.CDLL(None, use_errno=True)


class Openings:
    """Those of a file from now on; looking at what it is (O_PATH, stat) is none."""

    def __init__(self, path):
        self.inotify = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.inotify < 0 or libc.inotify_add_watch(self.inotify, os.fsencode(path), IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def any(self):
        try:
            return bool(os.read(self.inotify, 4096))
        except BlockingIOError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        os.close(self.inotify)
