/*
 * Two big processes: the larger with oom_score_adj -1000, which cannot be chosen, the smaller with -998, which can be, last.
 * They leave little memory for the others; nothing was killed yet.
 */
#include "lab.h"
#include <sys/wait.h>

static int done[2];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void biggest(long unused)
{
	char byte = 0;
	(void)unused;
	lab_write("/proc/self/oom_score_adj", "-1000");
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_memory(256 << 10);
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

static void second(long megabytes)
{
	char byte = 0;
	lab_write("/proc/self/oom_score_adj", "-998");
	lab_memory((size_t)megabytes << 20);
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

static void small(long unused)
{
	(void)unused;
	lab_memory(1 << 20);
}

int main(void)
{
	char byte;
	lab_comm("systemd");
	lab_company();
	if (pipe(done) != 0)
		lab_die("pipe");
	for (long i = 0; i < lab_number("SMALL"); i++)
		lab_role("php-fpm", small, 0);
	pid_t other = lab_role(lab_text("SECOND"), second, lab_number("SECOND_MB"));
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	pid_t largest = lab_role(lab_text("BIGGEST"), biggest, 0);
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	lab_sleep_ms(500);
	truth_task("culprit", largest);
	truth_decoy("oom_score_adj -998: it can be chosen", other);
	truth_count("kB available", available_kb());
	lab_ready();
	lab_forever();
}
