// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

static const struct command commands[] = {
	{"record", "the live heap of a running CPython process, by Python stack", cmd_record},
	{"report", "a recorded profile as text, flame graph or folded stacks; what grew between two",
	 cmd_report},
	{"census", "what the heap of a running CPython process holds now, by type; fragmentation",
	 cmd_census},
	{"stacks", "every thread's Python stack, now", cmd_stacks},
	{"get", "one object of a running CPython process by its name: type, length, size, preview", cmd_get},
	{"why", "who holds an object, or the objects of a type", cmd_why},
	{"doctor", "can this kernel, this user and this target be traced?", cmd_doctor},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

const char *argp_program_version = "linger " LINGER_VERSION;

static void print_help(FILE *out)
{
	fprintf(out, "linger shows what stays alive in a running CPython process, and which Python line put "
		     "it there.\n"
		     "It never stops the process, writes to it or loads anything into it.\n\n"
		     "Usage: linger COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\nExamples:\n"
		     "  sudo linger record -p 1234 -d 60 -o heap.svg    a minute, as a flame graph\n"
		     "  sudo linger record -p 1234                      until Ctrl-C, as a table\n"
		     "  sudo linger record -p 1234 | flamegraph.pl      folded stacks into a pipe\n"
		     "  sudo linger record -o heap.svg -- python3 x.py  a program, from its start\n"
		     "  linger report --diff before.pb.gz after.pb.gz   what grew between two recordings\n"
		     "  sudo linger census -p 1234                      what the heap holds now, by type\n"
		     "  sudo linger stacks -p 1234                      what its threads are doing\n"
		     "  sudo linger get -p 1234 app.cache               one object: type, length, size\n"
		     "  sudo linger why -p 1234 app.Session             who holds these objects\n"
		     "  sudo linger doctor -p 1234                      what would stand in the way\n\n"
		     "'linger COMMAND --help' has the options, 'man linger' everything else.\n");
}

/*
 * A standard stream that is closed would give its number to the next file that is opened, and what is written
 * to the stream would go there. These are as good as closed, for a command that is started too.
 */
static void hold_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_PATH | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What went to standard output has arrived, or that is a failure too. */
static int finish_output(int status)
{
	if ((!fflush(stdout) && !ferror(stdout)) || status == STATUS_FAILURE)
		return status;
	say("failed to write 'standard output': %s", strerror(errno));
	return STATUS_FAILURE;
}

/* Usage and errors of the options name it as it was called. */
static int run_command(const struct command *command, int argc, char **argv)
{
	char name[32];

	snprintf(name, sizeof(name), "linger %s", command->name);
	argv[0] = name;
	return command->run(argc, argv);
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return STATUS_UNSUPPORTED;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("%s\n", argp_program_version);
		return STATUS_OK;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return run_command(&commands[i], argc - 1, argv + 1);
	say("there is no command '%s'", argv[1]);
	say_hint("'linger --help' lists the commands");
	return STATUS_UNSUPPORTED;
}

int main(int argc, char **argv)
{
	argp_err_exit_status = STATUS_UNSUPPORTED;
	hold_standard_streams();
	return finish_output(run(argc, argv));
}
