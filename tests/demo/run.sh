#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Starts a small leaking web service under load, records its heap with build/linger, prints the top table and
# the path of the flame graph. Root. SECONDS_RECORDED (30), OUT (build/demo) and LINGER (build/linger) may be
# set.
set -eu

cd "$(dirname "$0")/../.."
out=${OUT:-build/demo}
seconds=${SECONDS_RECORDED:-30}
linger=${LINGER:-build/linger}
service_pid=
load_pid=

fail() {
	echo "demo: $1" >&2
	[ -z "${2:-}" ] || [ ! -s "$2" ] || sed 's/^/    /' "$2" >&2
	exit 1
}

# Ends the two processes that this script started, and no other.
clean_up() {
	for pid in $load_pid $service_pid; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

start_service() {
	# The child opens its log later than grep below looks: what a run before this one left must be gone.
	rm -f "$out/service.log"
	touch "$out/service.log"
	/usr/bin/python3 tests/demo/service.py > "$out/service.log" 2>&1 &
	service_pid=$!
	tries=0
	until grep -q '^port ' "$out/service.log"; do
		kill -0 "$service_pid" 2>/dev/null || fail "the service did not start:" "$out/service.log"
		tries=$((tries + 1))
		[ "$tries" -lt 150 ] || fail "the service did not start within 15 s:" "$out/service.log"
		sleep 0.1
	done
	url="http://127.0.0.1:$(sed -n 's/^port //p' "$out/service.log")/search?q=quiet+rivers"
}

start_load() {
	ab -q -r -c 4 -t 600 -n 10000000 "$url" > "$out/load.log" 2>&1 &
	load_pid=$!
	sleep 1
	kill -0 "$load_pid" 2>/dev/null || fail "the load generator ended at once:" "$out/load.log"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ -x "$linger" ] || fail "$linger is missing; run 'make' first"
[ "$(id -u)" = 0 ] || fail "recording another process needs root"
for program in /usr/bin/python3 ab; do
	command -v "$program" >/dev/null || fail "$program is missing; run 'make setup' first"
done
mkdir -p "$out"

start_service
start_load
echo "demo: a book shop at $url, process $service_pid, under load"
echo "demo: recording it for $seconds s"
"$linger" record -p "$service_pid" -d "$seconds" --force -o "$out/heap.pb.gz" --stats "$out/stats.json" ||
	fail "linger record failed with status $?"
kill -0 "$service_pid" 2>/dev/null || fail "the service ended while it was recorded:" "$out/service.log"
"$linger" report "$out/heap.pb.gz" -f text || fail "linger report failed with status $?"
"$linger" report "$out/heap.pb.gz" --force -o "$out/heap.svg" || fail "linger report failed with status $?"
echo "demo: the flame graph is in $out/heap.svg, the profile in $out/heap.pb.gz, the counters in $out/stats.json"
