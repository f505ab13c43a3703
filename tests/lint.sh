#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The gates that run nothing of linger; each is one test. Last line: `N passed, N failed, N skipped`.
# What a tool of another version finds or how it formats differs, so two of them are wanted in theirs.
set -u
cd "$(dirname "$0")/.." || exit 1

passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# gate NAME TOOL COMMAND...
gate() {
	local name=$1 tool=$2
	shift 2
	if ! command -v "$tool" > /dev/null; then
		skipped=$((skipped + 1))
		echo "lint: $name: skipped, there is no $tool"
	elif "$@" > "$log" 2>&1; then
		passed=$((passed + 1))
		echo "lint: $name: passed"
	else
		cat "$log"
		failed=$((failed + 1))
		echo "lint: $name: failed"
	fi
}

find_files() {
	find .ci bpf headers tests user "$@" | sort
}

compile() {
	make --no-print-directory -k -j"$(nproc)" "lint-$1"
}

mapfile -t c_files < <(find_files -name '*.[ch]')
mapfile -t shell_files < <(find_files -name '*.sh' -o -path .ci/run)
mapfile -t python_files < <(find_files -name '*.py')

gate "form of C" clang-format-14 clang-format-14 --dry-run -Werror "${c_files[@]}"
gate "shell" shellcheck shellcheck -x "${shell_files[@]}"
# Off: a lambda with a name, which targets are there to have.
gate "Python" flake8 flake8 --isolated --max-line-length=120 --extend-ignore=E731 "${python_files[@]}"
gate "warnings of gcc" make compile gcc
gate "warnings of clang" make compile clang
gate "static analysis" clang-tidy-14 compile tidy
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
