# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   make            build/linger (says which packages are missing)
#   make setup      install the packages that building and testing need (Debian 12 and 13, root)
#   make test       setup, build, every test (root: the integration tests trace real interpreters)
#   make unit       unit tests only (no root)
#   make lint       warnings of gcc and clang as errors, form, static analysis (no root)
#   make fuzz       what reads hostile bytes, with libFuzzer: FUZZ_SECONDS=60 for all together (no root)
#   make demo       setup, build, record a small leaking FastAPI service
#   make bench      ratios measured side by side on this machine
#   make truth      sampled mode against programs that know what they leak; about two hours, or what
#                   TRUTH_OPTIONS say (tests/truth/run.sh)
#   make survival   sampled mode's survivors against a trace of every free; ten minutes, or what
#                   SURVIVAL_OPTIONS say (tests/survival/run.sh)
#   make chaos      faults of linger, its targets and what is around them; about 45 minutes, or what CHAOS_OPTIONS
#                   say (tests/chaos/run.sh)
#   make kernels    the core of the tests on Debian's kernels from 5.10 on, under QEMU; half an hour, or what
#                   KERNELS_OPTIONS say (tests/kernels/run.sh)
#   make install    into $(DESTDIR)$(PREFIX)
#   V=1 shows the commands.

CC ?= gcc
CLANG ?= clang
CLANG_TIDY ?= clang-tidy-14
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
LLVM_STRIP ?= llvm-strip
PREFIX ?= /usr/local
BUILD := build

VERSION := 0.1.0

CFLAGS ?= -O2 -g
# Errors only for `make lint`: a compiler that is not known yet may warn of more. The last line's are gcc's.
WARNINGS := -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror=implicit -Wshadow -Wundef -Wvla \
	-Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes -Wredundant-decls -Wpointer-arith -Wcast-qual \
	-Wformat=2 -Wimplicit-fallthrough -Walloca \
	-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wno-unknown-warning-option
ALL_CFLAGS := -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -DLINGER_VERSION='"$(VERSION)"' -Iheaders -Iuser -I$(BUILD) $(CFLAGS)
# A tool that root runs on what others wrote. The sanitizers' builds go without.
HARDENING := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fcf-protection -fPIE
HARDENED_LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack
LDLIBS := -l:libbpf.a -l:libjansson.a -l:libprotobuf-c.a -l:libcap-ng.a -l:libseccomp.a -lelf -lz -lZydis -lm
# The kernel calls the programs; BPF_CORE_READ() casts `const` away.
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 $(WARNINGS) -Wno-missing-prototypes -Wno-cast-qual \
	-Iheaders -Ibpf -I$(BUILD)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n' $(1) $(2)
endif

# The tracing units are linked into one object; the memory reader and the stack sampler are objects of their own.
# libbpf's linker wants the unit that defines the maps first.
SINGLE_BPF := reader stack_sampler
BPF_SRC := bpf/maps.bpf.c $(filter-out bpf/maps.bpf.c $(SINGLE_BPF:%=bpf/%.bpf.c),$(sort $(wildcard bpf/*.bpf.c)))
BPF_OBJ := $(BPF_SRC:bpf/%.bpf.c=$(BUILD)/bpf/%.bpf.o)
USER_SRC := $(sort $(wildcard user/*.c))
USER_OBJ := $(USER_SRC:user/%.c=$(BUILD)/user/%.o)
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)
BENCH_BIN := $(BUILD)/bench/list_sites $(BUILD)/bench/count_only $(BUILD)/bench/pprof_write
TEST_DRIVERS := $(BUILD)/tests/inspect_driver $(BUILD)/tests/referents_driver $(BUILD)/tests/stacks_driver
SURVIVAL_BIN := $(BUILD)/tests/survival
KERNELS_BIN := $(BUILD)/tests/verified_insns
TEST_LIBS := $(BUILD)/tests/raw_calls.so $(BUILD)/tests/raw_calls_cxx.so
EMBEDDED := $(sort $(wildcard user/*.js user/*.css))
EMBEDDED_H := $(EMBEDDED:user/%=$(BUILD)/embedded/%.h)
PROTO := $(sort $(wildcard user/*.proto))
PROTO_H := $(PROTO:user/%.proto=$(BUILD)/%.pb-c.h)
PROTO_OBJ := $(PROTO:user/%.proto=$(BUILD)/%.pb-c.o)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all check-packages setup test unit lint lint-gcc lint-clang lint-tidy fuzz integration demo bench truth survival chaos kernels \
	install clean
all: $(BUILD)/linger

# --- what has to be there ---------------------------------------------------------------------------------

check-packages:
	@tests/setup/packages.sh --check build

setup:
	@tests/setup/packages.sh --install

$(BUILD)/.packages: tests/setup/packages.sh
	@tests/setup/packages.sh --check build
	@mkdir -p $(BUILD) && touch $@

# --- BPF --------------------------------------------------------------------------------------------------

# The running kernel's types where it has BTF; otherwise, or with MINIMAL=1, the few that the programs use (CO-RE
# relocates both).
$(BUILD)/vmlinux.h: bpf/vmlinux_minimal.h | $(BUILD)/.packages
	$(call say,BTF,$@)
	$(Q)if [ -z "$(MINIMAL)" ] && [ -r /sys/kernel/btf/vmlinux ]; then \
		$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@; \
	else cp $< $@; fi

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(BUILD)/vmlinux.h
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(BUILD)/trace.bpf.o: $(BPF_OBJ)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SINGLE_BPF:%=$(BUILD)/%.bpf.o): $(BUILD)/%.bpf.o: $(BUILD)/bpf/%.bpf.o
	$(Q)cp $< $@

SKELETONS := $(BUILD)/trace.skel.h $(SINGLE_BPF:%=$(BUILD)/%.skel.h)

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# --- user space -------------------------------------------------------------------------------------------

# user/NAME.js becomes the string constant `embedded_NAME_js`.
$(BUILD)/embedded/%.h: user/%
	$(call say,EMBED,$@)
	@mkdir -p $(@D)
	$(Q)tests/setup/embed.sh $< > $@

# user/NAME.proto becomes NAME.pb-c.h and NAME.pb-c.c.
$(BUILD)/%.pb-c.c $(BUILD)/%.pb-c.h: user/%.proto | $(BUILD)/.packages
	$(call say,PROTOC,$(BUILD)/$*.pb-c.c)
	$(Q)protoc --c_out=$(BUILD) --proto_path=user $<

$(BUILD)/%.pb-c.o: $(BUILD)/%.pb-c.c
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(HARDENING) -c $< -o $@

$(BUILD)/user/%.o: user/%.c $(SKELETONS) $(EMBEDDED_H) $(PROTO_H)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(HARDENING) -MMD -MP -c $< -o $@

# Everything but main: what the unit tests link against.
$(BUILD)/liblinger.a: $(filter-out $(BUILD)/user/main.o,$(USER_OBJ)) $(PROTO_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/linger: $(BUILD)/user/main.o $(BUILD)/liblinger.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDENED_LINK) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# --- tests ------------------------------------------------------------------------------------------------

# The unit tests run the shipped sources under the address and undefined-behaviour sanitizers; only what a
# test needs is linked, so they need no BPF.
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

$(BUILD)/unit/user/%.o: user/%.c $(SKELETONS) $(EMBEDDED_H) $(PROTO_H)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(SAN) -MMD -MP -c $< -o $@

$(BUILD)/unit/liblinger.a: $(patsubst $(BUILD)/user/%,$(BUILD)/unit/user/%,$(filter-out $(BUILD)/user/main.o,$(USER_OBJ))) $(PROTO_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/unit/test_%: tests/unit/test_%.c $(BUILD)/unit/liblinger.a
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(SAN) -Itests/unit -MMD -MP -MF $@.d -o $@ $< $(BUILD)/unit/liblinger.a $(LDLIBS) -lcmocka

# The fuzzers run the shipped sources under the same sanitizers, compiled by clang, which brings libFuzzer.
FUZZ_CFLAGS := $(ALL_CFLAGS) $(SAN) -fsanitize=fuzzer-no-link -Wno-unknown-attributes -Itests/fuzz
FUZZ_COMMON := $(patsubst tests/%.c,$(BUILD)/%.o,$(filter-out $(FUZZ_SRC),$(sort $(wildcard tests/fuzz/*.c))))

$(BUILD)/fuzz/user/%.o: user/%.c $(SKELETONS) $(EMBEDDED_H) $(PROTO_H)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/fuzz/%.o: tests/fuzz/%.c $(EMBEDDED_H)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/fuzz/liblinger.a: $(patsubst $(BUILD)/user/%,$(BUILD)/fuzz/user/%,$(filter-out $(BUILD)/user/main.o,$(USER_OBJ))) $(PROTO_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/fuzz_%.o $(FUZZ_COMMON) $(BUILD)/fuzz/liblinger.a
	$(call say,LINK,$@)
	$(Q)$(CLANG) $(SAN) -fsanitize=fuzzer -o $@ $^ $(LDLIBS) -lexpat

# --- helpers of tests and benchmarks ------------------------------------------------------------------------

$(BUILD)/count_only.bpf.o: tests/bench/count_only.bpf.c $(BUILD)/vmlinux.h
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/liblinger.a $(BUILD)/count_only.skel.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< $(BUILD)/liblinger.a $(LDLIBS)

$(BUILD)/frees.bpf.o: tests/survival/frees.bpf.c tests/survival/frees.h bpf/site_register.bpf.h $(BUILD)/vmlinux.h
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

# It sees what the sampler does with its samples.
$(SURVIVAL_BIN): tests/survival/survival.c $(BUILD)/liblinger.a $(BUILD)/frees.skel.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wl,--wrap=sample_set__bury -o $@ $< $(BUILD)/liblinger.a $(LDLIBS)

$(TEST_DRIVERS): $(BUILD)/tests/%: tests/targets/%.c $(BUILD)/liblinger.a
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< $(BUILD)/liblinger.a $(LDLIBS)

$(KERNELS_BIN): $(BUILD)/tests/%: tests/kernels/%.c $(BUILD)/liblinger.a
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< $(BUILD)/liblinger.a $(LDLIBS)

# Loaded into the targets. They stand in for an extension, so nothing about their calls may be optimised away;
# raw_calls.so also goes into other releases of Debian and asks their libc for no version.
TARGET_LIB_CFLAGS := -O1 -g -Wall -Wextra -fPIC -shared -fno-builtin -Wl,-z,now -D_GNU_SOURCE

$(BUILD)/tests/%.so: tests/targets/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_LIB_CFLAGS) -Werror=implicit -nostdlib -o $@ $<

$(BUILD)/tests/%.so: tests/targets/%.cpp
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(TARGET_LIB_CFLAGS) -std=c++17 -o $@ $<

# --- lint: every C file once more with each compiler, a warning is an error ----------------------------------

# What is compiled against CPython's headers, which warn, is not here.
LINT_C := $(USER_SRC) $(filter-out %.bpf.c tests/targets/embed.c,$(sort $(wildcard \
	$(addprefix tests/,$(addsuffix /*.c,bench fuzz kernels survival targets unit)))))
LINT_BPF_C := $(sort $(wildcard bpf/*.bpf.c tests/*/*.bpf.c))
LINT_GCC := $(LINT_C:%.c=$(BUILD)/lint/gcc/%.o)
LINT_CLANG := $(LINT_C:%.c=$(BUILD)/lint/clang/%.o) $(LINT_BPF_C:%.c=$(BUILD)/lint/clang/%.o)
LINT_CFLAGS = $(ALL_CFLAGS) $(HARDENING) -Itests/unit -Werror $(LINT_OFF) -MMD -MP -c
LINT_NEEDS := $(SKELETONS) $(BUILD)/count_only.skel.h $(BUILD)/frees.skel.h $(EMBEDDED_H) $(PROTO_H)

# Python calls its functions by name.
$(BUILD)/lint/%/tests/targets/raw_calls.o: LINT_OFF := -Wno-missing-prototypes
# gcc 12 does not see that open_memstream() points its argument elsewhere.
$(BUILD)/lint/gcc/tests/unit/%.o: LINT_OFF := -Wno-dangling-pointer

$(BUILD)/lint/gcc/%.o: %.c $(LINT_NEEDS)
	$(call say,LINT,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINT_CFLAGS) $< -o $@

$(BUILD)/lint/clang/%.bpf.o: %.bpf.c $(BUILD)/vmlinux.h
	$(call say,LINT,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -Werror -MMD -MP -c $< -o $@

$(BUILD)/lint/clang/%.o: %.c $(LINT_NEEDS)
	$(call say,LINT,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(LINT_CFLAGS) -Wcomma -Wassign-enum -Wunreachable-code -Wno-unknown-attributes $< -o $@

# Findings that end in generated code do not count.
$(BUILD)/lint/tidy/%.log: %.c $(BUILD)/lint/clang/%.o .clang-tidy
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG_TIDY) --quiet $< -- $(ALL_CFLAGS) -Wno-unknown-attributes > $@ 2>&1 && \
		! grep -q '^$(CURDIR)/user/.*: warning: ' $@ || { cat $@; exit 1; }

lint-gcc: $(LINT_GCC)
lint-clang: $(LINT_CLANG)
# error.c defines what the others are told otherwise.
lint-tidy: $(patsubst %.c,$(BUILD)/lint/tidy/%.log,$(filter-out user/error.c,$(USER_SRC)))

lint:
	@tests/run.sh --lint

# --- targets ------------------------------------------------------------------------------------------------

unit: $(UNIT_BIN)
	@tests/run.sh --unit

fuzz: $(FUZZ_BIN)
	@tests/run.sh --fuzz

test: setup
	@$(MAKE) --no-print-directory -j"$$(nproc)" all $(UNIT_BIN) $(FUZZ_BIN) $(BENCH_BIN) $(TEST_DRIVERS) $(SURVIVAL_BIN) \
		$(KERNELS_BIN) $(TEST_LIBS)
	@tests/run.sh

integration: all $(BENCH_BIN) $(TEST_DRIVERS) $(SURVIVAL_BIN) $(TEST_LIBS)
	@tests/run.sh --integration

demo: setup
	@$(MAKE) --no-print-directory all
	@tests/demo/run.sh

bench: setup
	@$(MAKE) --no-print-directory all $(BENCH_BIN)
	@tests/bench/run.sh

truth: setup
	@$(MAKE) --no-print-directory all
	@tests/truth/run.sh $(TRUTH_OPTIONS)

survival: setup
	@$(MAKE) --no-print-directory all $(SURVIVAL_BIN)
	@tests/survival/run.sh $(SURVIVAL_OPTIONS)

chaos: setup
	@$(MAKE) --no-print-directory all
	@tests/chaos/run.sh $(CHAOS_OPTIONS)

kernels: setup
	@$(MAKE) --no-print-directory all $(KERNELS_BIN) $(TEST_LIBS)
	@tests/kernels/run.sh $(KERNELS_OPTIONS)

install: $(BUILD)/linger
	install -D -m 755 $(BUILD)/linger $(DESTDIR)$(PREFIX)/sbin/linger
	install -D -m 644 user/linger.8 $(DESTDIR)$(PREFIX)/share/man/man8/linger.8

clean:
	rm -rf $(BUILD)

-include $(BPF_OBJ:.o=.d) $(SINGLE_BPF:%=$(BUILD)/bpf/%.bpf.d) $(USER_OBJ:.o=.d) $(wildcard $(BUILD)/unit/user/*.d) $(UNIT_BIN:=.d) \
	$(wildcard $(BUILD)/fuzz/*.d $(BUILD)/fuzz/user/*.d) $(LINT_GCC:.o=.d) $(LINT_CLANG:.o=.d)
