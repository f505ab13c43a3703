#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   run.sh [cost] [start] [rss] [pprof] [peers] [raw] [sampled] [census]     all of them when none is named; root
#
# Markdown on stdout, progress on stderr. BENCH_PYTHON and LINGER name another interpreter and another build,
# MEMLEAK bcc's memleak (a command) where it is not in its usual place; BENCH_PAIRS and BENCH_SECONDS how often and
# for how long `sampled` measures.
set -eu
[ "$(id -u)" = 0 ] || { echo "bench: recording another process needs root" >&2; exit 1; }
cd "$(dirname "$0")/../.."
exec /usr/bin/python3 -B tests/bench/bench.py "$@"
