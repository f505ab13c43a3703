// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the interpreter does that every domain has to know of, whether blocks are being recorded or not: it
 * ends a code object, or itself. Both are rare.
 */
#include "code_generation.bpf.h"
#include "site_register.bpf.h"

SEC("uprobe")
int interpreter_site(struct pt_regs *ctx)
{
	union site_cookie cookie = {.value = bpf_get_attach_cookie(ctx)};
	struct trace_state *state = get_state();

	use_the_threads_stack(ctx);
	if (!state || !is_target())
		return 0;
	if (cookie.kind == SITE_CODE_DEALLOC)
		code_generation__end(site_register(ctx, cookie.reg));
	else if (cookie.kind == SITE_FINALIZE)
		state->ending = 1;
	return 0;
}
