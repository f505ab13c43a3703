#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   run.sh [--exact] [--programs NAME...] [--interpreters ID...] [--runs N] [--seconds S] [--jobs N] [--keep FOLDER]
#
# Records programs whose leaks are known (tests/targets/leaks.py) in sampled mode and holds the profiles to the
# truth: Markdown on stdout, progress on stderr, exit status 1 when a bar is missed. Root. See truth.py.
set -eu
[ "$(id -u)" = 0 ] || { echo "truth: recording another process needs root" >&2; exit 1; }
cd "$(dirname "$0")/../.."
tests/setup/roots.sh >&2 || echo "truth: the interpreters of other Debian releases are missing" >&2
exec /usr/bin/python3 -B tests/truth/truth.py "$@"
