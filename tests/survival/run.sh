#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   run.sh [--programs NAME...] [--interpreters ID...] [--seconds S] [--overhead PERCENT] [--keep FOLDER]
#
# Holds what sampled mode says of survivors to a trace of every free of the same run: Markdown on stdout, progress on
# stderr, exit status 1 when a bar is missed. Root. See survival.py.
set -eu
[ "$(id -u)" = 0 ] || { echo "survival: recording another process needs root" >&2; exit 1; }
cd "$(dirname "$0")/../.."
tests/setup/roots.sh >&2 || echo "survival: the interpreters of other Debian releases are missing" >&2
exec /usr/bin/python3 -B tests/survival/survival.py "$@"
