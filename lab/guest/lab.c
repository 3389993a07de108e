/* See lab.h. */
#include "lab.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static int ready_port = -1;

static void tell(const char *format, ...)
{
	char line[1024];
	va_list list;
	va_start(list, format);
	int length = vsnprintf(line, sizeof line - 1, format, list);
	va_end(list);
	line[length++] = '\n';
	int port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY);
	if (port < 0 || write(port, line, length) != length)
		_exit(9);
	close(port);
}

void lab_die(const char *format, ...)
{
	char text[400];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	tell("{\"failed\":\"%s (%s)\"}", text, strerror(errno));
	_exit(9);
}

const char *lab_text(const char *name)
{
	const char *value = getenv(name);
	if (value == NULL)
		lab_die("no parameter %s", name);
	return value;
}

long lab_number(const char *name)
{
	return strtol(lab_text(name), NULL, 10);
}

long lab_read(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t total = 0;
	ssize_t got;
	while (total < size - 1 && (got = read(fd, buffer + total, size - 1 - total)) > 0)
		total += got;
	close(fd);
	buffer[total] = 0;
	return total;
}

void lab_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		lab_die("write %s", path);
	close(fd);
}

void lab_insmod(const char *name)
{
	lab_insmod_with(name, "");
}

void lab_insmod_with(const char *name, const char *parameters)
{
	char path[200];
	snprintf(path, sizeof path, "/incident/%s.ko", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, parameters, 0) != 0)
		lab_die("insmod %s", name);
	close(fd);
}

static void comm_of(pid_t pid, char comm[64])
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	if (lab_read(path, comm, 64) < 0)
		lab_die("no task %d", pid);
	comm[strcspn(comm, "\n")] = 0;
}

void truth_task(const char *role, pid_t pid)
{
	char comm[64];
	comm_of(pid, comm);
	tell("{\"truth\":\"task\",\"role\":\"%s\",\"pid\":%d,\"comm\":\"%s\"}", role, pid, comm);
}

void truth_count(const char *name, long value)
{
	tell("{\"truth\":\"count\",\"name\":\"%s\",\"value\":%ld}", name, value);
}

void truth_text(const char *name, const char *value)
{
	tell("{\"truth\":\"text\",\"name\":\"%s\",\"value\":\"%s\"}", name, value);
}

void truth_address(const char *role, const char *ctype, uint64_t address, const char *what)
{
	tell("{\"truth\":\"address\",\"role\":\"%s\",\"ctype\":\"%s\",\"address\":\"0x%016llx\",\"what\":\"%s\"}", role, ctype,
	     (unsigned long long)address, what);
}

void truth_decoy(const char *what, pid_t pid)
{
	char comm[64] = "";
	if (pid != 0)
		comm_of(pid, comm);
	tell("{\"truth\":\"decoy\",\"what\":\"%s\",\"pid\":%d,\"comm\":\"%s\"}", what, pid, comm);
}

void lab_comm(const char *comm)
{
	prctl(PR_SET_NAME, comm);
}

void lab_sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

void lab_forever(void)
{
	for (;;)
		pause();
}

pid_t lab_role(const char *comm, void (*play)(long), long argument)
{
	char own[64];
	/* The child inherits the name, so nobody ever sees it under another. */
	comm_of(getpid(), own);
	lab_comm(comm);
	pid_t pid = fork();
	if (pid < 0)
		lab_die("fork %s", comm);
	if (pid != 0) {
		lab_comm(own);
		return pid;
	}
	play(argument);
	lab_forever();
}

void lab_burn_pids(long count)
{
	while (count-- > 0) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

void *lab_memory(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		lab_die("mmap %zu", bytes);
	for (size_t at = 0; at < bytes; at += 4096)
		memory[at] = (char)(at >> 12 | 1);
	return memory;
}

static void idle(long argument)
{
	(void)argument;
	lab_forever();
}

static void big(long megabytes)
{
	lab_write("/proc/self/oom_score_adj", lab_text("BIG_ADJ"));
	lab_memory((size_t)megabytes << 20);
}

/* One of a queue on a file lock: each holds it for a moment, so the queue moves. */
static void queue(long ms)
{
	for (;;) {
		int fd = open("/run/queue.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		flock(fd, LOCK_EX);
		lab_sleep_ms(ms);
		close(fd);
	}
}

/* Its parent sleeps uninterruptibly, again and again, but never for long. */
static void vforks(long ms)
{
	for (;;) {
		pid_t pid = vfork();
		if (pid == 0) {
			struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
			nanosleep(&time, NULL);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

void lab_company(void)
{
	static const char *const names[] = { "sshd", "agetty", "rsyslogd", "dbus-daemon", "chronyd", "polkitd" };
	/* Opened while there is memory. */
	ready_port = open("/run/lab/ready", O_WRONLY | O_CLOEXEC);
	if (ready_port < 0)
		lab_die("/run/lab/ready");
	lab_burn_pids(lab_number("PIDS"));
	lab_write("/dev/kmsg", lab_text("OLD_LOG"));
	truth_decoy("old line in the log", 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		lab_role(names[i], idle, 0);
	truth_decoy("big and harmless", lab_role(lab_text("BIG"), big, lab_number("BIG_MB")));
	pid_t first = 0;
	for (long i = 0; i < lab_number("QUEUE"); i++)
		first = lab_role(lab_text("QUEUE_NAME"), queue, 40 + 7 * i);
	if (first != 0)
		truth_decoy("last of a queue that moves", first);
	truth_decoy("short uninterruptible sleeps", lab_role("make", vforks, lab_number("VFORK_MS")));
}

/* Whether the stack file has the function. */
static int has_function(const char *path, const char *function)
{
	char stack[8192];
	return lab_read(path, stack, sizeof stack) > 0 && strstr(stack, function) != NULL;
}

void lab_wait_stack(pid_t pid, const char *function)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/stack", pid);
	for (int i = 0; i < 3000; i++) {
		if (has_function(path, function))
			return;
		lab_sleep_ms(20);
	}
	char stack[300] = "";
	lab_read(path, stack, sizeof stack);
	for (char *c = stack; *c; c++)
		if (*c == '\n')
			*c = ' ';
	lab_die("task %d never came to %s: %s", pid, function, stack);
}

void lab_wait_waiters(const char *type, uint64_t lock, long count)
{
	long waiters = 0;
	for (int i = 0; i < 1200; i++) {
		waiters = probe_waiters(type, lock);
		if (waiters == count)
			return;
		lab_sleep_ms(50);
	}
	lab_die("%ld wait for the %s, not %ld", waiters, type, count);
}

void lab_skip_mm(pid_t pid)
{
	char text[32];
	int fd = open("/run/lab/skip-mm", O_WRONLY | O_CREAT | O_APPEND, 0600);
	int length = snprintf(text, sizeof text, " %d ", pid);
	if (fd < 0 || write(fd, text, length) != length)
		lab_die("skip-mm");
	close(fd);
}

void lab_ready(void)
{
	char word[8];
	if (write(ready_port, "ready\n", 6) != 6)
		lab_die("/run/lab/ready");
	int fd = open("/run/lab/go", O_RDONLY);
	if (fd < 0 || read(fd, word, sizeof word) < 0)
		lab_die("/run/lab/go");
	close(fd);
}
