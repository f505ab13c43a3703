# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Walks its own interpreter's memory by a layout and compares what it finds with what Python says.

    python3.X check_layout.py                       prints the first bytes of _PyRuntime in hex
    python3.X check_layout.py NAME VALUE ...        the layout, as layout_driver prints it
"""
import ctypes
import sys
import threading

NO_FIELD = 0xffff
BYTE_INDEX, UNIT_INDEX, POINTER = range(3)


def address_of_runtime():
    return ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))


def read(address, kind=ctypes.c_uint64):
    return kind.from_address(address).value


def read_text(layout, address):
    length = read(address + layout["unicode_length"])
    state = read(address + layout["unicode_state"], ctypes.c_uint32)
    width = state >> layout["unicode_kind_shift"] & 7
    is_ascii = state >> layout["unicode_ascii_shift"] & 1
    start = address + layout["unicode_ascii" if is_ascii else "unicode_compact"]
    encoding = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[width]
    return ctypes.string_at(start, length * width).decode(encoding, "surrogatepass")


def read_bytes(layout, address):
    return ctypes.string_at(address + layout["bytes_data"], read(address + layout["bytes_size"]))


def thread_state():
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_void_p
    return get()


def callers_frame(layout):
    tstate, at = thread_state(), ctypes.c_uint64.from_address
    # No Python function is called from here on: the current frame is this one.
    frame = at(tstate + layout["tstate_frame"]).value
    if layout["cframe_current"] != NO_FIELD:
        frame = at(frame + layout["cframe_current"]).value
    return at(frame + layout["frame_previous"]).value


def instruction(layout, frame, code):
    if layout["instr_kind"] == POINTER:
        return read(frame + layout["frame_instr"]) - code - layout["code_instrs"]
    index = read(frame + layout["frame_instr"], ctypes.c_int32)
    return index * 2 if layout["instr_kind"] == UNIT_INDEX else index


def walk(layout, frame):
    """(code, bytes from its start to the current instruction) of every Python frame."""
    while frame:
        owner = 0 if layout["frame_owner"] == NO_FIELD else read(frame + layout["frame_owner"], ctypes.c_uint8)
        if not layout["owner_c_stack"] or owner < layout["owner_c_stack"]:
            code = read(frame + layout["frame_code"]) & ~layout["code_tag_mask"]
            yield code, instruction(layout, frame, code)
        frame = read(frame + layout["frame_previous"])


def check_code(layout, code):
    address = id(code)
    name = getattr(code, "co_qualname", code.co_name)
    table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
    assert read_text(layout, read(address + layout["code_name"])) == name
    assert read_text(layout, read(address + layout["code_filename"])) == code.co_filename
    assert read_bytes(layout, read(address + layout["code_line_table"])) == table
    assert read(address + layout["code_first_line"], ctypes.c_int32) == code.co_firstlineno


def check_frames(layout):
    """Called through C (sorted, a class body, a generator): every kind of frame."""
    found = list(walk(layout, callers_frame(layout)))
    expected, frame = [], sys._getframe()
    while frame:
        expected.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    assert [code for code, _ in found] == [id(code) for code, _ in expected], (found, expected)
    # The innermost frame has moved on since; the callers stand at their calls.
    assert [instr for _, instr in found[1:]] == [instr for _, instr in expected[1:]], (found, expected)
    for code, _ in expected:
        check_code(layout, code)


def check_text(layout):
    for text in ("plain", "na\u00efve", "\u65e5\u672c\u8a9e", "\U0001f40d tail", "x" * 5000):
        assert read_text(layout, id(text)) == text, text


def check_dealloc(layout):
    """Deallocators have no names to check against; those of unlike types exist and differ."""
    found = {read(id(kind) + layout["type_dealloc"]) for kind in (dict, list, str, type(check_dealloc.__code__))}
    assert len(found) == 4 and 0 not in found


def check_thread_key(layout):
    if layout["auto_tss_key"] == NO_FIELD:
        return
    key = read(address_of_runtime() + layout["auto_tss_key"], ctypes.c_uint32)
    get = ctypes.CDLL(None).pthread_getspecific
    get.restype = ctypes.c_void_p
    assert get(ctypes.c_uint32(key)) == thread_state()
    assert read(address_of_runtime() + layout["current_tstate"]) == thread_state()


def interpreters(layout):
    found = read(address_of_runtime() + layout["interpreters"])
    while found:
        yield found
        found = read(found + layout["interp_next"])


def thread_states(layout, interpreter):
    found = read(interpreter + layout["interp_threads"])
    while found:
        yield found
        found = read(found + layout["tstate_next"])


def check_threads(layout):
    """This thread and another, which waits."""
    barrier, ids = threading.Barrier(2), {}

    def wait():
        ids[threading.get_ident()] = sys.version_info >= (3, 8) and threading.get_native_id()
        barrier.wait()
        barrier.wait()

    other = threading.Thread(target=wait)
    other.start()
    barrier.wait()
    ids[threading.get_ident()] = sys.version_info >= (3, 8) and threading.get_native_id()
    (interpreter,) = interpreters(layout)
    states = list(thread_states(layout, interpreter))
    assert {read(state + layout["thread_id"]) for state in states} == set(ids)
    assert thread_state() in states
    if layout["native_thread_id"] != NO_FIELD:
        assert {read(state + layout["native_thread_id"]) for state in states} == set(ids.values())
    assert read(interpreter + layout["interp_modules"]) == id(sys.modules)
    if layout["interp_gil_locked"] != NO_FIELD:
        assert read(interpreter + layout["interp_gil_locked"], ctypes.c_int32) == 1
        assert read(interpreter + layout["interp_gil_holder"]) == thread_state()
    barrier.wait()
    other.join()


def check_alignment(layout):
    addresses = [id(one) for one in [bytes(2 + n % 400) for n in range(2000)]]
    assert all(address % layout["alignment"] == 0 for address in addresses)


def check_gc_head(layout):
    assert sys.getsizeof([]) - [].__sizeof__() == layout["gc_head_bytes"]


def check_qualname(layout):
    class Local:
        pass
    assert read_text(layout, read(id(Local) + layout["type_qualname"])) == Local.__qualname__


def generate(layout):
    class Body:
        sorted([1], key=lambda _: check_frames(layout))
    yield Body


def main(words):
    if not words:
        print(ctypes.string_at(address_of_runtime(), 1024).hex())
        return
    layout = dict(zip(words[::2], map(int, words[1::2])))
    check_text(layout)
    check_dealloc(layout)
    check_thread_key(layout)
    check_threads(layout)
    check_alignment(layout)
    check_gc_head(layout)
    check_qualname(layout)
    list(generate(layout))
    print("ok")


main(sys.argv[1:])
