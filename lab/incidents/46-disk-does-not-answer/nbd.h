/*
 * A network block device whose server is a child of ours and answers from memory, until it is told to fall silent: it then
 * takes requests and answers none. The protocol is that of include/uapi/linux/nbd.h.
 */
#ifndef NBD_H
#define NBD_H

#include "lab.h"
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { NBD_SIZE = 16 << 20 };

/* Shared with the server. */
static volatile int *nbd_silent;
static int nbd_socket[2];

static void nbd_all(int fd, char *at, size_t size, int sends)
{
	while (size > 0) {
		ssize_t done = sends ? write(fd, at, size) : read(fd, at, size);
		if (done <= 0 && errno != EINTR)
			_exit(0);
		at += done > 0 ? done : 0;
		size -= done > 0 ? done : 0;
	}
}

static void nbd_serve(long unused)
{
	static char disk[NBD_SIZE], rubbish[NBD_SIZE];
	int fd = nbd_socket[1];
	(void)unused;
	for (;;) {
		struct nbd_request request;
		struct nbd_reply reply = { .magic = htonl(NBD_REPLY_MAGIC) };
		nbd_all(fd, (char *)&request, sizeof request, 0);
		uint32_t type = ntohl(request.type) & 0xffff, size = ntohl(request.len);
		uint64_t from = be64toh(request.from);
		int silent = *nbd_silent;
		if (from + size > NBD_SIZE)
			_exit(1);
		if (type == NBD_CMD_WRITE)
			nbd_all(fd, silent ? rubbish : disk + from, size, 0);
		if (silent)
			continue;
		memcpy(reply.handle, request.handle, sizeof reply.handle);
		nbd_all(fd, (char *)&reply, sizeof reply, 1);
		if (type == NBD_CMD_READ)
			nbd_all(fd, disk + from, size, 1);
	}
}

static void nbd_run(long unused)
{
	int fd = open("/dev/nbd0", O_RDWR);
	(void)unused;
	if (fd < 0 || ioctl(fd, NBD_SET_BLKSIZE, 4096L) != 0 || ioctl(fd, NBD_SET_SIZE_BLOCKS, NBD_SIZE / 4096L) != 0)
		lab_die("nbd size");
	if (ioctl(fd, NBD_SET_FLAGS, NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH) != 0 || ioctl(fd, NBD_SET_SOCK, nbd_socket[0]) != 0)
		lab_die("nbd socket");
	ioctl(fd, NBD_DO_IT);
	lab_die("nbd ended");
}

/* /dev/nbd0 is there when this comes back. */
static pid_t nbd_start(const char *server)
{
	char text[32] = "";
	nbd_silent = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, nbd_socket) != 0)
		lab_die("socketpair");
	pid_t pid = lab_role(server, nbd_serve, 0);
	lab_role("nbd-client", nbd_run, 0);
	for (int i = 0; i < 500; i++) {
		lab_sleep_ms(20);
		if (access("/sys/block/nbd0/pid", F_OK) == 0 && lab_read("/sys/block/nbd0/size", text, sizeof text) > 0 && atol(text) == NBD_SIZE / 512)
			return pid;
	}
	lab_die("no nbd0");
}

#endif
