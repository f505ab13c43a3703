/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_FAKE_PROFILE_H
#define LINGER_FAKE_PROFILE_H

#include "input.h"
#include "profile.h"

/* Structures that renderers get, made of an input: its names, and whatever numbers. */
struct profile *fake_profile__make(struct input *input);
struct profile_frame *fake_profile__frames(struct input *input, size_t *ret_n);

#endif /* LINGER_FAKE_PROFILE_H */
