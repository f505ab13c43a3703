// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct trace_config linger_config = {};

struct live_set_map live_set SEC(".maps");
struct size_cache_map size_cache SEC(".maps");
struct block_buckets_map block_buckets SEC(".maps");
struct spilled_blocks_map spilled_blocks SEC(".maps");
struct empty_stretch_map empty_stretch SEC(".maps");
struct stacks_map stacks SEC(".maps");
struct codes_map codes SEC(".maps");
struct stack_info_map stack_info SEC(".maps");
struct frame_pool_map frame_pool SEC(".maps");
struct code_info_map code_info SEC(".maps");
struct text_pool_map text_pool SEC(".maps");
struct code_generations_map code_generations SEC(".maps");
struct trace_state_map trace_state SEC(".maps");
struct counters_map counters SEC(".maps");
struct walks_map walks SEC(".maps");
struct mapping_events_map mapping_events SEC(".maps");
struct no_programs_map no_programs SEC(".maps");
