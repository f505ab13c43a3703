/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_GATE_H
#define LINGER_GATE_H

#include <sys/types.h>

#include "error.h"

/*
 * Where a program waits before it starts: in its dynamic linker's opening of the C library. By then the
 * program and the libraries that come before libc in the load order are mapped, and nothing of them has run.
 */
struct gate;

/*
 * For one process of our own, for each program that it becomes. The gate is at linger's own libc and at those
 * found under the directories among `words`, a command's arguments, which may become the root (chroot DIR …).
 * 0 or a negative errno, with its sentence.
 */
int gate__open(pid_t pid, char *const *words, struct gate **ret_gate, struct error *error);

/* Takes the gate away; who waits goes on. */
void gate__free(struct gate *gate);

/* Readable when gate__arrived has something to tell. */
int gate__fd(const struct gate *gate);

/* 0: the process has come to the gate and waits, opening this file (a descriptor for the caller to close);
 * -EPIPE: the gate is gone. */
int gate__arrived(struct gate *gate, int *ret_file);

/* Lets the process through, to the gate of the next program that it becomes. */
void gate__let_through(struct gate *gate);

#endif /* LINGER_GATE_H */
