/*
 * A block device is read until hardly any memory is free. All of that can be had back at once: nothing is wrong.
 */
#include "lab.h"
#include <fcntl.h>

static int done[2];

static long meminfo_kb(const char *name)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	char *at = strstr(text, name);
	return at == NULL ? -1 : strtol(at + strlen(name), NULL, 10);
}

static void reader(long unused)
{
	static char block[1 << 16];
	char byte = 0;
	int fd = open("/dev/nvme0n1", O_RDONLY);
	(void)unused;
	if (fd < 0)
		lab_die("open");
	while (read(fd, block, sizeof block) > 0)
		;
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

int main(void)
{
	char byte;
	lab_comm("systemd");
	lab_company();
	lab_sleep_ms(1000);
	if (pipe(done) != 0)
		lab_die("pipe");
	lab_role(lab_text("READER"), reader, 0);
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	lab_sleep_ms(500);
	if (meminfo_kb("MemFree:") * 8 > meminfo_kb("MemTotal:"))
		lab_die("%ld kB are free", meminfo_kb("MemFree:"));
	truth_count("kB free", meminfo_kb("MemFree:"));
	truth_count("kB available", meminfo_kb("MemAvailable:"));
	truth_decoy("page cache", 0);
	lab_ready();
	lab_forever();
}
