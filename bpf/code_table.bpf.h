/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LINGER_CODE_TABLE_BPF_H
#define LINGER_CODE_TABLE_BPF_H

/*
 * Code objects: what a frame's function is called, where it is written, and its line table. Each is read
 * once, when a stack first shows it, so that the names survive the code object and the target.
 */

#include "code_generation.bpf.h"

struct text_copy {
	__u64 source;
	__u32 first_chunk;
	__u32 bytes;
	__u32 failed;
	__u32 pad;
};

static long copy_text_chunk(__u64 i, struct text_copy *copy)
{
	__u32 chunk = copy->first_chunk + i, done = i * LINGER_TEXT_CHUNK, bytes = copy->bytes - done;
	struct text_chunk *to = bpf_map_lookup_elem(&text_pool, &chunk);

	if (bytes > LINGER_TEXT_CHUNK)
		bytes = LINGER_TEXT_CHUNK;
	copy->failed = !to || bpf_probe_read_user(to->bytes, bytes, (void *)(copy->source + done));
	return copy->failed;
}

/* Copies bytes of the target into the text pool. False if a page is not resident or the pool is full. */
static __always_inline bool copy_text(__u64 source, __u32 bytes, struct text_ref *ret_ref)
{
	__u32 n_chunks = (bytes + LINGER_TEXT_CHUNK - 1) / LINGER_TEXT_CHUNK;
	struct text_copy copy = {.source = source, .bytes = bytes};
	struct trace_state *state = get_state();

	if (!state || state->next_chunk + n_chunks > linger_config.max_chunks)
		return false;
	copy.first_chunk = __sync_fetch_and_add(&state->next_chunk, n_chunks);
	bpf_loop(n_chunks, copy_text_chunk, &copy, 0);
	ret_ref->chunk = copy.first_chunk;
	ret_ref->bytes = bytes;
	return !copy.failed;
}

/* Reads a str object. Long names are cut. */
static __noinline int read_str(__u64 object, struct text_ref *ret_ref, __u8 *ret_kind)
{
	__u64 length = 0, data;
	__u32 state = 0;
	__u8 kind;

	if (!ret_ref || !ret_kind)
		return -1;
	if (!read_pointer(object + linger_config.py.unicode_length, &length) ||
	    bpf_probe_read_user(&state, sizeof(state), (void *)(object + linger_config.py.unicode_state)))
		return -1;
	kind = state >> linger_config.py.unicode_kind_shift & 7;
	if (kind != 1 && kind != 2 && kind != 4)
		return -1;
	if (length > LINGER_MAX_NAME_BYTES / kind)
		length = LINGER_MAX_NAME_BYTES / kind;
	data = object + (state >> linger_config.py.unicode_ascii_shift & 1
				 ? linger_config.py.unicode_ascii
				 : linger_config.py.unicode_compact);
	*ret_kind = kind;
	return copy_text(data, length * kind, ret_ref) ? 0 : -1;
}

static __noinline int read_bytes(__u64 object, struct text_ref *ret_ref)
{
	__u64 size = 0;

	if (!ret_ref || !read_pointer(object + linger_config.py.bytes_size, &size))
		return -1;
	if (size > LINGER_MAX_TABLE_BYTES)
		return -1;
	return copy_text(object + linger_config.py.bytes_data, size, ret_ref) ? 0 : -1;
}

static __always_inline bool read_str_field(__u64 field, struct text_ref *ret_ref, __u8 *ret_kind)
{
	__u64 object;

	return read_pointer(field, &object) && !read_str(object, ret_ref, ret_kind);
}

static __always_inline bool read_bytes_field(__u64 field, struct text_ref *ret_ref)
{
	__u64 object;

	return read_pointer(field, &object) && !read_bytes(object, ret_ref);
}

static __always_inline void read_code(__u64 code, struct linger_code *info)
{
	__u8 flags = CODE_READY;

	info->address = code;
	bpf_probe_read_user(&info->first_line, sizeof(info->first_line),
			    (void *)(code + linger_config.py.code_first_line));
	if (linger_config.py.code_first_traceable != PY_NO_FIELD)
		bpf_probe_read_user(&info->first_traceable, sizeof(info->first_traceable),
				    (void *)(code + linger_config.py.code_first_traceable));
	if (!read_str_field(code + linger_config.py.code_name, &info->name, &info->name_kind))
		flags |= CODE_NAME_UNREAD;
	if (!read_str_field(code + linger_config.py.code_filename, &info->filename, &info->filename_kind))
		flags |= CODE_FILE_UNREAD;
	if (!read_bytes_field(code + linger_config.py.code_line_table, &info->line_table))
		flags |= CODE_TABLE_UNREAD;
	info->flags = flags;
}

/* The id of a code object; LINGER_NO_CODE when there is no room for another. Global, so that the verifier
 * looks at it once and not once per frame. */
__noinline __u32 code_table__intern(__u64 code, __u32 generation)
{
	struct code_key key = {.address = code, .generation = generation};
	__u32 *known = bpf_map_lookup_elem(&codes, &key);
	struct trace_state *state = get_state();
	struct linger_code *info;
	__u32 id;

	if (known)
		return *known;
	if (!state || state->next_code >= linger_config.max_codes)
		return LINGER_NO_CODE;
	id = __sync_fetch_and_add(&state->next_code, 1);
	info = bpf_map_lookup_elem(&code_info, &id);
	if (!info)
		return LINGER_NO_CODE;
	read_code(code, info);
	/* Another thread may have been faster: then there are two entries for it, which user space merges. */
	bpf_map_update_elem(&codes, &key, &id, BPF_ANY);
	return id;
}

#endif /* LINGER_CODE_TABLE_BPF_H */
