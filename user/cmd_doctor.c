// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cmd.h"
int cmd_doctor(int argc, char **argv) { return STATUS_FAILURE; }
