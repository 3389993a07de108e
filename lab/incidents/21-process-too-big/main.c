/*
 * A process without any protection grows until little memory is left. Beside it: small ones, and a big one that does not
 * grow.
 */
#include "lab.h"

static int done[2];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void grow(long step)
{
	char byte = 0;
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_memory((size_t)step << 10);
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
	lab_sleep_ms(500);
	pid_t biggest = lab_role(lab_text("BIGGEST"), grow, lab_number("STEP_KB"));
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	lab_sleep_ms(500);
	truth_task("culprit", biggest);
	truth_count("kB available", available_kb());
	lab_ready();
	lab_forever();
}
