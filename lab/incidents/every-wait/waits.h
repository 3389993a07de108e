/* What the parts of this guest share: how a wait is told, and descriptors that a role inherits and another does not. */
#ifndef WAITS_H
#define WAITS_H

#include "lab.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* One wait, told to the host: `kind` in kwhy's words, the object, words that must be said, and all who could end it. */
struct told {
	const char *name, *kind, *ctype, *says;
	pid_t pid;
	uint64_t address;
	pid_t peers[6];
};

static inline void told(struct told t)
{
	char line[900], peers[100] = "", object[120] = "";
	int n = 0;
	for (int i = 0; i < 6 && t.peers[i] != 0; i++)
		n += snprintf(peers + n, sizeof peers - n, "%s%d", i ? "," : "", t.peers[i]);
	if (t.address != 0)
		snprintf(object, sizeof object, ",\"ctype\":\"%s\",\"address\":\"0x%016llx\"", t.ctype, (unsigned long long)t.address);
	int length = snprintf(line, sizeof line, "{\"truth\":\"wait\",\"name\":\"%s\",\"pid\":%d,\"kind\":\"%s\"%s,\"says\":\"%s\",\"for\":[%s]}\n",
			      t.name, t.pid, t.kind, object, t.says ? t.says : "", peers);
	int port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (port < 0 || write(port, line, length) != length)
		lab_die("tell %s", t.name);
	close(port);
}

/* What tasks tell main before they wait, in memory that all share. */
static volatile pid_t *slots;

static inline pid_t slot(int number)
{
	for (int i = 0; i < 500 && slots[number] == 0; i++)
		lab_sleep_ms(20);
	if (slots[number] == 0)
		lab_die("slot %d", number);
	return slots[number];
}

/* `struct file` and its `private_data` behind a descriptor. */
static inline uint64_t file_of(pid_t pid, int fd)
{
	uint64_t files = probe_read(probe_task(pid) + probe_offset("task_struct", "files"));
	uint64_t table = probe_read(files + probe_offset("files_struct", "fdt"));
	return probe_read(probe_read(table + probe_offset("fdtable", "fd")) + 8 * fd);
}

static inline uint64_t data_of(pid_t pid, int fd)
{
	return probe_read(file_of(pid, fd) + probe_offset("file", "private_data"));
}

/* The pair that is being set up: one role keeps `fd[mine]`, the other `fd[1 - mine]`. */
static int fd[2];

static inline void keep(int mine)
{
	close(fd[1 - mine]);
}

/* Has fd[mine] open and does nothing. */
static void owner(long mine)
{
	keep(mine);
	lab_forever();
}

static inline void close_pair(void)
{
	close(fd[0]);
	close(fd[1]);
}

static inline void must(int condition, const char *what)
{
	if (!condition)
		lab_die("%s", what);
}

#endif
