#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Builds an interpreter on musl, once: Debian's source of its own python3, without what needs other libraries,
# under ${LINGER_TEST_CACHE:-/var/cache/linger-tests}/musl. A complete folder has a file `.done`, and a link
# `python` to the program. Needs root for Debian's mirror and musl-gcc.
set -eu
cd "$(dirname "$0")/../.."

cache=${LINGER_TEST_CACHE:-/var/cache/linger-tests}
folder=$cache/musl
mirror=${LINGER_TEST_MIRROR:-$(tests/setup/mirror.sh)}

# A list of sources of its own: the machine's stays as it is.
fetch_source() {
	local package options
	package=$(basename "$(readlink -f /usr/bin/python3)")
	options=(-o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o "Dir::State::Lists=$folder/lists" -o APT::Sandbox::User=root)
	mkdir -p "$folder/lists"
	echo "deb-src $mirror $(. /etc/os-release && echo "$VERSION_CODENAME") main" > "$folder/sources.list"
	apt-get "${options[@]}" update && cd "$folder" && apt-get "${options[@]}" source --download-only "$package"
}

# musl-gcc with the kernel's headers, and without the triplet of the compiler behind it, which configure compares.
write_compiler() {
	cat > "$folder/cc" <<-'END'
		#!/bin/sh
		[ "$1" = --print-multiarch ] && exit 0
		exec musl-gcc "$@" -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
	END
	chmod +x "$folder/cc"
}

build() {
	(fetch_source) && write_compiler &&
		tar --no-same-owner -C "$folder" -xf "$folder"/python3*.orig.tar.*z && cd "$folder"/Python-3* &&
		./configure CC="$folder/cc" CFLAGS=-O1 --disable-test-modules --without-ensurepip &&
		make -j"$(nproc)" python sharedmods && ln -s "$PWD/python" "$folder/python" && touch "$folder/.done"
}

mkdir -p "$cache"
# Two test runs at a time must not build the same folder.
exec 9> "$cache/.lock"
flock 9
[ -e "$folder/.done" ] && exit 0
command -v musl-gcc >/dev/null || { echo "linger: failed to build $folder: no musl-gcc (musl-tools)" >&2; exit 1; }
rm -rf --one-file-system "$folder"
mkdir -p "$folder"
echo "linger: building $folder (once)"
build > "$cache/musl.log" 2>&1 || { echo "linger: failed to build $folder: see $cache/musl.log" >&2; exit 1; }
