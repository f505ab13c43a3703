#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A text file as a C string constant: embed.sh user/NAME.js > NAME.js.h gives `embedded_NAME_js`.
set -eu
name=$(basename "$1" | tr '.-' '__')
printf 'static const char embedded_%s[] =\n' "$name"
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/\t"/' -e 's/$/\\n"/' "$1"
printf '\t;\n'
