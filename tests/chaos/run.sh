#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   run.sh [--only NAME...] [--runs N] [--seed N] [--list]
#
# Puts linger and its targets through faults: Markdown on stdout, progress on stderr, last `N passed, N failed,
# N skipped`; exit status 1 when a run failed. Root. See chaos.py.
set -eu
[ "$(id -u)" = 0 ] || { echo "chaos: recording another process needs root" >&2; exit 1; }
cd "$(dirname "$0")/../.."
# Two at once would take each other's processes for what is left.
exec 9< build/linger
flock -n 9 || { echo "chaos: another run is under way" >&2; exit 1; }
exec /usr/bin/python3 -B tests/chaos/chaos.py "$@"
