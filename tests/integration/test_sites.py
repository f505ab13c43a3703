# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every probe address is an instruction boundary, with objdump as the second opinion.

A breakpoint in the middle of an instruction crashes the target, so one wrong address is one too many.
"""
import subprocess

from interpreters import TESTS

LIST_SITES = TESTS.parent / "build" / "bench" / "list_sites"


def planned_sites(elf):
    """(kind, address) of the sites that linger would probe in this file."""
    run = subprocess.run([str(LIST_SITES), elf], capture_output=True, text=True, check=True)
    return [(words[0], int(words[1], 16)) for words in map(str.split, run.stdout.splitlines())]


def instructions(elf, wanted):
    """What objdump has at the wanted addresses: {address: mnemonic}. It decodes the whole file."""
    found = {}
    with subprocess.Popen(["objdump", "-d", "-w", "--no-show-raw-insn", elf], stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            address, colon, rest = line.partition(":\t")
            if colon and int(address, 16) in wanted:
                found[int(address, 16)] = rest.split()[0]
    assert run.returncode == 0
    return found


def test_sites_are_instruction_boundaries(interpreter):
    sites = planned_sites(interpreter.elf)
    kinds = {kind for kind, _ in sites}
    assert {"push", "slow"} <= kinds
    # Plain builds before 3.9 have one allocating function, slow path and all; its callers are what is probed.
    assert "pop" in kinds or interpreter.version < (3, 9)
    decoded = instructions(interpreter.elf, {address for _, address in sites})
    inside = ["%s %#x" % site for site in sites if site[1] not in decoded or decoded[site[1]] == "(bad)"]
    assert not inside, "not at an instruction: " + ", ".join(inside)
