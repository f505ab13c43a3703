# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holds what a profile says to what a truth program says of itself. No I/O.

A profile here is the list of the entries of the object domain: dictionaries with at least `frames` (root first;
function, file, line) and `inuse_bytes`. A truth is {leak: {"lines", "items", "blocks", "bytes"}}.
"""
import math
from dataclasses import dataclass
from typing import Dict, List, Optional

WITHIN = 0.25
MANY_SURVIVORS = 50


@dataclass
class Estimate:
    """What a profile says of one leak; the interval is its 95 % one."""
    leak: str
    true_bytes: int
    bytes: int
    low_bytes: float
    high_bytes: float
    survivors: int
    growing: bool

    @property
    def error(self):
        return self.bytes / self.true_bytes - 1

    @property
    def has_many(self):
        return self.survivors >= MANY_SURVIVORS

    @property
    def is_within(self):
        return abs(self.error) <= WITHIN

    @property
    def holds_truth(self):
        return self.low_bytes <= self.true_bytes <= self.high_bytes


@dataclass
class Verdict:
    """Of one run. `ranked` is None for a program without a leak, `growing` the bytes that it is said to grow by."""
    ranked: Optional[bool]
    estimates: List[Estimate]
    top: str
    growing_bytes: int = 0

    @property
    def passed(self):
        return self.ranked if self.estimates else not self.growing_bytes


def growth(before, after):
    """The truth of the time between two truths."""
    return {leak: dict(after[leak], **{what: after[leak][what] - before[leak][what]
                                       for what in ("items", "blocks", "bytes")}) for leak in after}


def innermost_line(frames, path):
    """The line of the program's own that is nearest to the allocation, or None."""
    return next((frame["line"] for frame in reversed(frames) if frame["file"] == path), None)


def place(frames, path):
    """(file, line) of the frame that an entry counts for: the program's innermost, else the innermost."""
    line = innermost_line(frames, path)
    if line is not None:
        return path, line
    return (frames[-1]["file"], frames[-1]["line"]) if frames else ("", 0)


def ranking(entries, path):
    """Places by bytes, the largest first."""
    totals: Dict[tuple, int] = {}
    for entry in entries:
        where = place(entry["frames"], path)
        totals[where] = totals.get(where, 0) + entry["inuse_bytes"]
    return sorted(totals, key=totals.get, reverse=True)


def is_ranked(places, truth, path):
    """The largest leak's line is first; the next place that is none of its lines is the second leak's."""
    for leak in sorted(truth, key=lambda leak: truth[leak]["bytes"], reverse=True):
        lines = [(path, line) for line in truth[leak]["lines"]]
        if not places or places[0] not in lines:
            return False
        places = [where for where in places if where not in lines]
    return True


def passes_through(entry, lines, path):
    return any(frame["file"] == path and frame["line"] in lines for frame in entry["frames"])


def root_sum_square(distances):
    return math.sqrt(sum(distance * distance for distance in distances))


def estimate(entries, leak, truth, path):
    """All of a leak's stacks and ages together; the errors of the entries are taken as independent."""
    own = [entry for entry in entries if passes_through(entry, truth["lines"], path)]
    size = sum(entry["inuse_bytes"] for entry in own)
    below = root_sum_square(entry["inuse_bytes"] - entry["low_bytes"] for entry in own)
    above = root_sum_square(entry["high_bytes"] - entry["inuse_bytes"] for entry in own)
    return Estimate(leak, truth["bytes"], size, size - below, size + above,
                    sum(entry["survivors"] for entry in own), any(entry["growing"] for entry in own))


def judge(stats, truth, path):
    """A sampled recording against what its target leaked meanwhile."""
    entries = [entry for entry in stats["stacks"] if entry["domain"] == "object"]
    old = [entry for entry in entries if entry["group"] is None]
    counted = [entry for entry in entries if entry["group"] in (None, "young")]
    places = ranking(old, path)
    top = "%s:%d" % places[0] if places else "nothing"
    growing = sum(entry["inuse_bytes"] for entry in old if entry["growing"])
    if not truth:
        return Verdict(None, [], top, growing)
    return Verdict(is_ranked(places, truth, path),
                   [estimate(counted, leak, truth[leak], path) for leak in truth], top, growing)
