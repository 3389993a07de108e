/*
 * The host takes memory through the balloon when the guest asks for it on the second serial port, as a host that is short
 * of memory would by itself. Ordinary workers fill what is left. Beside it: a file of a tmpfs.
 */
#include "lab.h"
#include <fcntl.h>

static int done[2];

static long number_in(const char *path, const char *name)
{
	static char text[65536];
	lab_read(path, text, sizeof text);
	char *found = strstr(text, name);
	return found == NULL ? 0 : strtol(found + strlen(name), NULL, 10);
}

static long available_kb(void)
{
	return number_in("/proc/meminfo", "MemAvailable:");
}

static long ballooned(void)
{
	return number_in("/proc/vmstat", "balloon_inflate ") - number_in("/proc/vmstat", "balloon_deflate ");
}

static void ask_host(long megabytes)
{
	char text[64];
	int port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY);
	int length = snprintf(text, sizeof text, "{\"balloon\":\"%ld\"}\n", megabytes);
	if (port < 0 || write(port, text, length) != length)
		lab_die("/dev/ttyS1");
	close(port);
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

static void work(long megabytes)
{
	char byte = 0;
	lab_memory((size_t)megabytes << 20);
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

int main(void)
{
	char text[64], byte;
	lab_comm("systemd");
	lab_company();
	pid_t other = lab_role("influxd", filler, lab_number("TMPFS_MB"));
	lab_sleep_ms(1000);
	if (pipe(done) != 0)
		lab_die("pipe");
	long pages = lab_number("TAKE_MB") << 8;
	ask_host(lab_number("TAKE_MB"));
	for (int i = 0; ballooned() < pages; i++) {
		if (i == 600)
			lab_die("only %ld of %ld pages in the balloon", ballooned(), pages);
		lab_sleep_ms(100);
	}
	while (available_kb() > (lab_number("LEAVE_MB") + 4) << 10) {
		lab_role(lab_text("NAME"), work, 3);
		if (read(done[0], &byte, 1) != 1)
			lab_die("pipe");
	}
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_memory(256 << 10);
	lab_insmod("balloonpage");
	lab_read("/sys/module/balloonpage/parameters/device", text, sizeof text);
	truth_address("resource", "struct balloon_dev_info", strtoull(text, NULL, 10), "the balloon that has the pages");
	truth_count("pages in the balloon", ballooned());
	truth_count("kB available", available_kb());
	truth_decoy("a file of a tmpfs", other);
	lab_ready();
	lab_forever();
}
