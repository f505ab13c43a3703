#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What linger needs from Debian: packages.sh --check build      names what is missing, exit 1 if anything is
#                                packages.sh --install          installs everything (build and test), root
set -eu

here=$(dirname "$0")
build="gcc make pkg-config clang llvm libbpf-dev bpftool libelf-dev zlib1g-dev libzydis-dev libjansson-dev
libprotobuf-c-dev protobuf-c-compiler protobuf-compiler"
# A|B: the same under the names of different releases.
tests="libcmocka-dev python3-pytest binutils debootstrap python3 libpython3-dev pypy3 chromium chromium-driver
libclang-rt-dev|libclang-rt-14-dev python3-selenium g++ musl-tools python3-numpy libjemalloc2 libtcmalloc-minimal4|libtcmalloc-minimal4t64
libmimalloc2.0|libmimalloc3 python3-objgraph graphviz clang-format-14 clang-tidy-14 shellcheck flake8"
demo="python3-fastapi uvicorn apache2-utils"

installed() {
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

known() {
	apt-cache show "$1" >/dev/null 2>&1
}

# The first of the names A|B for which the command succeeds.
first_that_is() {
	for name in $(echo "$2" | tr '|' ' '); do
		if "$1" "$name"; then
			echo "$name"
			return 0
		fi
	done
	return 1
}

# libbpf below 1.3 has no uprobe_multi; Debian 12 keeps a newer one in backports.
libbpf_is_old() {
	! dpkg --compare-versions "$(dpkg-query -W -f '${Version}' libbpf-dev 2>/dev/null || echo 0)" ge 1:1.3
}

missing() {
	for package in $1; do
		installed "$package" || printf '%s ' "$package"
	done
	if installed libbpf-dev && libbpf_is_old; then
		printf 'libbpf-dev(>=1.3) '
	fi
}

check() {
	lacking=$(missing "$build")
	[ -z "$lacking" ] && return 0
	echo "linger: packages are missing: $lacking" >&2
	echo "hint: run 'make setup' as root, or install them (on Debian 12 libbpf-dev and bpftool from bookworm-backports)" >&2
	return 1
}

add_backports() {
	. /etc/os-release
	[ "${VERSION_CODENAME:-}" = bookworm ] || return 0
	apt-cache policy 2>/dev/null | grep -q bookworm-backports && return 0
	echo "deb $("$here/mirror.sh") bookworm-backports main" > /etc/apt/sources.list.d/linger-backports.list
	apt-get update -qq
}

install_all() {
	[ "$(id -u)" = 0 ] || { echo "linger: installing packages needs root" >&2; exit 1; }
	wanted=""
	for package in $build $tests $demo; do
		first_that_is installed "$package" >/dev/null || wanted="$wanted $package"
	done
	if [ -z "$wanted" ] && ! libbpf_is_old; then
		return 0
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	add_backports
	# What a release does not have, its tests count as skipped; what building needs is checked below.
	known_wanted=""
	for package in $wanted; do
		if name=$(first_that_is known "$package"); then known_wanted="$known_wanted $name"; fi
	done
	echo "linger: installing$known_wanted"
	if libbpf_is_old; then
		if apt-cache policy | grep -q bookworm-backports; then
			apt-get install -y -qq -t bookworm-backports libbpf-dev bpftool >/dev/null
		fi
	fi
	# shellcheck disable=SC2086
	apt-get install -y -qq --no-install-recommends $known_wanted >/dev/null
	check
}

case "${1:-}" in
--check) check ;;
--install) install_all ;;
*) echo "usage: $0 --check build | --install" >&2; exit 2 ;;
esac
