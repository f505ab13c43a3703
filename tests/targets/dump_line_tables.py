# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prints the line tables of compiled code objects with the lines that this interpreter finds in them.

    python3.X dump_line_tables.py [FILE...]        default: the upper two levels of the standard library

One code object per line, fields separated by blanks:

    FORMAT NAME FIRST_LINE TABLE_HEX UNITS:LINE UNITS:LINE ...

FORMAT is an enum py_line_table; UNITS code units of two bytes, one run after the other, have line LINE (0: none).
The lines come from PyCode_Addr2Line, which is what tracebacks use; a second oracle (co_lines(), before 3.10
dis.findlinestarts) has to agree. Runs on 3.7 and later; the standard library is only compiled, never executed.
"""
import ctypes
import dis
import glob
import itertools
import os
import sys
import sysconfig
import tokenize
import types
import warnings

LNOTAB, TABLE_310, LOCATIONS = range(3)

# What the standard library has little of: long jumps of lines in both directions, one line with more code than
# an entry can cover, handlers that the compiler makes up, definitions that start above their first line.
SYNTHETIC = """
def far(a):
    return (a +
{gap}
            a.b(
                a), a)
def long_line(a):
    a = [{numbers}]; return a
def made_up(a):
    with a as b, b as c:
        try:
            for d in c:
                if d: continue
                yield d
        except (ValueError,
                KeyError) as e:
            raise e from None
        finally:
            del b
@decorator(lambda x:
           x)
@decorator
class Decorated(metaclass=
                far):
    async def f(self):
        async with self as x:
            return [await y async for y in x
                    if y]
    @decorator
    def g(self): pass
""".format(gap="\n" * 1000, numbers=", ".join("a[%d]" % n for n in range(500)))


def line_table(code):
    if sys.version_info >= (3, 11):
        return LOCATIONS, code.co_linetable
    if sys.version_info >= (3, 10):
        return TABLE_310, code.co_linetable
    return LNOTAB, code.co_lnotab


def lines_by_api(code):
    address_to_line = ctypes.pythonapi.PyCode_Addr2Line
    target = ctypes.py_object(code)
    return [max(address_to_line(target, offset), 0) for offset in range(0, len(code.co_code), 2)]


def lines_by_table_reader(code):
    size = len(code.co_code)
    if sys.version_info >= (3, 10):
        spans = code.co_lines()
    else:
        starts = [(0, code.co_firstlineno)] + list(dis.findlinestarts(code))
        ends = [start for start, _ in starts[1:]] + [size]
        spans = [(start, end, line) for (start, line), end in zip(starts, ends)]
    lines = [0] * (size // 2)
    for start, end, line in spans:
        for unit in range(start // 2, end // 2):
            lines[unit] = max(line or 0, 0)
    return lines


def dump(code):
    lines = lines_by_api(code)
    if lines != lines_by_table_reader(code):
        sys.exit("the interpreter disagrees with itself about %r" % code)
    kind, table = line_table(code)
    runs = ["%d:%d" % (len(list(run)), line) for line, run in itertools.groupby(lines)]
    name = code.co_name.replace(" ", "_")
    print(kind, ascii(name), code.co_firstlineno, table.hex() or "-", *runs)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            dump(constant)


def dump_file(path):
    try:
        with tokenize.open(path) as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
    except (SyntaxError, UnicodeDecodeError) as error:
        print("skipped %s: %s" % (path, error), file=sys.stderr)
        return
    dump(code)


def standard_library():
    top = sysconfig.get_path("stdlib")
    packages = set(os.listdir(top)) - {"test", "site-packages", "dist-packages"}
    patterns = ["*.py"] + [os.path.join(package, "*.py") for package in packages]
    return sorted(path for pattern in patterns for path in glob.glob(os.path.join(top, pattern)))


def main(paths):
    warnings.simplefilter("ignore")
    if not paths:
        dump(compile(SYNTHETIC, "synthetic", "exec", dont_inherit=True))
        paths = standard_library()
    for path in paths:
        dump_file(path)


main(sys.argv[1:])
