# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A thread that waits in functions with all kinds of local variables. Commands: `truth`, a JSON list, innermost
first, of [function, {name: [type, text]}]; text is null of what linger does not write as repr() does."""
import json
import sys
import threading


class Session:
    def enter(self, event):
        local = self
        for number in range(3):
            if number == 1:
                event.wait()
        return local


def generate(event, session):
    kept = [event]
    yield from (session.enter(event) for _ in kept)


def outer(event, first, *rest, keyword=2.5, **others):
    shared, unbound, deleted = "shared", None, 1
    del deleted
    secret = "secret" * 10

    def inner(argument):
        nonlocal shared
        own = {"a": 1}
        shared = "changed"
        for _ in generate(event, Session()):
            argument = own
        return first, unbound, argument

    callback = inner
    return callback(secret)


def simple(value):
    if value is None or isinstance(value, (bool, int, float)) or isinstance(value, str) and len(value) <= 16:
        return repr(value)
    return None


def truth(thread):
    frames, frame = [], sys._current_frames()[thread.ident]
    while frame:
        frames.append([frame.f_code.co_name, {name: [type(value).__name__, simple(value)]
                                              for name, value in frame.f_locals.items()}])
        frame = frame.f_back
    return frames


def main():
    event = threading.Event()
    thread = threading.Thread(target=outer, args=(event, 17, "rest"), kwargs={"other": True}, daemon=True)
    thread.start()
    while not sys._current_frames()[thread.ident].f_code.co_name == "wait":
        pass
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "truth":
            break
        print(json.dumps(truth(thread)), flush=True)


main()
