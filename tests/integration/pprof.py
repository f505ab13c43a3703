# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Reads pprof's format by its definition alone: an oracle that shares no code with linger."""
import gzip
from typing import Dict, List, NamedTuple, Tuple, Union

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Line(NamedTuple):
    function: str
    file: str
    line: int
    first_line: int


class Sample(NamedTuple):
    stack: Tuple[Line, ...]  # root first
    values: Dict[str, int]
    labels: Dict[str, Union[str, int]]


class Profile(NamedTuple):
    types: List[Tuple[str, str]]
    default: str
    samples: List[Sample]
    mappings: List[Tuple[str, str]]
    comments: List[str]
    time_ns: int
    duration_ns: int


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """{number: [value, ...]}: integers, and bytes for everything with a length."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        assert kind in (VARINT, BYTES), "pprof has no fields of kind %d" % kind
        value, at = varint(data, at)
        if kind == BYTES:
            size, value = value, data[at:at + value]
            assert len(value) == size, "a field goes beyond the end"
            at += size
        found.setdefault(key >> 3, []).append(value)
    return found


def integers(values):
    """A repeated number, packed or not."""
    for value in values:
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            number, at = varint(value, at)
            yield number


def one(message, number):
    return message.get(number, [0])[-1]


def records(message, number):
    return [fields(data) for data in message.get(number, [])]


def lines_of(message, strings):
    """{location id: its lines, callee first}."""
    functions = {one(f, 1): f for f in records(message, 5)}
    locations = {}
    for location in records(message, 4):
        lines = []
        for line in records(location, 4):
            function = functions[one(line, 1)]
            lines.append(Line(strings[one(function, 2)], strings[one(function, 4)], one(line, 2), one(function, 5)))
        assert one(location, 1) not in locations
        locations[one(location, 1)] = lines
    return locations


def read(data):
    message = fields(gzip.decompress(data))
    strings = [text.decode() for text in message[6]]
    assert strings[0] == "" and len(set(strings)) == len(strings)
    types = [(strings[one(t, 1)], strings[one(t, 2)]) for t in records(message, 1)]
    locations = lines_of(message, strings)
    samples = []
    for sample in records(message, 2):
        leaf_first = [line for number in integers(sample.get(1, [])) for line in locations[number]]
        values = dict(zip((name for name, _ in types), integers(sample[2])))
        labels = {strings[one(label, 1)]: strings[one(label, 2)] or one(label, 3) for label in records(sample, 3)}
        samples.append(Sample(tuple(reversed(leaf_first)), values, labels))
    return Profile(types, strings[one(message, 14)], samples,
                   [(strings[one(m, 5)], strings[one(m, 6)]) for m in records(message, 3)],
                   [strings[i] for i in integers(message.get(13, []))], one(message, 9), one(message, 10))


def folded_frame(line):
    name = line.function or "?"
    if line.file:
        name += " (%s:%d)" % (line.file, line.line) if line.line else " (%s)" % line.file
    return name.replace(";", ":")


def folded(profile, value):
    """The lines that folded stacks of the same samples have, sorted."""
    stacks = {}
    for sample in profile.samples:
        names = ["[%s]" % sample.labels["domain"], *map(folded_frame, sample.stack)]
        stack = ";".join(names)
        stacks[stack] = stacks.get(stack, 0) + sample.values[value]
    return sorted("%s %d" % (stack, weight) for stack, weight in stacks.items() if weight)
