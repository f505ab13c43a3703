#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Sets up the interpreters of other Debian releases, once: a debootstrap folder for each under
# ${LINGER_TEST_CACHE:-/var/cache/linger-tests}. A folder that is complete has a file `.done`.
# Needs root and Debian's mirror. What cannot be made is said, and the tests count it as skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1

cache=${LINGER_TEST_CACHE:-/var/cache/linger-tests}
mirror=${LINGER_TEST_MIRROR:-$(tests/setup/mirror.sh)}
scripts=/usr/share/debootstrap/scripts

# Debian 12's debootstrap does not know the releases after it; they are set up like sid.
script_for() {
	[ -e "$scripts/$1" ] && echo "$scripts/$1" || echo "$scripts/sid"
}

make_root() {
	local suite=$1 root=$cache/$1
	[ -e "$root/.done" ] && return 0
	if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
		echo "linger: failed to set up $root: it needs root and debootstrap" >&2
		return 1
	fi
	rm -rf --one-file-system "$root"
	echo "linger: setting up $root (once)"
	if debootstrap --variant=minbase --include=python3 "$suite" "$root" "$mirror" "$(script_for "$suite")" \
		> "$cache/$suite.log" 2>&1 && touch "$root/.done"; then
		rm -rf "$root/var/cache/apt/archives"/*.deb
		return 0
	fi
	echo "linger: failed to set up $root: see $cache/$suite.log" >&2
	return 1
}

mkdir -p "$cache" || exit 1
# Two test runs at a time must not build the same folder.
exec 9> "$cache/.lock"
flock 9
status=0
for suite in bullseye trixie forky; do
	make_root "$suite" || status=1
done
exit $status
