/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "output.h"

/* An empty directory of the test's own, which is left empty. */
static char directory[] = "/tmp/linger-test-output-XXXXXX";
static struct error error;

static int enter(void **state)
{
	return mkdtemp(directory) && !chdir(directory) ? 0 : -1;
}

static int leave(void **state)
{
	return chdir("/") || rmdir(directory) ? -1 : 0;
}

static int setup(void **state)
{
	error = (struct error){};
	return 0;
}

static size_t count_files(void)
{
	DIR *dir = opendir(".");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void check_contents(const char *path, const char *expected)
{
	char text[4096] = "";
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	assert_string_equal(text, expected);
}

static void put_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static struct output *open_output(const char *path, bool force)
{
	struct output *output = NULL;

	assert_int_equal(output__open(path, force, &output, &error), 0);
	assert_non_null(output);
	assert_non_null(output__stream(output));
	return output;
}

static void test_commit(void **state)
{
	mode_t mask = umask(027);
	struct output *output = open_output("new", false);
	struct stat st;

	assert_int_not_equal(access("new", F_OK), 0);
	fputs("text\n", output__stream(output));
	fflush(output__stream(output));
	assert_int_not_equal(access("new", F_OK), 0); /* not before it is whole */
	assert_int_equal(output__commit(output, &error), 0);
	check_contents("new", "text\n");
	assert_int_equal(count_files(), 1);
	assert_int_equal(stat("new", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640); /* as any new file, not as a temporary one */
	assert_int_equal(umask(mask), 027);
	unlink("new");
}

static void test_abandon(void **state)
{
	struct output *output;

	put_file("old", "old");
	output = open_output("old", true);
	fputs("new", output__stream(output));
	output__abandon(output);
	check_contents("old", "old");
	assert_int_equal(count_files(), 1);
	unlink("old");
	output__abandon(NULL);
}

/* Who writes is killed before the end. */
static void test_killed(void **state)
{
	int unnamed = open(".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600), status;
	pid_t child;

	if (unnamed < 0)
		skip(); /* a file system that has only files with names */
	close(unnamed);
	child = fork();
	if (child == 0) {
		struct output *output = NULL;

		if (output__open("new", false, &output, &error))
			_exit(1);
		fputs("text", output__stream(output));
		fflush(output__stream(output));
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(count_files(), 0);
}

/* The first names that it would be written under are taken; what has them stays. */
static void test_taken_names(void **state)
{
	struct output *output;
	char name[64];

	snprintf(name, sizeof(name), "new.%d.0", getpid());
	put_file(name, "other");
	output = open_output("new", false);
	fputs("text", output__stream(output));
	assert_int_equal(output__commit(output, &error), 0);
	check_contents("new", "text");
	check_contents(name, "other");
	assert_int_equal(count_files(), 2);
	unlink(name);
	unlink("new");
}

static void test_no_overwrite(void **state)
{
	put_file("old", "old");
	assert_int_equal(output__check("old", false, &error), -EEXIST);
	assert_non_null(strstr(error.message, "failed to write 'old'"));
	assert_non_null(strstr(error.hint, "--force"));
	assert_int_equal(output__check("old", true, &error), 0);
	assert_int_equal(output__check("new", false, &error), 0);
	check_contents("old", "old");
	assert_int_equal(count_files(), 1);
	unlink("old");
}

/* A link to nothing is something that is not to be replaced. */
static void test_no_overwrite_of_a_link(void **state)
{
	assert_int_equal(symlink("nothing", "link"), 0);
	assert_int_equal(output__check("link", false, &error), -EEXIST);
	assert_int_equal(output__check("link", true, &error), 0);
	unlink("link");
}

/* The hint's last word in quotes, without them. */
static const char *named_in_hint(void)
{
	char *end = strrchr(error.hint, '\''), *begin;

	assert_non_null(end);
	*end = 0;
	begin = strrchr(error.hint, '\'');
	assert_non_null(begin);
	return begin + 1;
}

/* Somebody makes the file while the recording runs: theirs stays, and ours is not lost. */
static void test_made_meanwhile(void **state)
{
	struct output *output = open_output("file", false);
	const char *mine;

	fputs("mine", output__stream(output));
	put_file("file", "theirs");
	assert_int_equal(output__commit(output, &error), -EEXIST);
	assert_non_null(strstr(error.message, "failed to write 'file': it exists by now"));
	check_contents("file", "theirs");
	assert_int_equal(count_files(), 2);
	mine = named_in_hint();
	check_contents(mine, "mine");
	unlink(mine);
	unlink("file");
}

static void test_force(void **state)
{
	struct output *output;

	put_file("old", "old");
	output = open_output("old", true);
	fputs("new", output__stream(output));
	fflush(output__stream(output));
	check_contents("old", "old"); /* until it is complete */
	assert_int_equal(output__commit(output, &error), 0);
	check_contents("old", "new");
	assert_int_equal(count_files(), 1);
	unlink("old");
}

static void test_no_directory(void **state)
{
	struct output *output = NULL;

	assert_int_equal(output__check("none/file", false, &error), -ENOENT);
	assert_int_equal(output__open("none/file", false, &output, &error), -ENOENT);
	assert_non_null(strstr(error.message, "failed to write 'none/file'"));
	assert_null(output);
	assert_int_equal(output__check("/proc/self/none/file", false, &error), -ENOENT);
}

static void test_onto_a_directory(void **state)
{
	struct output *output;

	assert_int_equal(mkdir("there", 0777), 0);
	assert_int_not_equal(output__check("there", false, &error), 0);
	assert_int_equal(output__open("there", true, &output, &error), 0);
	assert_int_not_equal(output__commit(output, &error), 0);
	assert_int_equal(unlink(named_in_hint()), 0);
	assert_int_equal(count_files(), 1);
	assert_int_equal(rmdir("there"), 0);
}

/* The directory is gone when the file is to be put there. */
static void test_directory_vanishes(void **state)
{
	struct output *output;

	assert_int_equal(mkdir("there", 0777), 0);
	output = open_output("there/file", false);
	assert_int_equal(rename("there", "elsewhere"), 0);
	assert_int_equal(output__commit(output, &error), -ENOENT);
	assert_string_equal(error.hint, "");
	/* What was written moved along with the directory; nothing can be said of it by name. */
	assert_int_equal(system("rm -r elsewhere"), 0);
	assert_int_equal(count_files(), 0);
}

/* Found when the buffer is written at the end. */
static void test_full_device(void **state)
{
	struct output *output = open_output("/dev/full", false);

	fputs("text", output__stream(output));
	assert_int_equal(output__commit(output, &error), -ENOSPC);
	assert_non_null(strstr(error.message, "failed to write '/dev/full': No space left"));
	assert_int_equal(count_files(), 0);
}

/* Found by who wrote, before the end. */
static void test_finish(void **state)
{
	struct output *output = open_output("new", false);

	assert_int_equal(output__finish(output, -ENOMEM, &error), -ENOMEM);
	assert_non_null(strstr(error.message, "failed to write 'new': Cannot allocate memory"));
	assert_int_equal(count_files(), 0);
	output = open_output("new", false);
	assert_int_equal(output__finish(output, 0, &error), 0);
	assert_int_equal(unlink("new"), 0);
}

/* Found in the middle, by a write whose result nobody looked at; other calls have succeeded since. */
static void test_full_in_the_middle(void **state)
{
	struct output *output = open_output("/dev/full", false);
	FILE *stream = output__stream(output);
	int err;

	for (int i = 0; i < 100000; i++)
		fputc('x', stream);
	assert_true(ferror(stream));
	errno = 0;
	err = output__commit(output, &error);
	assert_true(err == -ENOSPC || err == -EIO);
	assert_non_null(strstr(error.message, "failed to write '/dev/full'"));
}

static void redirect(FILE *stream, int fd)
{
	fflush(stream);
	assert_true(dup2(fd, fileno(stream)) >= 0);
}

/*
 * The disk was full for a moment, and something is missing in the middle: the file is not put in place, and
 * what was there stays.
 */
static void test_full_for_a_moment(void **state)
{
	struct output *output;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), good;
	FILE *stream;

	put_file("old", "old");
	output = open_output("old", true);
	stream = output__stream(output);
	good = dup(fileno(stream));
	assert_true(full >= 0 && good >= 0);
	redirect(stream, full);
	for (int i = 0; i < 100000; i++)
		fputc('x', stream);
	redirect(stream, good);
	close(full);
	close(good);
	fputs("the rest", stream);
	assert_int_equal(fflush(stream), 0);
	assert_true(ferror(stream));
	errno = 0;
	assert_int_equal(output__commit(output, &error), -EIO);
	check_contents("old", "old");
	assert_int_equal(count_files(), 1);
	unlink("old");
}

static void test_special_files(void **state)
{
	struct output *output;
	char text[16] = "";
	int fd;

	assert_int_equal(output__check("/dev/null", false, &error), 0);
	output = open_output("/dev/null", false);
	fputs("text", output__stream(output));
	assert_int_equal(output__commit(output, &error), 0);
	assert_int_equal(access("/dev/null", W_OK), 0);

	assert_int_equal(mkfifo("pipe", 0600), 0);
	fd = open("pipe", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(output__check("pipe", false, &error), 0);
	output = open_output("pipe", false);
	fputs("text", output__stream(output));
	assert_int_equal(output__commit(output, &error), 0);
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	assert_string_equal(text, "text");
	close(fd);
	assert_int_equal(count_files(), 1); /* the pipe itself, still one */
	output = open_output("/dev/null", false);
	output__abandon(output);
	unlink("pipe");
}

/* Standard output belongs to the caller: it is flushed, not closed. */
static void test_standard_output(void **state)
{
	struct output *output = open_output(NULL, false);

	assert_ptr_equal(output__stream(output), stdout);
	output__abandon(output);
	output = open_output(NULL, false);
	assert_int_equal(output__commit(output, &error), 0);
	assert_int_not_equal(fcntl(STDOUT_FILENO, F_GETFD), -1);
	assert_false(ferror(stdout));
	assert_int_equal(count_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_commit, setup),
		cmocka_unit_test_setup(test_abandon, setup),
		cmocka_unit_test_setup(test_killed, setup),
		cmocka_unit_test_setup(test_taken_names, setup),
		cmocka_unit_test_setup(test_no_overwrite, setup),
		cmocka_unit_test_setup(test_no_overwrite_of_a_link, setup),
		cmocka_unit_test_setup(test_made_meanwhile, setup),
		cmocka_unit_test_setup(test_force, setup),
		cmocka_unit_test_setup(test_no_directory, setup),
		cmocka_unit_test_setup(test_onto_a_directory, setup),
		cmocka_unit_test_setup(test_directory_vanishes, setup),
		cmocka_unit_test_setup(test_full_device, setup),
		cmocka_unit_test_setup(test_finish, setup),
		cmocka_unit_test_setup(test_full_in_the_middle, setup),
		cmocka_unit_test_setup(test_full_for_a_moment, setup),
		cmocka_unit_test_setup(test_special_files, setup),
		cmocka_unit_test_setup(test_standard_output, setup),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
