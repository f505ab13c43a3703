// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "python_code.h"

/* --- finding the interpreter ------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_executable_file(const struct target_mapping *mapping)
{
	return mapping->executable && mapping->inode && mapping->path[0] == '/';
}

/* What a mapped file is; the later kinds say more about why a process cannot be traced. */
enum file_kind {
	FILE_OTHER,
	FILE_CPYTHON,
	FILE_OLD_CPYTHON,
	FILE_PYPY,
	FILE_NOT_X86_64,
};

static enum file_kind examine(const struct target *target, const struct target_mapping *mapping,
			      struct elf_image **ret_image)
{
	struct elf_image *image;
	uint64_t address;
	int fd = target__open_file(target, mapping), err;

	if (fd < 0)
		return FILE_OTHER;
	err = elf_image__open(fd, &image);
	if (err)
		return err == -EOPNOTSUPP ? FILE_NOT_X86_64 : FILE_OTHER;
	if (!elf_image__symbol(image, "_PyRuntime", &address, NULL)) {
		*ret_image = image;
		return FILE_CPYTHON;
	}
	if (!elf_image__symbol(image, "PyEval_EvalFrameEx", &address, NULL))
		err = FILE_OLD_CPYTHON;
	else
		err = elf_image__has_symbol_prefix(image, "pypy_") ? FILE_PYPY : FILE_OTHER;
	elf_image__free(image);
	return err;
}

static const char *const refusals[] = {
	[FILE_OTHER] = "it is not a Python process",
	[FILE_OLD_CPYTHON] = "its CPython is older than 3.7",
	[FILE_PYPY] = "it runs PyPy",
	[FILE_NOT_X86_64] = "its program is not 64-bit x86 code",
};

static int refuse(const struct target *target, enum file_kind kind, struct error *error)
{
	int err = kind == FILE_OTHER ? -ENOEXEC : -EOPNOTSUPP;

	error__set(error, err, "failed to inspect process %d: %s", target__pid(target), refusals[kind]);
	error__hint(
		error,
		"linger knows CPython 3.7 to 3.14 on x86-64; 'pgrep -a python' lists the Python processes");
	return err;
}

/* The program first, then what is called python, then everything else that is mapped. */
static int rank(const struct target_mapping *mapping, const char *exe)
{
	if (!strcmp(mapping->path, exe))
		return 0;
	return strstr(base_name(mapping->path), "python") ? 1 : 2;
}

static int take_interpreter(struct python *python, const struct target_mapping *mapping, struct error *error)
{
	python->path = strdup(mapping->path);
	if (!python->path)
		return error__set(error, -ENOMEM, "failed to inspect '%s': out of memory", mapping->path);
	if (elf_image__bias(python->image, mapping->start, mapping->offset, &python->bias))
		return error__set(error, -EOPNOTSUPP,
				  "failed to inspect '%s': cannot tell where it is loaded", mapping->path);
	return 0;
}

static int out_of_patience(const struct target *target, struct error *error)
{
	return error__set(error, -EOPNOTSUPP,
			  "failed to inspect process %d: it has too many mapped files to look through",
			  target__pid(target));
}

static int find_interpreter(const struct target *target, const struct target_mapping *mappings, size_t n,
			    struct python *python, struct error *error)
{
	const char *exe = "";
	uint64_t end_ns = now_ns() + TARGET_FILES_LIMIT_NS;
	enum file_kind worst = FILE_OTHER;

	for (size_t i = 0; i < n && !exe[0]; i++)
		if (is_executable_file(&mappings[i]))
			exe = mappings[i].path;
	for (int wanted = 0; wanted <= 2; wanted++)
		for (size_t i = 0; i < n; i++) {
			enum file_kind kind;

			if (!is_executable_file(&mappings[i]) || rank(&mappings[i], exe) != wanted)
				continue;
			if (now_ns() > end_ns)
				return out_of_patience(target, error);
			kind = examine(target, &mappings[i], &python->image);
			if (kind == FILE_CPYTHON)
				return take_interpreter(python, &mappings[i], error);
			worst = kind > worst ? kind : worst;
		}
	return refuse(target, worst, error);
}

/* --- version and layout ------------------------------------------------------------------------------ */

static int read_version(struct python *python, struct python_code *code)
{
	uint64_t address;
	uint32_t hex;

	if (!elf_image__symbol(python->image, "Py_Version", &address, NULL) &&
	    !elf_image__read(python->image, address, &hex, sizeof(hex))) {
		snprintf(python->version, sizeof(python->version), "%u.%u.%u", hex >> 24, hex >> 16 & 0xff,
			 hex >> 8 & 0xff);
	} else {
		int err = python_code__version(code, python->version, sizeof(python->version));

		if (err)
			return err;
	}
	return sscanf(python->version, "3.%d", &python->minor) == 1 ? 0 : -ENOENT;
}

static void include(struct frame_extent *extent, uint32_t offset, uint32_t bytes)
{
	uint32_t end = extent->start + extent->bytes;

	if (offset == PY_NO_FIELD)
		return;
	if (!extent->bytes || offset < extent->start)
		extent->start = offset;
	if (!extent->bytes || offset + bytes > end)
		end = offset + bytes;
	extent->bytes = end - extent->start;
}

struct frame_extent python__frame_extent(const struct py_layout *py)
{
	struct frame_extent extent = {};

	include(&extent, py->frame_code, sizeof(uint64_t));
	include(&extent, py->frame_previous, sizeof(uint64_t));
	include(&extent, py->frame_instr,
		py->instr_kind == PY_INSTR_POINTER ? sizeof(uint64_t) : sizeof(uint32_t));
	include(&extent, py->frame_owner, 1);
	return extent;
}

static int read_layout(struct python *python, uint64_t runtime, struct memory_reader *reader,
		       struct error *error)
{
	uint8_t debug_offsets[PY_DEBUG_OFFSETS_BYTES];
	int err = memory_reader__read(reader, runtime, debug_offsets, sizeof(debug_offsets));

	if (err)
		return error__set(error, err, "failed to read the runtime of Python %s: %s", python->version,
				  strerror(-err));
	err = py_layouts__get(python->minor, debug_offsets, sizeof(debug_offsets), &python->layout,
			      &python->runtime);
	if (err == -EOPNOTSUPP)
		return error__set(error, err,
				  "failed to inspect Python %s: free-threaded builds are not supported (they "
				  "have no pymalloc)",
				  python->version);
	if (err || python__frame_extent(&python->layout).bytes > PY_FRAME_BYTES)
		return error__set(error, -EOPNOTSUPP,
				  "failed to inspect Python %s: its layout is not known; linger knows "
				  "CPython 3.7 to 3.14",
				  python->version);
	return 0;
}

/* --- thread state ------------------------------------------------------------------------------------ */

static bool uses_musl(const struct target_mapping *mappings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(mappings[i].path, "/ld-musl"))
			return true;
	return false;
}

/* Where the key of the thread states is: known for old versions, read out of the code for new ones. */
static int find_thread_key(const struct python *python, struct python_code *code, uint64_t runtime,
			   uint64_t *ret_address)
{
	if (python->runtime.auto_tss_key == PY_NO_FIELD)
		return python_code__thread_key(code, runtime, ret_address);
	*ret_address = runtime + python->runtime.auto_tss_key - offsetof(struct py_tss, key);
	return 0;
}

/*
 * The thread state is found through the pthread key that PyGILState uses, in every version: the thread-local
 * variable of 3.12 and later is empty while a thread runs without the GIL, and such threads make mappings
 * too.
 */
static int locate_thread_key(struct python *python, struct python_code *code, uint64_t runtime,
			     struct error *error)
{
	uint64_t address;

	if (find_thread_key(python, code, runtime, &address))
		return error__set(
			error, -EOPNOTSUPP,
			"failed to inspect Python %s: cannot tell where this build keeps its thread state",
			python->version);
	python->thread_key = python->bias + address;
	return 0;
}

int python__check_started(const struct python *python, struct memory_reader *reader, struct error *error)
{
	struct py_tss tss;
	int err = memory_reader__read(reader, python->thread_key, &tss, sizeof(tss));

	if (err)
		return error__set(error, err, "failed to read the runtime of Python %s: %s", python->version,
				  strerror(-err));
	if (!tss.is_initialized) {
		error__set(error, -EAGAIN, "failed to inspect Python %s: the interpreter has not started yet",
			   python->version);
		error__hint(error, "try again when it has");
		return -EAGAIN;
	}
	if (!thread_path__of_key(tss.key, python->thread_library))
		return error__set(error, -EOPNOTSUPP,
				  "failed to inspect Python %s: thread key %u makes no sense",
				  python->version, tss.key);
	return 0;
}

/* --- allocator --------------------------------------------------------------------------------------- */

/* PyMemAllocatorEx up to its first function (CPython Include/cpython/pymem.h). */
struct allocator {
	uint64_t ctx;
	uint64_t malloc;
};

/*
 * What stands behind a hook: tracemalloc's context is the old allocator, debug hooks keep a letter before it.
 */
static bool hides(struct memory_reader *reader, uint64_t ctx, uint64_t function)
{
	struct allocator inner[2] = {};

	if (memory_reader__read(reader, ctx, inner, sizeof(uint64_t) * 3))
		return false;
	return inner[0].malloc == function || inner[1].ctx == function;
}

static void locate_allocator(struct python *python, struct python_code *code)
{
	uint64_t object, raw, pymalloc, system_malloc;

	if (python_code__allocator(code, "PyObject_Malloc", &object) ||
	    python_code__allocator(code, "PyMem_RawMalloc", &raw) ||
	    elf_image__pointer(python->image, object + offsetof(struct allocator, malloc), &pymalloc) ||
	    elf_image__pointer(python->image, raw + offsetof(struct allocator, malloc), &system_malloc))
		return;
	python->allocator.object = python->bias + object;
	python->allocator.pymalloc = python->bias + pymalloc;
	python->allocator.malloc = python->bias + system_malloc;
}

bool python__is_finalizing(const struct python *python, struct memory_reader *reader)
{
	uint64_t finalizing = 0;

	return memory_reader__read(reader, python->finalizing, &finalizing, sizeof(finalizing)) || finalizing;
}

enum python_allocator python__allocator(const struct python *python, struct memory_reader *reader)
{
	struct allocator now;

	if (!python->allocator.object ||
	    memory_reader__read(reader, python->allocator.object, &now, sizeof(now)))
		return PYTHON_ALLOCATOR_UNKNOWN;
	if (now.malloc == python->allocator.pymalloc)
		return PYTHON_PYMALLOC;
	if (now.malloc == python->allocator.malloc)
		return PYTHON_MALLOC;
	if (hides(reader, now.ctx, python->allocator.pymalloc))
		return PYTHON_PYMALLOC_HOOKED;
	if (hides(reader, now.ctx, python->allocator.malloc))
		return PYTHON_MALLOC_HOOKED;
	return PYTHON_ALLOCATOR_UNKNOWN;
}

static uint64_t find_code_dealloc(const struct python *python)
{
	uint64_t type, function;

	if (elf_image__symbol(python->image, "PyCode_Type", &type, NULL) ||
	    elf_image__pointer(python->image, type + python->layout.type_dealloc, &function))
		return 0;
	return function;
}

/* --- the module -------------------------------------------------------------------------------------- */

static int inspect_code(struct python *python, struct python_code *code, struct memory_reader *reader,
			struct error *error)
{
	uint64_t runtime;
	int err;

	if (read_version(python, code))
		return error__set(error, -EOPNOTSUPP,
				  "failed to inspect '%s': cannot tell its Python version", python->path);
	if (elf_image__symbol(python->image, "_PyRuntime", &runtime, NULL))
		return error__set(error, -EOPNOTSUPP, "failed to inspect '%s': it has no _PyRuntime",
				  python->path);
	err = read_layout(python, python->bias + runtime, reader, error);
	if (err)
		return err;
	err = locate_thread_key(python, code, runtime, error);
	if (err)
		return err;
	python->finalizing = python->bias + runtime + python->runtime.finalizing;
	python->interpreters = python->bias + runtime + python->runtime.interpreters;
	if (python->runtime.current_tstate != PY_NO_FIELD)
		python->current_tstate = python->bias + runtime + python->runtime.current_tstate;
	python->code_dealloc = find_code_dealloc(python);
	locate_allocator(python, code);
	return 0;
}

static int inspect_mappings(const struct target *target, const struct target_mapping *mappings, size_t n,
			    struct memory_reader *reader, struct python *python, struct error *error)
{
	struct python_code *code;
	int err = find_interpreter(target, mappings, n, python, error);

	if (err)
		return err;
	python->thread_library = uses_musl(mappings, n) ? THREADS_OF_MUSL : THREADS_OF_GLIBC;
	code = python_code__new(python->image);
	if (!code)
		return error__set(error, -ENOMEM, "failed to inspect '%s': out of memory", python->path);
	err = inspect_code(python, code, reader, error);
	python_code__free(code);
	return err;
}

int python__inspect(const struct target *target, struct memory_reader *reader, struct python *ret_python,
		    struct error *error)
{
	struct target_mapping *mappings;
	struct python python = {};
	size_t n;
	int err = target__mappings(target, &mappings, &n);

	if (err)
		return error__set(error, err, "failed to read the mappings of process %d: %s",
				  target__pid(target), strerror(-err));
	err = inspect_mappings(target, mappings, n, reader, &python, error);
	target__free_mappings(mappings, n);
	if (err) {
		python__free(&python);
		return err;
	}
	*ret_python = python;
	return 0;
}

void python__free(struct python *python)
{
	elf_image__free(python->image);
	free(python->path);
	*python = (struct python){};
}

const char *python_allocator__name(enum python_allocator allocator)
{
	static const char *const names[] = {
		[PYTHON_PYMALLOC] = "pymalloc",
		[PYTHON_PYMALLOC_HOOKED] = "pymalloc behind hooks",
		[PYTHON_MALLOC] = "malloc",
		[PYTHON_MALLOC_HOOKED] = "malloc behind hooks",
		[PYTHON_ALLOCATOR_UNKNOWN] = "unknown",
	};

	return names[allocator];
}
