# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The raw domain against the books that the target keeps itself: exact, in every function, thread and allocator.

raw_calls.py says who owns what. A Python function of its own (or a named native thread) makes each kind of call,
so each frame of the profile is held to its own numbers; while the interpreter stands still, so is the total.
"""
import glob
import json
import re

import pytest

from linger import BOOKS, Recording, Target, run_linger

VALUES = tuple(BOOKS)
OPERATIONS = 8000  # of each native thread while the interpreter stands still
NATIVE = re.compile(r"\[native thread (.*)\]")
IN_FOLDED = {"odd; name (1:2)": "odd: name (1:2)"}  # a folded line ends frames at ';'

# Debian's names of the libraries; the functions that an allocator does not have are libc's.
LIBRARIES = "/usr/lib/x86_64-linux-gnu/"
ALLOCATORS = {"jemalloc": "libjemalloc.so.?", "tcmalloc": "libtcmalloc_minimal.so.?", "mimalloc": "libmimalloc.so.?"}
NOT_THEIRS = {"glibc": set(), "jemalloc": {"reallocarray", "pvalloc", "strdup"},
              "tcmalloc": {"reallocarray", "strdup"}, "mimalloc": {"strdup"}}

# glibc at its worst: one heap for all threads and no caches of their own, so that what one thread frees, inside
# realloc too, is what another one is given in the same instant.
ONE_HEAP = {"MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


def preloaded(allocator):
    """The environment that puts an allocator in libc's place."""
    if allocator == "glibc":
        return {}
    found = sorted(glob.glob(LIBRARIES + ALLOCATORS[allocator]))
    if not found:
        pytest.skip("no %s%s: tests/setup/packages.sh could not install it" % (LIBRARIES, ALLOCATORS[allocator]))
    return {"LD_PRELOAD": found[-1]}


def by_name(profile):
    """Weight of each function of the target that is the innermost one, and of each native thread."""
    totals = {}
    for frames, weight in profile.stacks.get("raw", ()):
        native = NATIVE.fullmatch(frames[0]) if len(frames) == 1 else None
        leaf = re.fullmatch(r"(\w+) \(.*/raw_calls\.py:\d+\)", frames[-1])
        name = native.group(1) if native else leaf.group(1) if leaf else None
        totals[name] = totals.get(name, 0) + weight
    return totals


def disagreements(books, profile, value):
    seen = by_name(profile)
    for name, book in books.items():
        weight = seen.get(IN_FOLDED.get(name, name), 0)
        if weight != book[value]:
            yield "%s of %s: the target %d, linger %d" % (value, name, book[value], weight)


def check_books(books, recording):
    wrong = list(disagreements(books, recording.profile, recording.value))
    assert not wrong, "\n".join(wrong)
    assert not any(recording["raw"]["dropped"].values())


def check_totals(totals, domain):
    """While the interpreter stands still there is nothing else: all numbers, and none of them about."""
    expected = {"seen_allocs": totals["allocs"], "seen_frees": totals["frees"],
                "unmatched_frees": totals["frees_of_older"], "missed_frees": 0,
                "live_blocks": totals["inuse_objects"], "live_bytes": totals["inuse_space"],
                "alloc_blocks": totals["alloc_objects"], "alloc_bytes": totals["alloc_space"]}
    assert {name: domain[name] for name in expected} == expected
    assert not any(domain["dropped"].values())


def check_stats(raw, allocator, path):
    assert set(raw) >= {"allocator", "path", "sites", "slow_sites"}
    assert raw["allocator"] == allocator and re.fullmatch(path, raw["path"]), raw
    assert raw["sites"] >= 8 and all(re.fullmatch(r"\w+", name) for name in raw["slow_sites"]), raw


def run_and_record(target, *options, **form):
    """Everything that the target can do, recorded: the recording and the target's books."""
    target.ask("older")
    target.ask("native_guests")
    with Recording(target.pid, *options, **dict({"domain": "raw"}, **form)) as recording:
        target.ask("reset")
        target.ask("run")
        books = json.loads(target.ask("books"))
        recording.stop()
    assert books["raw_thread_a"]["alloc_objects"] > 5000 < books["raw-worker-0"]["alloc_objects"]
    return recording, books


def stand_still_and_record(target, *options, operations=OPERATIONS, freed=False):
    """The same while nothing of the interpreter runs: the recording, the target's books, and their sums.

    freed: everything, before the recording ends."""
    target.ask("older")
    assert target.ask("still", str(operations)) == "still"
    with Recording(target.pid, *options, domain="raw", value="inuse_space") as recording:
        assert target.ask("go") == "worked"
        if freed:
            assert target.ask("free") == "freed"
        recording.stop()
    assert target.ask("back") == "done"
    return recording, json.loads(target.ask("books")), json.loads(target.ask("all"))


def check_guest(books, recording):
    """A native thread that calls Python in between: the interpreter makes itself a thread state under its name, and
    drops it again. What is left is the thread's own."""
    guest = books.pop("raw-guest")
    seen = by_name(recording.profile).get("raw-guest", 0)
    if recording.value.startswith("inuse"):
        assert seen == guest[recording.value]
    else:
        least = guest[recording.value]
        assert least <= seen <= least + (10 if recording.value == "alloc_objects" else 10000)


def functions_of(frames):
    """Without files and lines, and without the class: co_qualname is of 3.11."""
    return tuple(frame.split(" (")[0].split(".")[-1] for frame in frames)


def check_stacks(books, profile):
    """Whole stacks: of threads that hold no GIL, of a callback into Python from a thread that is not Python's."""
    stacks = {}
    for frames, weight in profile.stacks["raw"]:
        stack = functions_of(frames)
        stacks[stack] = stacks.get(stack, 0) + weight
    expected = {("_bootstrap", "_bootstrap_inner", "run", "call", name): name
                for name in ("raw_thread_a", "raw_thread_b", "raw_thread_c", "raw_thread_d")}
    expected["back_in_python", "call", "raw_callback"] = "raw_callback"
    expected["<module>", "serve", "run", "call", "raw_malloc"] = "raw_malloc"
    assert {stack: stacks.get(stack) for stack in expected} == \
        {stack: books[name]["alloc_objects"] for stack, name in expected.items()}


# --- libc's malloc, on every interpreter -------------------------------------------------------------------

@pytest.mark.needs_ctypes
@pytest.mark.parametrize("value", VALUES)
def test_each_function_and_thread_has_its_own_blocks(interpreter, value):
    with Target(interpreter, "raw_calls.py") as target:
        recording, books = run_and_record(target, value=value)
    check_guest(books, recording)
    assert all(books["raw_" + name]["alloc_objects"] for name in (
        "malloc", "calloc", "realloc_of_null", "reallocarray", "posix_memalign", "aligned_alloc", "memalign", "valloc",
        "pvalloc", "strdup", "grown", "shrunk", "array_grown", "refused", "from_older", "callback"))
    check_books(books, recording)
    if value == "alloc_objects":
        check_stacks(books, recording.profile)


@pytest.mark.needs_ctypes
@pytest.mark.parametrize("heap", [{}, ONE_HEAP], ids=["heaps", "one_heap"])
def test_every_call_is_counted_once(interpreter, heap):
    with Target(interpreter, "raw_calls.py", **heap) as target:
        recording, books, totals = stand_still_and_record(target)
    assert totals["frees_of_older"] == 400 and totals["frees"] > OPERATIONS
    check_totals(totals, recording["raw"])
    check_stats(recording.stats["raw"], "glibc", r".*/libc[.-][^/]*")
    # stand_still() resizes from the book of its function into a second one: the frame is the same.
    for number in books["raw_still"]:
        books["raw_still"][number] += books["raw_still, again"][number]
    del books["raw_still, again"]
    check_books(books, recording)


def test_the_same_with_probes_attached_one_by_one(system_interpreter, monkeypatch):
    """As on kernels before 6.6."""
    monkeypatch.setenv("LINGER_WITHOUT", "uprobe_multi")
    with Target(system_interpreter, "raw_calls.py", **ONE_HEAP) as target:
        recording, _, totals = stand_still_and_record(target)
    check_totals(totals, recording["raw"])


def test_the_same_beside_the_other_domains(system_interpreter):
    with Target(system_interpreter, "raw_calls.py") as target:
        recording, books = run_and_record(target, domain="object,raw,mapping", value="inuse_space")
    check_books(books, recording)
    assert set(recording.stats["domains"]) == {"object", "raw", "mapping"} == set(recording.profile.stacks)
    # No block of either domain is one of the other's.
    assert not any("raw_malloc" in frames[-1] for frames, _ in recording.profile.stacks["object"])


def test_what_is_freed_is_gone(system_interpreter):
    with Target(system_interpreter, "raw_calls.py", **ONE_HEAP) as target:
        recording, _, totals = stand_still_and_record(target, freed=True)
    check_totals(totals, recording["raw"])
    assert recording["raw"]["live_blocks"] == recording["raw"]["live_bytes"] == recording.profile.total("raw") == 0


def test_a_full_live_set_counts_what_it_drops_and_keeps_nothing_that_is_freed(system_interpreter):
    with Target(system_interpreter, "raw_calls.py") as target:
        recording, _, totals = stand_still_and_record(target, "--live-max", "1", operations=100000, freed=True)
    domain = recording["raw"]
    assert domain["dropped"]["live_set_full"] > 10000 and domain["alloc_blocks"] > 10000
    assert (domain["seen_allocs"], domain["seen_frees"]) == (totals["allocs"], totals["frees"])
    assert (domain["live_blocks"], domain["live_bytes"]) == (0, 0)


# --- other allocators, preloaded ----------------------------------------------------------------------------

@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_functions_of_other_allocators(system_interpreter, allocator, value):
    with Target(system_interpreter, "raw_calls.py", **preloaded(allocator)) as target:
        files = json.loads(target.ask("where"))
        recording, books = run_and_record(target, value=value)
    assert {name for name, file in files.items() if file != files["free"]} == NOT_THEIRS[allocator]
    check_guest(books, recording)
    check_books(books, recording)
    check_stats(recording.stats["raw"], allocator, re.escape(files["free"]))


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_every_call_of_other_allocators_is_counted_once(system_interpreter, allocator):
    with Target(system_interpreter, "raw_calls.py", **preloaded(allocator)) as target:
        recording, _, totals = stand_still_and_record(target)
    check_totals(totals, recording["raw"])


# Of the six forms of operator new, those that can be seen: libstdc++'s call malloc. Others' may throw, and then must
# not have a return probe; the two nothrow forms may, and jemalloc's two aligned ones call aligned_alloc.
SEEN_FORMS = {"glibc": 6, "jemalloc": 4, "tcmalloc": 2, "mimalloc": 2}
FORMS = 6


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("allocator", ["glibc", *ALLOCATORS])
def test_operators_new_and_delete(system_interpreter, allocator, value):
    """What is not seen allocated is not seen as alive either, and what is seen is seen freed."""
    with Target(system_interpreter, "raw_calls.py", **preloaded(allocator)) as target:
        target.ask("load_cxx")
        with Recording(target.pid, domain="raw", value=value) as recording:
            book = json.loads(target.ask("cxx"))
            recording.stop()
    assert recording.stats["raw"]["leaves_out_new"] == (allocator != "glibc")
    seen = {number: n * SEEN_FORMS[allocator] // FORMS for number, n in book.items()}
    check_books({"raw_cxx_fill": seen, "raw_cxx_drop": dict.fromkeys(book, 0)}, recording)


# Without memory mimalloc's operator new, which is C, ends the program.
@pytest.mark.parametrize("allocator", ["glibc", "jemalloc", "tcmalloc"])
def test_exceptions_pass_where_there_are_probes(system_interpreter, allocator):
    """A return address that a probe has replaced cannot be unwound: nothing that throws may have a return probe."""
    with Target(system_interpreter, "raw_calls.py", **preloaded(allocator)) as target:
        target.ask("load_cxx")
        target.ask("refuse_cxx")  # the first exception of a thread allocates what it keeps
        with Recording(target.pid, domain="raw") as recording:
            assert target.ask("refuse_cxx") == "40"
            recording.stop()
    check_books({"raw_cxx_refuse": {"inuse_space": 0}}, recording)


# --- seccomp filters ----------------------------------------------------------------------------------------

UNSUPPORTED = 2  # exit status


def test_a_seccomp_filter_does_not_see_the_return_probes(system_interpreter):
    """From Linux 6.14 on; the kernels before it that have the system call are refused, as below."""
    with Target(system_interpreter, "filtered.py") as target:
        tried = run_linger("record", "-p", target.pid, "-d", "0.2", "--domain", "raw")
        if tried.returncode == UNSUPPORTED:
            pytest.skip(tried.stderr.strip())
        with Recording(target.pid, domain="raw") as recording:
            target.ask("keep")
            recording.stop()
        assert weights(recording)["raw", "keep_large"] == sum(n + HEADER for n in LARGE)
        target.ask("keep")


def test_a_kernel_whose_filters_would_see_them_is_refused(system_interpreter, monkeypatch):
    monkeypatch.setenv("LINGER_WITHOUT", "seccomp_returns")
    with Target(system_interpreter, "filtered.py") as target:
        refused = run_linger("record", "-p", target.pid, "-d", "1", "--mode", "exact")
        assert refused.returncode == UNSUPPORTED
        assert "seccomp filter" in refused.stderr and "hint: record such processes with" in refused.stderr
        assert run_linger("doctor", "-p", target.pid).returncode == UNSUPPORTED
        without = run_linger("record", "-p", target.pid, "-d", "0.2", "--domain", "object,mapping")
        assert without.returncode == 0
        # Sampled mode does what can be done.
        sampled = run_linger("record", "-p", target.pid, "-d", "0.2", "-f", "text")
        assert sampled.returncode == 0
        assert "without the raw domain: " in sampled.stderr and "seccomp filter" in sampled.stderr
        target.ask("keep")


# --- PYTHONMALLOC and tracemalloc ---------------------------------------------------------------------------

SMALL, LARGE = range(10, 460), range(600, 1050)  # of a bytes object
HEADER = 33  # what sys.getsizeof() says of b""
LINES = 10  # blocks that tracemalloc has for the lines of a function
HOOKS = 24  # what the debug hooks add to a request (32 before 3.8)


def record_objects(interpreter, *steps, value="inuse_space", **environment):
    with Target(interpreter, "raw_objects.py", **environment) as target:
        for step in steps:
            target.ask(step)
        with Recording(target.pid, domain="object,raw", value=value) as recording:
            target.ask("keep")
            recording.stop()
    return recording


def weights(recording):
    """{(domain, function): weight} of the functions of raw_objects.py that keep something."""
    totals = {}
    for domain, stacks in recording.profile.stacks.items():
        for frames, weight in stacks:
            function = frames[-1].split(" ")[0]
            if function.startswith("keep_"):
                totals[domain, function] = totals.get((domain, function), 0) + weight
    return totals


def classes(sizes):
    """What pymalloc gives for them."""
    return sum((size + 15) // 16 * 16 for size in sizes)


def hooks_of(interpreter):
    return HOOKS if interpreter.version >= (3, 8) else HOOKS + 8


def test_pymalloc_keeps_small_objects_and_malloc_gets_the_large_ones(interpreter):
    seen = weights(record_objects(interpreter))
    small, large = [n + HEADER for n in SMALL], [n + HEADER for n in LARGE]
    assert seen == {("object", "keep_small"): classes(small), ("raw", "keep_large"): sum(large)}


@pytest.mark.parametrize("setting", ["malloc", "malloc_debug"])
def test_without_pymalloc_everything_is_raw(interpreter, setting):
    """A bytes object of n asks malloc for n + 33, and the debug hooks for three words more."""
    recording = record_objects(interpreter, PYTHONMALLOC=setting)
    extra = HEADER + (hooks_of(interpreter) if setting == "malloc_debug" else 0)
    assert weights(recording) == {("raw", "keep_small"): sum(n + extra for n in SMALL),
                                  ("raw", "keep_large"): sum(n + extra for n in LARGE)}
    assert recording["object"]["seen_allocs"] == recording["object"]["live_blocks"] == 0


def test_debug_hooks_enlarge_what_both_domains_see(interpreter):
    """A bytes object of n asks pymalloc for n + 33 + 24. What is more than 512 goes on to the raw domain's allocator,
    which has hooks of its own: 24 once more."""
    hooks = hooks_of(interpreter)
    small, large = [n + HEADER + hooks for n in SMALL], [n + HEADER + hooks for n in LARGE]
    seen = weights(record_objects(interpreter, PYTHONMALLOC="debug"))
    expected = {("object", "keep_small"): classes(size for size in small if size <= 512),
                ("raw", "keep_small"): sum(size + hooks for size in small if size > 512),
                ("raw", "keep_large"): sum(size + hooks for size in large)}
    assert expected["raw", "keep_small"] and seen == expected


@pytest.mark.parametrize("value", ["inuse_space", "inuse_objects"])
@pytest.mark.interpreters("system", "bullseye", "forky")
def test_tracemallocs_own_tables_are_the_only_addition(interpreter, value):
    """tracemalloc keeps an entry (up to two blocks, 64 bytes) in raw memory for each block of either domain, a few for
    each line, and a table that grows now and then; the blocks that it watches are as they were without it."""
    seen = weights(record_objects(interpreter, "tracemalloc", value=value))
    small, large = [n + HEADER for n in SMALL], [n + HEADER for n in LARGE]
    if value == "inuse_objects":
        assert seen["object", "keep_small"] == len(small)
        assert len(small) <= seen["raw", "keep_small"] <= 2 * len(small) + LINES
        assert 2 * len(large) <= seen["raw", "keep_large"] <= 3 * len(large) + LINES
    else:
        table = 1 << 16  # of a few thousand entries, 8 bytes each
        assert seen["object", "keep_small"] == classes(small)
        assert 0 < seen["raw", "keep_small"] <= 64 * len(small) + table
        assert sum(large) < seen["raw", "keep_large"] <= sum(large) + 64 * len(large) + table
