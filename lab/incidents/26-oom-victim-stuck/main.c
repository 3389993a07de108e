/*
 * The largest process has its memory locked, so that the reaper cannot take it, and a thread that sleeps uninterruptibly.
 * The OOM killer is called by hand (sysrq-f) when memory is short: it chooses that process, which cannot end.
 */
#include "lab.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

static int done[2];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void *stuck(void *unused)
{
	char byte;
	int fd = open("/proc/fence", O_RDONLY);
	if (fd >= 0 && read(fd, &byte, 1) < 0)
		lab_die("read");
	return unused;
}

static void victim(long unused)
{
	pthread_t thread;
	char byte = 0;
	(void)unused;
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		lab_die("mlockall");
	if (pthread_create(&thread, NULL, stuck, NULL) != 0)
		lab_die("pthread_create");
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_memory(256 << 10);
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

static long kills(void)
{
	char text[16384];
	lab_read("/proc/vmstat", text, sizeof text);
	char *at = strstr(text, "oom_kill ");
	return at == NULL ? 0 : strtol(at + 9, NULL, 10);
}

int main(void)
{
	char byte;
	lab_comm("systemd");
	lab_company();
	lab_insmod("fencedev");
	if (pipe(done) != 0)
		lab_die("pipe");
	pid_t chosen = lab_role(lab_text("VICTIM"), victim, 0);
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	truth_task("culprit", chosen);
	lab_write("/proc/sysrq-trigger", "f");
	for (int i = 0; i < 100 && kills() == 0; i++)
		lab_sleep_ms(100);
	if (kills() == 0)
		lab_die("nobody was killed");
	lab_sleep_ms(3000);
	truth_count("killed by the OOM killer", kills());
	truth_count("kB available", available_kb());
	lab_ready();
	lab_forever();
}
