# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""raw_objects.py under a seccomp filter that kills for the system call through which a function with a return probe
comes back (335, from Linux 6.11 on), as the filters of containers do that do not know it."""
import ctypes
import struct

import raw_objects
import steps

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
KILL_PROCESS, ALLOW = 0x80000000, 0x7fff0000
URETPROBE = 335


def install():
    program = b"".join(struct.pack("HBBI", *insn) for insn in (
        (LOAD_NUMBER, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, URETPROBE), (RETURN, 0, 0, KILL_PROCESS), (RETURN, 0, 0, ALLOW)))
    insns = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("HP", len(program) // 8, ctypes.addressof(insns))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, MODE_FILTER, fprog):
        raise OSError(ctypes.get_errno(), "no seccomp filter")


if __name__ == "__main__":
    install()
    steps.serve({"keep": raw_objects.keep})
