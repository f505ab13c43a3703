#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   run.sh [--smoke] [--update-baseline] [-k EXPRESSION] [RELEASE...]
#
# Runs the core of the tests on the kernels of Debian's releases (default: bullseye bookworm trixie forky), each in an
# emulated machine of its own; --smoke: the shortest that means something, on one kernel. A line for each kernel and
# check; the last line is `N passed, N failed, N skipped`. Root, and `make` first. See kernels.py.
set -eu
[ "$(id -u)" = 0 ] || { echo "kernels: setting up the guests needs root" >&2; exit 1; }
cd "$(dirname "$0")/../.."
exec /usr/bin/python3 -B tests/kernels/kernels.py "$@"
