#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the fuzzers have found out by now becomes where every run of them begins: keep.sh [NAME...]
# Of the inputs that a fuzzer has under build/fuzz/inputs, it puts those that reach all there is to reach, as few
# and as short as that takes, into tests/fuzz/corpus/NAME.tar.gz. Needs what `make fuzz` builds.
set -eu
cd "$(dirname "$0")/../.."

merged=$(mktemp -d)
trap 'rm -rf "$merged"' EXIT

keep() {
	local inputs=build/fuzz/inputs/$1 folder=$merged/$1
	mkdir "$folder"
	"build/fuzz/$1" -set_cover_merge=1 "$folder" "$inputs" > "$folder.log" 2>&1 || { cat "$folder.log"; return 1; }
	tar c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$folder" . | gzip -9n > "tests/fuzz/corpus/$1.tar.gz"
	echo "$1: $(find "$folder" -type f | wc -l) inputs, $(stat -c %s "tests/fuzz/corpus/$1.tar.gz") bytes"
}

mkdir -p tests/fuzz/corpus
if [ $# = 0 ]; then
	for folder in build/fuzz/inputs/*; do
		set -- "$@" "$(basename "$folder")"
	done
fi
for name in "$@"; do
	keep "$name"
done
