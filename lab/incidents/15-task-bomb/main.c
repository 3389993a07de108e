/*
 * A process that starts another each time one is slow to answer, and waits for none; or one that starts threads. It goes on
 * until little memory is left. What each holds of its own is a few pages.
 */
#include "lab.h"
#include <pthread.h>

static int done[2];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void *idle(void *unused)
{
	(void)unused;
	lab_forever();
}

static void bomb(long threads)
{
	long count = 0;
	pthread_attr_t small;
	pthread_t thread;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 16384);
	while (count % 16 != 0 || available_kb() > lab_number("LEAVE_MB") << 10) {
		if (threads) {
			if (pthread_create(&thread, &small, idle, NULL) != 0)
				break;
		} else {
			pid_t pid = fork();
			if (pid < 0)
				break;
			if (pid == 0)
				lab_forever();
		}
		count++;
	}
	if (write(done[1], &count, sizeof count) != sizeof count)
		lab_die("pipe");
}

int main(void)
{
	long count;
	lab_comm("systemd");
	lab_write("/proc/sys/kernel/pid_max", "65536");
	lab_write("/proc/sys/kernel/threads-max", "30000");
	lab_company();
	if (pipe(done) != 0)
		lab_die("pipe");
	pid_t culprit = lab_role(lab_text("NAME"), bomb, strcmp(lab_text("KIND"), "thread") == 0);
	if (read(done[0], &count, sizeof count) != sizeof count)
		lab_die("pipe");
	truth_task("culprit", culprit);
	truth_count("tasks started", count);
	truth_text("kind", lab_text("KIND"));
	truth_count("kB available", available_kb());
	lab_ready();
	lab_forever();
}
