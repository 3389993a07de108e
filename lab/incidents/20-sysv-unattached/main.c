/*
 * Processes make segments of shared memory, fill them and end without removing them, again and again. Beside them: a
 * segment that somebody is attached to.
 */
#include "lab.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>

static int done[2];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

/* Fills a segment of its own; stops early when memory runs out. */
static char *segment(key_t key, long megabytes, long leave_kb)
{
	size_t size = (size_t)megabytes << 20;
	int id = shmget(key, size, IPC_CREAT | 0600);
	char *memory = shmat(id, NULL, 0);
	if (id < 0 || memory == (char *)-1)
		lab_die("shmget");
	for (size_t at = 0; at < size; at += 4096) {
		if ((at & 0xfffff) == 0 && available_kb() < leave_kb)
			break;
		memory[at] = 's';
	}
	return memory;
}

static void attached(long megabytes)
{
	char byte = 0;
	segment(0x5eed, megabytes, 0);
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

static void crash(long key)
{
	segment(key, lab_number("SEGMENT_MB"), lab_number("LEAVE_MB") << 10);
	_exit(1);
}

int main(void)
{
	char byte;
	int status;
	long count = 0;
	lab_comm("systemd");
	lab_write("/proc/sys/kernel/shmmni", "4096");
	lab_company();
	lab_sleep_ms(1000);
	if (pipe(done) != 0)
		lab_die("pipe");
	pid_t holder = lab_role("zabbix_server", attached, lab_number("ATTACHED_MB"));
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	while (available_kb() > lab_number("LEAVE_MB") << 10) {
		pid_t pid = lab_role(lab_text("NAME"), crash, 0x0c000000 + count);
		waitpid(pid, &status, 0);
		count++;
	}
	truth_count("segments nobody is attached to", count);
	truth_count("MB of a segment", lab_number("SEGMENT_MB"));
	truth_count("kB available", available_kb());
	truth_decoy("is attached to a segment", holder);
	lab_ready();
	lab_forever();
}
