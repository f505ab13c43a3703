#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Prints the layouts of CPython versions from their headers, in the form that user/py_layouts.c and user/object_layout.c hold.
#   print_layouts.sh [INCLUDE_DIR...]    default: every pyenv version and every /usr/include/python3.*
# An INCLUDE_DIR is the one with Python.h and internal/, e.g. of an unpacked libpython3.14-dev package.
set -eu

here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ $# -gt 0 ] || set -- "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/include/python3.* /usr/include/python3.*
for include in "$@"; do
	if ! [ -r "$include/Python.h" ] || ! [ -d "$include/internal" ]; then
		echo "skipped: no Python.h with internal headers in '$include'" >&2
		continue
	fi
	# The directory above holds Debian's x86_64-linux-gnu/python3.X/pyconfig.h.
	${CC:-gcc} -w -I"$include" -I"$include/internal" -idirafter "$include/.." \
		-o "$work/print" "$here/print_layout.c"
	"$work/print"
done
