#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Runs every test that is built: run.sh [--lint | --unit | --fuzz | --integration | --kernels] [OPTION...]
# Last line: `N passed, N failed, N skipped`, all tests together; a fuzzer is one. Fails if a test fails.
# --integration passes options on to pytest; --kernels boots one kernel only.
# FUZZ_SECONDS: how long the fuzzers run, all together (default 60).
set -u
cd "$(dirname "$0")/.." || exit 1

passed=0 failed=0 skipped=0 status=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The number in front of a word in a summary line: "3 failed, 41 passed" -> 41 for "passed".
number_before() {
	grep -oE "[0-9]+ $2" <<< "$1" | grep -oE '^[0-9]+' || echo 0
}

# cmocka's summary: "[  PASSED  ] 5 test(s)." A program that dies has none.
sum_cmocka() {
	sed -nE "s/^\[  $1 *\] ([0-9]+) test\(s\).*/\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }'
}

run_unit_program() {
	local program_failed
	"$1" > "$log" 2>&1
	local result=$?
	program_failed=$(sum_cmocka FAILED)
	# A program that passes nothing has not tested anything, whatever it returns.
	if [ $result != 0 ] || [ "$(sum_cmocka PASSED)" = 0 ]; then
		cat "$log"
		[ "$program_failed" = 0 ] && program_failed=1
		status=1
	fi
	passed=$((passed + $(sum_cmocka PASSED)))
	skipped=$((skipped + $(sum_cmocka SKIPPED)))
	failed=$((failed + program_failed))
	echo "unit: $(basename "$1"): $(sum_cmocka PASSED) passed, $program_failed failed"
}

run_unit() {
	local program
	for program in build/unit/test_*; do
		if [ -f "$program" ] && [ -x "$program" ]; then
			run_unit_program "$program"
		fi
	done
}

# What earlier runs have found out is where this one begins: here, and those whose inputs were kept
# (tests/fuzz/keep.sh). All of it is run before anything new is tried.
run_fuzzer() {
	local name inputs
	name=$(basename "$1")
	inputs=build/fuzz/inputs/$name
	mkdir -p "$inputs"
	[ -f "tests/fuzz/corpus/$name.tar.gz" ] && tar xzf "tests/fuzz/corpus/$name.tar.gz" -C "$inputs"
	if "$1" -max_total_time="$2" -timeout=10 -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" \
		"$inputs" > "$log" 2>&1; then
		passed=$((passed + 1))
		echo "fuzz: $name: $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs, passed"
	else
		tail -n 60 "$log"
		failed=$((failed + 1)) status=1
		echo "fuzz: $name: failed"
	fi
}

run_fuzz() {
	local program programs=()
	for program in build/fuzz/fuzz_*; do
		[ -f "$program" ] && [ -x "$program" ] && programs+=("$program")
	done
	for program in "${programs[@]}"; do
		run_fuzzer "$program" $((${FUZZ_SECONDS:-60} / ${#programs[@]}))
	done
}

# A script that counts for itself. Its summary is not shown: the last one has to be that of all.
run_script() {
	local form='^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' summary
	"$@" 2>&1 | tee "$log" | grep --line-buffered -vE "$form"
	[ "${PIPESTATUS[0]}" = 0 ] || status=1
	summary=$(grep -E "$form" "$log" | tail -n 1)
	passed=$((passed + $(number_before "$summary" passed)))
	skipped=$((skipped + $(number_before "$summary" skipped)))
	failed=$((failed + $(number_before "$summary" failed)))
	# It ended before it could count.
	[ -n "$summary" ] || { failed=$((failed + 1)) status=1; }
}

run_integration() {
	local summary result
	tests/setup/roots.sh || echo "linger: the interpreters of other Debian releases are skipped"
	tests/setup/musl.sh || echo "linger: the interpreter on musl is skipped"
	/usr/bin/python3 -m pytest -p no:cacheprovider -rs -q tests/integration "$@" 2>&1 | tee "$log"
	result=${PIPESTATUS[0]}
	summary=$(grep -E '^=* *([0-9]+ [a-z]+,? ?)+ in [0-9.]+s' "$log" | tail -n 1)
	passed=$((passed + $(number_before "$summary" passed)))
	skipped=$((skipped + $(number_before "$summary" skipped)))
	failed=$((failed + $(number_before "$summary" failed) + $(number_before "$summary" error)))
	if [ "$result" != 0 ]; then
		status=1
		# pytest itself failed: no test is to blame, yet nothing passed.
		[ -z "$summary" ] && failed=$((failed + 1))
	fi
}

what=all
case "${1:-}" in
--lint | --unit | --fuzz | --integration | --kernels)
	what=${1#--}
	shift
	;;
esac
case $what in all | lint) run_script tests/lint.sh ;; esac
case $what in all | unit) run_unit ;; esac
case $what in all | fuzz) run_fuzz ;; esac
case $what in all | integration) run_integration "$@" ;; esac
case $what in all | kernels) run_script tests/kernels/run.sh --smoke ;; esac
echo
echo "$passed passed, $failed failed, $skipped skipped"
exit $status
