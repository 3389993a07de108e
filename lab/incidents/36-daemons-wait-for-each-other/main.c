/*
 * A daemon takes a lock (a driver's mutex or, by the variant, a file lock), asks another daemon through a pipe or a socket
 * and waits for the answer. The other one, before it answers, needs the same lock. More tasks queue for the lock; clients
 * of the second daemon wait for its answers, too. A second pair of daemons answers all along.
 */
#include "lab.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/utsname.h>

/* Descriptors of both daemons: what the first reads and writes, what the second reads and writes. */
static int question[2], reply[2];
static int clients[32][2];
static const char *mode;
static const char lock_file[] = "/run/volumes.lock";

static void driver(const char *word)
{
	int fd = open("/proc/bridgedev", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("bridgedev");
	close(fd);
}

static void close_all(int a, int b)
{
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
}

static void close_clients(void)
{
	for (long i = 0; i < lab_number("CLIENTS"); i++)
		close_all(clients[i][0], clients[i][1]);
}

/* With the lock held: asks, and waits for the answer. */
static void asker(long unused)
{
	char word[40], byte;
	(void)unused;
	close_clients();
	close_all(question[0], reply[1]);
	if (strcmp(mode, "flock") == 0) {
		int fd = open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || flock(fd, LOCK_EX) != 0 || write(question[1], "?", 1) != 1 || read(reply[0], &byte, 1) != 1)
			lab_die("flock");
	} else {
		/* The driver itself asks and reads, with its mutex held. */
		snprintf(word, sizeof word, "ask %d %d", question[1], reply[0]);
		driver(word);
	}
	lab_die("the answer came");
}

static void need_lock(long unused)
{
	(void)unused;
	if (strcmp(mode, "flock") == 0) {
		int fd = open(lock_file, O_RDWR | O_CLOEXEC);
		flock(fd, LOCK_EX);
	} else {
		driver("use");
	}
	lab_die("the lock came");
}

static void waits_for_lock(long unused)
{
	close_clients();
	close_all(question[0], question[1]);
	close_all(reply[0], reply[1]);
	need_lock(unused);
}

static void answerer(long unused)
{
	char byte;
	for (long i = 0; i < lab_number("CLIENTS"); i++)
		close(clients[i][0]);
	if (question[1] != reply[0])
		close_all(question[1], reply[0]);
	else
		close(reply[0]);
	if (read(question[0], &byte, 1) != 1)
		lab_die("question");
	need_lock(unused);
}

static void client(long number)
{
	char byte;
	close_all(question[0], question[1]);
	if (reply[0] != question[1])
		close_all(reply[0], reply[1]);
	for (long i = 0; i < lab_number("CLIENTS"); i++)
		close_all(clients[i][1], i == number ? -1 : clients[i][0]);
	if (write(clients[number][0], "?", 1) != 1 || read(clients[number][0], &byte, 1) != 1)
		lab_die("client");
}

static int good[2][2];

static void good_answerer(long unused)
{
	char byte;
	(void)unused;
	close_all(good[0][1], good[1][0]);
	while (read(good[0][0], &byte, 1) == 1 && write(good[1][1], "!", 1) == 1)
		lab_sleep_ms(30);
	lab_die("good answerer");
}

static void good_asker(long unused)
{
	char byte;
	(void)unused;
	close_all(good[0][0], good[1][1]);
	while (write(good[0][1], "?", 1) == 1 && read(good[1][0], &byte, 1) == 1)
		;
	lab_die("good asker");
}

/* What a descriptor of a process leads to: the struct pipe_inode_info or struct socket. */
static uint64_t private_data(pid_t pid, int fd)
{
	uint64_t files = probe_read(probe_task(pid) + probe_offset("task_struct", "files"));
	uint64_t table = probe_read(files + probe_offset("files_struct", "fdt"));
	uint64_t file = probe_read(probe_read(table + probe_offset("fdtable", "fd")) + 8 * fd);
	return probe_read(file + probe_offset("file", "private_data"));
}

/* The one lock of flock(2) that is held on a file: the first on its list. */
static uint64_t held_lock(int fd)
{
	struct utsname kernel;
	int major, minor;
	if (uname(&kernel) != 0 || sscanf(kernel.release, "%d.%d", &major, &minor) != 2)
		lab_die("uname");
	uint64_t context = probe_read(probe_inode(getpid(), fd) + probe_offset("inode", "i_flctx"));
	uint64_t node = probe_read(context + probe_offset("file_lock_context", "flc_flock"));
	/* struct file_lock begins with its struct file_lock_core since 6.9. */
	int core = major > 6 || (major == 6 && minor >= 9);
	return node - (core ? probe_offset("file_lock_core", "flc_list") : probe_offset("file_lock", "fl_list"));
}

int main(void)
{
	char text[100];
	unsigned long long lock = 0;
	lab_comm("systemd");
	lab_company();
	mode = lab_text("MODE");
	lab_insmod("bridgedev");
	if (lab_read("/proc/bridgedev", text, sizeof text) < 0 || sscanf(text, "%llx", &lock) != 1)
		lab_die("address of the lock");
	if (pipe(good[0]) != 0 || pipe(good[1]) != 0)
		lab_die("pipe");
	truth_decoy("answers through a pipe", lab_role("good-answerd", good_answerer, 0));
	truth_decoy("asks through a pipe and gets answers", lab_role("good-askd", good_asker, 0));
	close_all(good[0][0], good[0][1]);
	close_all(good[1][0], good[1][1]);
	for (long i = 0; i < lab_number("CLIENTS"); i++)
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, clients[i]) != 0)
			lab_die("socketpair");
	if (strcmp(mode, "pipe") == 0) {
		if (pipe(question) != 0 || pipe(reply) != 0)
			lab_die("pipe");
	} else {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
			lab_die("socketpair");
		question[1] = reply[0] = pair[0];
		question[0] = reply[1] = pair[1];
	}
	pid_t second = lab_role(lab_text("ANSWERER"), answerer, 0);
	pid_t client_pid = 0;
	for (long i = 0; i < lab_number("CLIENTS"); i++)
		client_pid = lab_role(lab_text("CLIENT"), client, i);
	lab_sleep_ms(300);
	pid_t first = lab_role(lab_text("ASKER"), asker, 0);
	int reply_fd = reply[0];
	close_clients();
	close_all(question[0], question[1]);
	if (reply[0] != question[1])
		close_all(reply[0], reply[1]);
	lab_sleep_ms(700);
	for (long i = 0; i < lab_number("WAITERS"); i++) {
		lab_role(lab_text("BEHIND"), waits_for_lock, 0);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	if (strcmp(mode, "flock") != 0) {
		lab_wait_waiters("mutex", lock, 1 + lab_number("WAITERS"));
		truth_address("resource", "struct mutex", lock, "bridge_lock of the module bridgedev");
	} else {
		int fd = open(lock_file, O_RDWR | O_CLOEXEC);
		truth_address("resource", "struct file_lock", held_lock(fd), "the lock on /run/volumes.lock");
		close(fd);
	}
	truth_address("resource", strcmp(mode, "pipe") == 0 ? "struct pipe_inode_info" : "struct socket",
		      private_data(first, reply_fd), "through which the answer should come");
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	truth_task("culprit", first);
	truth_task("culprit", second);
	truth_task("client of the second", client_pid);
	truth_count("in the circle", 2);
	truth_count("behind the circle", lab_number("WAITERS") + lab_number("CLIENTS"));
	truth_text("mode", mode);
	lab_ready();
	lab_forever();
}
