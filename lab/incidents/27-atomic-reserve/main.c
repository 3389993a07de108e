/*
 * The reserve is set far below the kernel's own choice. Reading a block device fills memory with page cache; whoever can
 * wait gets it back at once, and a network card that cannot wait finds nothing.
 */
#include "lab.h"
#include <fcntl.h>

static long meminfo_kb(const char *name)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	char *at = strstr(text, name);
	return at == NULL ? -1 : strtol(at + strlen(name), NULL, 10);
}

/* Again and again, so that the cache fills whatever is given back. */
static void reader(long unused)
{
	static char block[1 << 16];
	(void)unused;
	for (;;) {
		int fd = open("/dev/nvme0n1", O_RDONLY);
		if (fd < 0)
			lab_die("open");
		while (read(fd, block, sizeof block) > 0)
			;
		close(fd);
	}
}

static long failed(void)
{
	char text[32];
	lab_read("/sys/module/vnic/parameters/failed", text, sizeof text);
	return strtol(text, NULL, 10);
}

int main(void)
{
	char text[32];
	lab_comm("systemd");
	lab_company();
	lab_insmod("vnic");
	snprintf(text, sizeof text, "%ld", lab_number("MIN_FREE_KB"));
	lab_write("/proc/sys/vm/min_free_kbytes", text);
	lab_write("/proc/sys/vm/watermark_scale_factor", "1");
	lab_role("backup", reader, 0);
	for (int i = 0; i < 600 && meminfo_kb("MemFree:") > 12 << 10; i++)
		lab_sleep_ms(100);
	snprintf(text, sizeof text, "%ld", lab_number("BURST_PAGES"));
	for (long i = 0; i < 400 && failed() < lab_number("BURSTS"); i++) {
		lab_write("/proc/vnic", text);
		lab_sleep_ms(100);
	}
	if (failed() == 0)
		lab_die("no allocation failed, %ld kB are free", meminfo_kb("MemFree:"));
	truth_count("failures", failed());
	truth_count("min_free_kbytes", lab_number("MIN_FREE_KB"));
	truth_count("kB available", meminfo_kb("MemAvailable:"));
	lab_ready();
	lab_forever();
}
