# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""malloc's family called through raw_calls.c, each way from a Python function, or a native thread, of its own name.

The library keeps the books, and its blocks are the only ones that malloc gives out under these names: ctypes
makes what it needs for a call in pymalloc or on the stack. So the profile's frames can be held to them exactly.
Commands: `older` (blocks from before the recording), `reset` (a recording begins), `run`, `still` (everything
again, in C, while the interpreter stands still, see stand_still()), `books` (JSON {name: numbers}), `all` (JSON,
all owners' numbers together), `where` (JSON, the file that each function comes from), `cxx`.
"""
import ctypes
import gc
import json
import os
import threading

import steps

HERE = os.path.dirname(os.path.abspath(__file__))
HOW = ("malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc", "memalign", "valloc",
       "pvalloc", "strdup")
CHURN, REAP, CALL_BACK = range(3)
WORKERS = ["raw-worker-%d" % i for i in range(4)]
ODD_NAME = "odd; name (1:2)"  # what the kernel takes, and a folded line cannot hold as it is
OWNERS = []
THREADS = {}


class Book(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("alloc_objects", "alloc_space", "freed_objects", "freed_space")]


class Totals(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("allocs", "frees", "frees_of_older")]


lib = ctypes.CDLL(os.path.join(HERE, "raw_calls.so"))
BOOKS = (Book * 96).in_dll(lib, "books")
TOTALS = Totals.in_dll(lib, "totals")
CALLBACK = ctypes.CFUNCTYPE(None)
fill, fill_empty, drop, resize = lib.fill, lib.fill_empty, lib.drop, lib.resize
resize_to_nothing, refuse_resize, refuse, churn_here = \
    lib.resize_to_nothing, lib.refuse_resize, lib.refuse, lib.churn_here
fill_huge = lib.fill_huge
fill_huge.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_int)
fill.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_size_t)
fill_empty.argtypes = drop.argtypes = resize_to_nothing.argtypes = (ctypes.c_int, ctypes.c_int)
resize.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_int)
churn_here.argtypes = (ctypes.c_int, ctypes.c_uint32, ctypes.c_int)
lib.put_to_work.argtypes = churn_here.argtypes
lib.start_worker.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, CALLBACK)
lib.stand_still.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int * len(HOW), ctypes.c_int)


def owner(name):
    if name not in OWNERS:
        OWNERS.append(name)
    return OWNERS.index(name)


# Functions that allocate: the innermost Python frame is theirs. `me` is the number of their book.

def raw_malloc(me):
    fill(me, 0, 300, 640)


def raw_calloc(me):
    fill(me, 1, 290, 640)


def raw_realloc_of_null(me):
    fill(me, 2, 280, 640)


def raw_reallocarray(me):
    fill(me, 3, 270, 640)


def raw_posix_memalign(me):
    fill(me, 4, 260, 640)


def raw_aligned_alloc(me):
    fill(me, 5, 250, 640)


def raw_memalign(me):
    fill(me, 6, 240, 640)


def raw_valloc(me):
    fill(me, 7, 230, 640)


def raw_pvalloc(me):
    fill(me, 8, 220, 640)


def raw_strdup(me):
    fill(me, 9, 210, 640)


def raw_large(me):
    fill(me, 0, 20, 3 << 20)  # malloc maps these


def raw_huge(me):
    return fill_huge(me, 550, (2 << 30) + 4096, 3)  # over 2**40 bytes in all, over 2**32 at the end


def raw_empty(me):
    fill_empty(me, 50)


def raw_to_grow(me):
    fill(me, 0, 205, 640)


def raw_grown(me):
    return resize(owner("raw_to_grow"), me, 30000, 0)


def raw_to_shrink(me):
    fill(me, 0, 195, 6400)


def raw_shrunk(me):
    return resize(owner("raw_to_shrink"), me, -64, 0)


def raw_array_to_grow(me):
    fill(me, 1, 185, 640)


def raw_array_grown(me):
    return resize(owner("raw_array_to_grow"), me, 40000, 1)


def raw_refused(me):
    fill(me, 0, 175, 640)
    return refuse_resize(me) + refuse(100)


def raw_to_nothing(me):
    fill(me, 0, 165, 640)


def raw_made_nothing(me):
    return resize_to_nothing(owner("raw_to_nothing"), me)


def raw_older(me):
    fill(me, 0, 400, 640)


def raw_from_older(me):
    refuse_resize(owner("raw_older"))
    return resize(owner("raw_older"), me, 128, 0)


def raw_for_others(me):
    fill(me, 0, 155, 640)


def raw_dropped(me):
    fill(me, 0, 145, 640)
    drop(me, 1)


def raw_callback(me):
    fill(me, 0, 135, 640)


def raw_thread_a(me):
    churn_here(me, 11, 12000)


def raw_thread_b(me):
    churn_here(me, 22, 12000)


def raw_thread_c(me):
    churn_here(me, 33, 12000)


def raw_thread_d(me):
    churn_here(me, 44, 12000)


def raw_still(me, older, usable, operations):
    lib.stand_still(me, older, usable, operations)


BY_HOW = (raw_malloc, raw_calloc, raw_realloc_of_null, raw_reallocarray, raw_posix_memalign, raw_aligned_alloc,
          raw_memalign, raw_valloc, raw_pvalloc, raw_strdup)
PYTHON_THREADS = (raw_thread_a, raw_thread_b, raw_thread_c, raw_thread_d)


def call(function):
    """Blocks that were not given, or were given although nobody has that much, are a mistake of the test's."""
    return function(owner(function.__name__))


def checked(answer, wanted):
    if answer != wanted:
        raise ValueError("the allocator did not do what the target needs: %r, not %r" % (answer, wanted))


def back_in_python():
    call(raw_callback)


CALLED_BACK = CALLBACK(back_in_python)


def file_of(address):
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split(None, 5)
            start, end = (int(part, 16) for part in fields[0].split("-"))
            if start <= address < end:
                return os.path.realpath(fields[5].strip())
    raise ValueError("no mapping at %#x" % address)


def files():
    """Where the functions come from: the preloaded allocator, or else what it leaves to libc."""
    server = ctypes.CDLL(os.environ.get("LD_PRELOAD", "libc.so.6"))
    return {name: file_of(ctypes.cast(getattr(server, name), ctypes.c_void_p).value) for name in HOW + ("free",)}


def usable():
    """Not every allocator has every function; a block of libc's must not be given to another one's free().

    reallocarray and strdup are libc's, and call the malloc of whoever serves the process."""
    if "LD_PRELOAD" not in os.environ:
        return [True] * len(HOW)
    found = files()
    return [found[name] == found["free"] or name in ("reallocarray", "strdup") for name in HOW]


USABLE = usable()


def where():
    return json.dumps(files())


def start_thread(name, kind, function=CALLBACK()):
    THREADS[name] = lib.start_worker(owner(name), name.encode(), kind, function)


def older():
    """What has to be there before a recording: old blocks, and threads, whose start allocates."""
    call(raw_older)
    for name in WORKERS:
        start_thread(name, CHURN)
    start_thread("raw-reaper", REAP)


def native_guests():
    """Threads that only `run` has: one with an odd name, one that calls Python in between."""
    start_thread(ODD_NAME, CHURN)
    start_thread("raw-guest", CALL_BACK, CALLED_BACK)


def reset():
    lib.open_books()


def python_threads():
    threads = [threading.Thread(target=call, args=(function,)) for function in PYTHON_THREADS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def native_threads():
    for number, name in enumerate(WORKERS + [ODD_NAME]):
        if name in THREADS:
            lib.put_to_work(THREADS[name], number, 12000)
    if "raw-guest" in THREADS:
        lib.put_to_work(THREADS["raw-guest"], 0, 125)
    lib.wait_for_workers()


def run():
    for function, there in zip(BY_HOW, USABLE):
        if there:
            call(function)
            drop(owner(function.__name__), 3)
    for function in (raw_large, raw_empty, raw_to_grow, raw_to_shrink, raw_array_to_grow, raw_to_nothing,
                     raw_for_others, raw_dropped):
        call(function)
    moved = call(raw_grown) + call(raw_array_grown), call(raw_shrunk)
    if moved[0] < 300 or moved[1] >= 195:
        raise ValueError("blocks have to move when they grow, and some to stay when they shrink: %d, %d" % moved)
    checked(call(raw_refused), 0)
    checked(call(raw_huge), 0)
    call(raw_made_nothing)
    drop(owner("raw_older"), 2)
    call(raw_from_older)
    python_threads()
    native_threads()
    lib.put_to_work(THREADS["raw-reaper"], owner("raw_for_others"), 0)
    lib.wait_for_workers()


def still(operations):
    raw_still(owner("raw_still"), owner("raw_older"), (ctypes.c_int * len(HOW))(*USABLE), int(operations))


def numbers(book):
    objects, space = book.alloc_objects, book.alloc_space
    return {"alloc_objects": objects, "alloc_space": space, "inuse_objects": objects - book.freed_objects,
            "inuse_space": space - book.freed_space}


def books():
    return json.dumps({name: numbers(BOOKS[i]) for i, name in enumerate(OWNERS)})


def all_books():
    sums = {name: getattr(TOTALS, name) for name, _ in Totals._fields_}
    for book in BOOKS:
        for name, number in numbers(book).items():
            sums[name] = sums.get(name, 0) + number
    return json.dumps(sums)


# --- C++ ----------------------------------------------------------------------------------------------------

CXX = []


def raw_cxx_fill():
    CXX[0].cxx_fill(600, 1280)


def raw_cxx_drop():
    CXX[0].cxx_drop(120)


def raw_cxx_refuse():
    return CXX[0].cxx_refuse(60)


def refuse_cxx():
    """60 by the same forms, two of which return a null pointer instead of throwing."""
    return str(raw_cxx_refuse())


def load_cxx():
    CXX.append(ctypes.CDLL(os.path.join(HERE, "raw_calls_cxx.so")))
    CXX[0].cxx_fill.argtypes = (ctypes.c_int, ctypes.c_size_t)


def cxx():
    """600 blocks by six forms in turn, of which the first 120 are deleted."""
    raw_cxx_fill()
    raw_cxx_drop()
    return json.dumps({"alloc_objects": 600, "alloc_space": 600 * 1280, "inuse_objects": 480,
                       "inuse_space": 480 * 1280})


if __name__ == "__main__":
    gc.disable()
    for known in BY_HOW + PYTHON_THREADS:
        owner(known.__name__)
    owner("raw_still")
    owner("raw_still, again")  # stand_still() resizes from one book to the next
    steps.serve({"older": older, "native_guests": native_guests, "reset": reset, "run": run, "still": still,
                 "books": books, "all": all_books, "where": where, "load_cxx": load_cxx, "cxx": cxx,
                 "refuse_cxx": refuse_cxx})
