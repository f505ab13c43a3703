// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The gate is a fanotify permission event: the kernel lets nobody open the marked files before the owner of
 * the fanotify group has said yes. That holds for every process of the machine, so the answer must never wait
 * for linger, which takes a third of a second to attach, opens libc itself to read it, and can be stopped
 * from the terminal. A child process of linger answers: at once for everybody, and for the one process when
 * linger says so. It is in a session of its own, out of reach of the terminal, and ends with linger; when the
 * group is closed, however that comes about, the kernel lets everybody through.
 *
 * The kernel marks files, not names: the gate is at libc's inode. A program with another libc (a container's,
 * musl, none) never comes to it.
 */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "regular_file.h"

#define MAX_EVENT_BYTES 4096

struct gate {
	int group;     /* fanotify; the responder's alone once the marks are set */
	int responder; /* socket */
	pid_t responder_pid;
};

/* --- handing over a descriptor ----------------------------------------------------------------------- */

/* A message of one byte and room for a descriptor. */
struct parcel {
	struct msghdr message;
	struct iovec content;
	char byte;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
};

static void parcel__init(struct parcel *parcel)
{
	*parcel = (struct parcel){};
	parcel->content = (struct iovec){.iov_base = &parcel->byte, .iov_len = 1};
	parcel->message = (struct msghdr){
		.msg_iov = &parcel->content,
		.msg_iovlen = 1,
		.msg_control = &parcel->control,
		.msg_controllen = sizeof(parcel->control.bytes),
	};
}

static int send_descriptor(int socket, int fd)
{
	struct parcel parcel;

	parcel__init(&parcel);
	parcel.control.header = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int)),
	};
	memcpy(CMSG_DATA(&parcel.control.header), &fd, sizeof(fd));
	return sendmsg(socket, &parcel.message, MSG_NOSIGNAL) == 1 ? 0 : -EPIPE;
}

static int receive_descriptor(int socket, int *ret_fd)
{
	struct parcel parcel;

	parcel__init(&parcel);
	if (recvmsg(socket, &parcel.message, MSG_CMSG_CLOEXEC) != 1 ||
	    parcel.message.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    parcel.control.header.cmsg_type != SCM_RIGHTS)
		return -EPIPE;
	memcpy(ret_fd, CMSG_DATA(&parcel.control.header), sizeof(*ret_fd));
	return 0;
}

/* --- the responder ----------------------------------------------------------------------------------- */

struct responder {
	int group;
	int linger; /* socket: what is sent to linger is an arrival, a byte from it lets through */
	pid_t pid;
	int held; /* the event that waits, by its descriptor; negative: none */
};

static void allow(const struct responder *responder, int event)
{
	struct fanotify_response response = {.fd = event, .response = FAN_ALLOW};

	/* Fails only when the process that waited was killed. */
	if (write(responder->group, &response, sizeof(response)) < 0 && errno != ENOENT)
		_exit(1);
	close(event);
}

static void take_event(struct responder *responder, const struct fanotify_event_metadata *event)
{
	if (event->fd < 0)
		return;
	if (event->pid != responder->pid || responder->held >= 0) {
		allow(responder, event->fd);
		return;
	}
	responder->held = event->fd;
	if (send_descriptor(responder->linger, event->fd))
		_exit(1);
}

static void take_events(struct responder *responder)
{
	char buffer[MAX_EVENT_BYTES] __attribute__((aligned(__alignof__(struct fanotify_event_metadata))));
	struct fanotify_event_metadata *event = (void *)buffer;
	ssize_t len = read(responder->group, buffer, sizeof(buffer));

	for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len))
		take_event(responder, event);
}

static void take_order(struct responder *responder)
{
	char order;

	if (read(responder->linger, &order, 1) != 1)
		_exit(0); /* linger has ended, or wants no gate any more */
	if (responder->held >= 0)
		allow(responder, responder->held);
	responder->held = -1;
}

static _Noreturn void respond(struct responder responder)
{
	struct pollfd fds[] = {
		{.fd = responder.group, .events = POLLIN},
		{.fd = responder.linger, .events = POLLIN},
	};

	setsid();
	/* Who reads linger's output to its end must not wait for this process too. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			_exit(1);
		if (fds[0].revents)
			take_events(&responder);
		if (fds[1].revents)
			take_order(&responder);
	}
}

static int start_responder(struct gate *gate, pid_t pid)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	gate->responder_pid = fork();
	if (gate->responder_pid == 0) {
		close(ends[0]);
		respond((struct responder){.group = gate->group, .linger = ends[1], .pid = pid, .held = -1});
	}
	close(ends[1]);
	gate->responder = ends[0];
	return gate->responder_pid < 0 ? -EAGAIN : 0;
}

/* --- marks ------------------------------------------------------------------------------------------- */

static int mark(struct gate *gate, int file)
{
	return fanotify_mark(gate->group, FAN_MARK_ADD, FAN_OPEN_PERM, file, NULL) ? -errno : 0;
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *ret_path)
{
	const char *slash = strrchr(info->dlpi_name, '/');

	if (!slash || strncmp(slash + 1, "libc.so", strlen("libc.so")))
		return 0;
	*(const char **)ret_path = info->dlpi_name;
	return 1;
}

static int mark_own_libc(struct gate *gate)
{
	const char *path;
	int fd, err;

	if (!dl_iterate_phdr(find_libc, &path))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = mark(gate, fd);
	close(fd);
	return err;
}

/* Where distributions keep it, under the root of a system. */
static const char *const libc_places[] = {
	"lib/x86_64-linux-gnu/libc.so.6",
	"lib64/libc.so.6",
	"usr/lib/libc.so.6",
};

static void mark_libc_under(struct gate *gate, const char *directory)
{
	int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return;
	for (size_t i = 0; i < sizeof(libc_places) / sizeof(libc_places[0]); i++) {
		int fd = regular_file__open_below(root, libc_places[i], 0);

		if (fd < 0)
			continue;
		mark(gate, fd);
		close(fd);
	}
	close(root);
}

/* A mark too many costs nothing but a look: only our own process is ever held at it. */
static void mark_named_roots(struct gate *gate, char *const *words)
{
	for (; *words; words++) {
		const char *value = strchr(*words, '=');

		mark_libc_under(gate, *words);
		if (value)
			mark_libc_under(gate, value + 1);
	}
}

/* --- the module -------------------------------------------------------------------------------------- */

static int refuse(int err, struct error *error)
{
	return error__set(error, err, "failed to watch programs start: %s", strerror(-err));
}

/* The responder comes before the marks: from these on everybody depends on its answers, linger too. */
static int open_gate(struct gate *gate, pid_t pid, char *const *words)
{
	int err;

	gate->group =
		fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
			      O_RDONLY | O_CLOEXEC);
	if (gate->group < 0)
		return -errno;
	err = start_responder(gate, pid);
	if (!err)
		err = mark_own_libc(gate);
	if (err)
		return err;
	mark_named_roots(gate, words);
	close(gate->group);
	gate->group = -1;
	return 0;
}

int gate__open(pid_t pid, char *const *words, struct gate **ret_gate, struct error *error)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	int err;

	if (!gate)
		return refuse(-ENOMEM, error);
	gate->group = gate->responder = -1;
	gate->responder_pid = -1;
	err = open_gate(gate, pid, words);
	if (err) {
		gate__free(gate);
		return refuse(err, error);
	}
	*ret_gate = gate;
	return 0;
}

void gate__free(struct gate *gate)
{
	if (!gate)
		return;
	if (gate->group >= 0)
		close(gate->group);
	if (gate->responder >= 0)
		close(gate->responder);
	if (gate->responder_pid > 0)
		waitpid(gate->responder_pid, NULL, 0);
	free(gate);
}

int gate__fd(const struct gate *gate)
{
	return gate->responder;
}

int gate__arrived(struct gate *gate, int *ret_file)
{
	return receive_descriptor(gate->responder, ret_file);
}

void gate__let_through(struct gate *gate)
{
	/* If the responder is gone, so is the gate. */
	send(gate->responder, "", 1, MSG_NOSIGNAL);
}
