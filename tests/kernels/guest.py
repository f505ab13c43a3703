# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""pytest in a guest: each result goes to the host as a line of JSON, through the serial port that the kernel keeps out
of. What this kernel has no feature for is skipped by the feature's name."""
import functools
import json
import os
import tty

import pytest

from linger import run_linger

PORT = os.open(os.environ["LINGER_GUEST_PORT"], os.O_WRONLY | os.O_NOCTTY)
WORDS = 3000  # of a failure, its end
# Where probes go out one by one they do so after linger's end, and a process of its own sees to it: test_detaching.py.
AT_ONCE = ("test_a_recording_leaves_no_breakpoint", "test_nothing_is_left_behind")


def send(**message):
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(PORT, data):]


@functools.lru_cache(maxsize=None)
def features():
    doctor = json.loads(run_linger("doctor", "--json").stdout)
    return {feature["name"]: feature["present"] for feature in doctor["features"]}


def pytest_configure(config):
    config.addinivalue_line("markers", "needs_feature(name): of those that the doctor asks the kernel for")
    tty.setraw(PORT)
    send(begins=os.uname().release)


def needed_features(item):
    yield from (marker.args[0] for marker in item.iter_markers("needs_feature"))
    is_sampled = item.path.name == "test_sampled.py" and "without_uprobe_multi" not in item.name
    if is_sampled or item.originalname in AT_ONCE:
        yield "uprobe_multi"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for name in needed_features(item):
        if not features()[name]:
            pytest.skip("this kernel has no " + name)


def reason(report):
    if isinstance(report.longrepr, tuple):  # of a skip: file, line, words
        return report.longrepr[2]
    return report.longreprtext[-WORDS:]


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        send(check=os.path.basename(report.nodeid), outcome=report.outcome, why=reason(report),
             seconds=round(report.duration, 1), numbers=dict(report.user_properties))


def pytest_sessionfinish(exitstatus):
    send(ends=int(exitstatus))
