#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the guests are made of, fetched once into ${LINGER_TEST_CACHE:-/var/cache/linger-tests}/kernels:
#   fetch.sh root            root.cpio: this machine's own release of Debian with Python and pytest
#   fetch.sh kernel SUITE    SUITE/vmlinuz: the newest kernel of that release (SUITE/release names it)
# Needs root and Debian's mirror.
set -eu
cd "$(dirname "$0")/../.."

cache=${LINGER_TEST_CACHE:-/var/cache/linger-tests}/kernels
mirror=${LINGER_TEST_MIRROR:-$(tests/setup/mirror.sh)}

# apt with a list of sources of its own: the machine's stays as it is.
apt_of() {
	local folder=$1 command=$2
	shift 2
	"$command" -qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder" -o APT::Sandbox::User=root "$@"
}

# The kernel itself: from Debian 14 on the image is a package of its own.
download_image() {
	local name
	for name in "linux-binary-$2" "linux-image-$2"; do
		apt_of "$1" apt-cache show "$name" >/dev/null 2>&1 || continue
		(cd "$1" && apt_of "$1" apt-get download "$name" >/dev/null)
		return
	done
	return 1
}

# The package that stands for the newest kernel depends on the one of its release.
fetch_kernel() {
	local folder=$cache/$1 release
	[ -e "$folder/vmlinuz" ] && return 0
	rm -rf --one-file-system "$folder"
	mkdir -p "$folder/lists/partial"
	echo "linger: fetching the kernel of $1 (once)"
	echo "deb $mirror $1 main" > "$folder/sources.list"
	apt_of "$folder" apt-get update
	release=$(apt_of "$folder" apt-cache show linux-image-cloud-amd64 |
		sed -nE 's/^Depends:.*linux-image-([0-9][^ ,]*).*/\1/p' | head -n 1)
	download_image "$folder" "$release"
	dpkg-deb --fsys-tarfile "$folder"/linux-*.deb |
		tar -xO --wildcards '*/vmlinuz*' > "$folder/vmlinuz.part"
	rm -rf "$folder/lists" "$folder"/*.deb "$folder"/*.bin
	echo "$release" > "$folder/release"
	mv "$folder/vmlinuz.part" "$folder/vmlinuz"
}

# Without what only apt and people read: the guest holds it in memory.
fetch_root() {
	local folder=$cache/root suite
	[ -e "$cache/root.cpio" ] && return 0
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	rm -rf --one-file-system "$folder"
	mkdir -p "$folder"
	echo "linger: setting up $cache/root.cpio (once)"
	debootstrap --variant=minbase --include=python3,python3-pytest,procps "$suite" "$folder" "$mirror" \
		> "$cache/root.log" 2>&1
	rm -rf "$folder"/usr/share/{doc,man,locale,info,zoneinfo} "$folder"/var/{cache,lib}/apt "$folder/var/lib/dpkg"
	(cd "$folder" && find . | cpio -o -H newc --quiet) > "$cache/root.cpio.part"
	rm -rf --one-file-system "$folder"
	mv "$cache/root.cpio.part" "$cache/root.cpio"
}

mkdir -p "$cache"
# Two test runs at a time must not make the same file.
exec 9> "$cache/.lock"
flock 9
case "${1:-}" in
root) fetch_root ;;
kernel) fetch_kernel "$2" ;;
*) echo "usage: $0 root | kernel SUITE" >&2; exit 2 ;;
esac
