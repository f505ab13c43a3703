#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Runs cmocka programs one after the other; fails if one fails.
status=0
for program in "$@"; do
	"$program" || status=1
done
exit $status
