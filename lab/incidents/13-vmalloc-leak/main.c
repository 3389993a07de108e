/*
 * The driver leaks areas of vmalloc until the wanted amount is left available. Beside it: a process with many threads,
 * whose stacks are areas of vmalloc too.
 */
#include "lab.h"
#include <pthread.h>

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

static void threads(long count)
{
	pthread_t thread;
	for (long i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, idle, NULL) != 0)
			lab_die("pthread_create");
}

int main(void)
{
	char text[64];
	long pages = lab_number("PAGES");
	lab_comm("systemd");
	lab_company();
	pid_t other = lab_role("tomcat", threads, lab_number("THREADS"));
	lab_sleep_ms(1000);
	snprintf(text, sizeof text, "pages=%ld", pages);
	lab_insmod_with("sessdrv", text);
	snprintf(text, sizeof text, "%ld", 256 / pages);
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_write("/proc/sessdrv", text);
	lab_read("/sys/module/sessdrv/parameters/areas", text, sizeof text);
	truth_count("areas leaked", strtol(text, NULL, 10));
	truth_count("pages leaked", strtol(text, NULL, 10) * pages);
	truth_count("kB available", available_kb());
	truth_text("caller", "session_open");
	truth_text("module", "sessdrv");
	truth_decoy("many threads, whose stacks are vmalloc too", other);
	lab_ready();
	lab_forever();
}
