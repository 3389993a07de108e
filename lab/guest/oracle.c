/*
 * oracle DEVICE HOW SECONDS: waits until the incident is ready, records twice, one second apart, what the kernel says
 * about itself, as a tar on a raw device, and then has the dump taken: HOW is `sysrq`, `live` or `own`.
 *
 * It is started before the incident, its memory is locked, and it writes around the page cache, so that it changes
 * little of what it records. Files that would wait for an mmap_lock are left out for the processes named in
 * /run/lab/skip-mm. Real-time priority lets it through where memory is short. When recording takes longer than SECONDS,
 * the dump is taken all the same, and said so.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (1 << 20)
static char out[CHUNK] __attribute__((aligned(4096)));
static char file[1 << 20];
static size_t used;
static off_t written;
static int device;
static char skip[65536];
static int snapshot;
static int port, trigger;
static const char *how;

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void take_dump(void) __attribute__((noreturn));

static void flush(void)
{
	if (used == 0)
		return;
	memset(out + used, 0, CHUNK - used);
	size_t size = (used + 4095) & ~4095ul;
	for (size_t at = 0; at < size;) {
		ssize_t done = pwrite(device, out + at, size - at, written + at);
		if (done <= 0) {
			tell("{\"note\":\"oracle: write at %ld: %s\"}\n", (long)(written + at), strerror(errno));
			take_dump();
		}
		at += done;
	}
	written += size;
	used = 0;
}

/* Callers write multiples of 512, so a tar block never straddles a flush badly. */
static void put(const char *data, size_t size)
{
	while (size > 0) {
		size_t part = size < CHUNK - used ? size : CHUNK - used;
		memcpy(out + used, data, part);
		used += part;
		data += part;
		size -= part;
		if (used == CHUNK)
			flush();
	}
}

static void record(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	size_t size = 0;
	ssize_t got;
	while (size < sizeof file && (got = read(fd, file + size, sizeof file - size)) > 0)
		size += got;
	close(fd);
	char header[512] = { 0 };
	snprintf(header, 100, "%d%s", snapshot, path);
	memcpy(header + 100, "0000644\0" "0000000\0" "0000000", 24);
	snprintf(header + 124, 12, "%011o", (unsigned)size & 077777777);
	snprintf(header + 136, 12, "%011o", (unsigned)time(NULL));
	memset(header + 148, ' ', 8);
	header[156] = '0';
	memcpy(header + 257, "ustar\00000", 8);
	unsigned sum = 0;
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	put(header, 512);
	put(file, size);
	static const char zeros[512];
	put(zeros, (512 - size % 512) % 512);
}

static int is_skipped(const char *pid)
{
	char word[32];
	snprintf(word, sizeof word, " %s ", pid);
	return strstr(skip, word) != NULL;
}

static void record_process(const char *pid)
{
	static const char *const plain[] = { "status", "stat", "stack", "cgroup", "schedstat", "wchan", "oom_score_adj", "oom_score", "io", "limits" };
	static const char *const locking[] = { "smaps_rollup", "cmdline" };
	char path[300];
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		snprintf(path, sizeof path, "/proc/%s/%s", pid, plain[i]);
		record(path);
	}
	for (size_t i = 0; !is_skipped(pid) && i < sizeof locking / sizeof *locking; i++) {
		snprintf(path, sizeof path, "/proc/%s/%s", pid, locking[i]);
		record(path);
	}
	snprintf(path, sizeof path, "/proc/%s/task", pid);
	DIR *tasks = opendir(path);
	if (tasks == NULL)
		return;
	for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, pid) == 0)
			continue;
		char thread[600];
		snprintf(thread, sizeof thread, "%s/%s/stat", path, entry->d_name);
		record(thread);
		snprintf(thread, sizeof thread, "%s/%s/stack", path, entry->d_name);
		record(thread);
	}
	closedir(tasks);
}

static void record_cgroup(const char *path, int depth)
{
	DIR *folder = opendir(path);
	if (folder == NULL || depth > 8)
		return;
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		char inner[400];
		if (entry->d_name[0] == '.' || strlen(path) + strlen(entry->d_name) > 90)
			continue;
		snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
		if (entry->d_type == DT_DIR)
			record_cgroup(inner, depth + 1);
		else if (strncmp(entry->d_name, "memory.", 7) == 0 || strncmp(entry->d_name, "pids.", 5) == 0 ||
			 strcmp(entry->d_name, "cgroup.procs") == 0 || strcmp(entry->d_name, "cgroup.events") == 0)
			if (strcmp(entry->d_name, "memory.reclaim") != 0)
				record(inner);
	}
	closedir(folder);
}

static void record_all(void)
{
	static const char *const files[] = {
		"meminfo", "vmstat", "slabinfo", "buddyinfo", "zoneinfo", "pagetypeinfo", "stat", "loadavg", "uptime", "mounts",
		"swaps", "modules", "locks", "interrupts", "diskstats", "net/sockstat", "pressure/memory", "pressure/io",
		"pressure/cpu", "sys/kernel/tainted", "sys/vm/min_free_kbytes", "sys/vm/overcommit_memory", "version", "cmdline",
	};
	char path[64];
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "/proc/%s", files[i]);
		record(path);
	}
	DIR *proc = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;)
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			record_process(entry->d_name);
	closedir(proc);
	record_cgroup("/sys/fs/cgroup", 0);
}

/* One line to the host; the port stays open because opening needs memory. */
static void tell(const char *format, ...)
{
	static char line[200];
	va_list list;
	va_start(list, format);
	int length = vsnprintf(line, sizeof line, format, list);
	va_end(list);
	if (write(port, line, length) < 0)
		_exit(5);
}

static void fail(const char *what)
{
	tell("{\"failed\":\"oracle: %s: %s\"}\n", what, strerror(errno));
	reboot(RB_POWER_OFF);
	_exit(3);
}

static void take_dump(void)
{
	tell("{\"oracle\":\"%ld\"}\n", (long)written);
	tell("{\"dump\":\"%s\"}\n", how);
	/* What the port has not sent yet would be lost with the kernel. */
	tcdrain(port);
	if (strcmp(how, "sysrq") == 0) {
		if (write(trigger, "c", 1) < 0)
			fail("sysrq");
	} else if (strcmp(how, "own") == 0) {
		int go = open("/run/lab/go", O_WRONLY);
		if (go < 0 || write(go, "go", 2) < 0)
			fail("/run/lab/go");
	}
	for (;;)
		pause();
}

static int begun[2];

static void *give_up(void *seconds)
{
	char byte;
	if (read(begun[0], &byte, 1) != 1)
		return NULL;
	sleep(*(int *)seconds);
	tell("{\"note\":\"the oracle did not finish\"}\n");
	take_dump();
	return NULL;
}

/* Touches the heap and the stack that recording needs, and keeps them. */
static void warm_up(void)
{
	volatile char stack[128 << 10];
	for (size_t at = 0; at < sizeof stack; at += 4096)
		stack[at] = 1;
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	char *heap = malloc(1 << 20);
	if (heap == NULL)
		fail("malloc");
	memset(heap, 1, 1 << 20);
	free(heap);
}

int main(int argc, char **argv)
{
	struct sched_param priority = { 1 };
	struct timespec start, now;
	pthread_t watchdog;
	pthread_attr_t small;
	char word[8];
	if (argc != 4)
		return 3;
	how = argv[2];
	int patience = atoi(argv[3]);
	port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY);
	trigger = open("/proc/sysrq-trigger", O_WRONLY);
	device = open(argv[1], O_WRONLY | O_DIRECT);
	struct pollfd ready = { open("/run/lab/ready", O_RDWR), POLLIN, 0 };
	if (device < 0 || trigger < 0 || ready.fd < 0)
		fail("open");
	sched_setscheduler(0, SCHED_FIFO, &priority);
	prctl(PR_SET_NAME, "bash");
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	if (pipe(begun) != 0)
		fail("pipe");
	/* A pipe keeps the page of what was read, so the next write needs no memory. */
	if (write(begun[1], "x", 1) != 1 || read(begun[0], word, 1) != 1 || write(ready.fd, "x", 1) != 1 ||
	    read(ready.fd, word, 1) != 1)
		fail("pipes");
	warm_up();
	if (pthread_create(&watchdog, &small, give_up, &patience) != 0)
		fail("thread");
	mlockall(MCL_CURRENT);
	if (poll(&ready, 1, patience * 1000) != 1 || read(ready.fd, word, sizeof word) < 0)
		fail("the incident never got ready");
	if (write(begun[1], "x", 1) != 1)
		fail("pipe");
	int fd = open("/run/lab/skip-mm", O_RDONLY);
	if (fd >= 0) {
		if (read(fd, skip, sizeof skip - 1) < 0)
			fail("skip-mm");
		close(fd);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	snapshot = 1;
	record_all();
	clock_gettime(CLOCK_MONOTONIC, &now);
	long ms = 1000 - ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000);
	if (ms > 0)
		usleep(ms * 1000);
	snapshot = 2;
	record_all();
	memset(file, 0, 1024);
	put(file, 1024);
	flush();
	take_dump();
}
