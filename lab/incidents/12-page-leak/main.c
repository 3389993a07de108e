/*
 * The driver leaks pages until the wanted amount is left available. Beside it: a file of a tmpfs, which is memory of no
 * process as well, but is counted.
 */
#include "lab.h"
#include <fcntl.h>

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void filler(long megabytes)
{
	static char block[65536];
	int fd = open("/run/state.db", O_CREAT | O_RDWR, 0644);
	if (fd < 0)
		lab_die("open");
	for (long i = 0; i < megabytes * 16; i++)
		if (write(fd, block, sizeof block) != sizeof block)
			lab_die("write");
}

int main(void)
{
	char text[64];
	long order = lab_number("ORDER");
	lab_comm("systemd");
	lab_company();
	pid_t other = lab_role("influxd", filler, lab_number("TMPFS_MB"));
	lab_sleep_ms(1000);
	snprintf(text, sizeof text, "order=%ld", order);
	lab_insmod_with("ringdma", text);
	snprintf(text, sizeof text, "%ld", 256l >> order);
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_write("/proc/ringdma", text);
	lab_read("/sys/module/ringdma/parameters/pages", text, sizeof text);
	truth_count("pages leaked", strtol(text, NULL, 10));
	truth_count("order", order);
	truth_count("kB available", available_kb());
	truth_text("module", "ringdma");
	truth_decoy("a file of a tmpfs", other);
	lab_ready();
	lab_forever();
}
