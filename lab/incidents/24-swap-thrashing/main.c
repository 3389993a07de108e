/*
 * A small swap area on the (emulated, slow) drive. A process fills memory and swap but for a little and touches nothing again;
 * workers go round and round over what they have, which is more than is left: each page that one of them needs was just
 * thrown out for another.
 */
#include "lab.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/swap.h>

#define DEVICE "/dev/nvme0n1"

static int done[2];

static long meminfo_kb(const char *name)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	char *at = strstr(text, name);
	return at == NULL ? 0 : strtol(at + strlen(name), NULL, 10);
}

/* mkswap(8): the first page, version 1. */
static void make_swap(long megabytes)
{
	static unsigned char page[4096];
	int fd = open(DEVICE, O_WRONLY);
	*(uint32_t *)(page + 1024) = 1;
	*(uint32_t *)(page + 1028) = (uint32_t)(megabytes * 256 - 1);
	memcpy(page + 4086, "SWAPSPACE2", 10);
	if (fd < 0 || write(fd, page, sizeof page) != sizeof page || fsync(fd) != 0)
		lab_die("mkswap");
	close(fd);
	if (swapon(DEVICE, 0) != 0)
		lab_die("swapon");
}

static void fill(long spare_kb)
{
	char byte = 0;
	lab_write("/proc/self/oom_score_adj", "-1000");
	while (meminfo_kb("MemAvailable:") + meminfo_kb("SwapFree:") > spare_kb)
		lab_memory(512 << 10);
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

static void work(long bytes)
{
	lab_write("/proc/self/oom_score_adj", "-1000");
	volatile char *memory = lab_memory((size_t)bytes);
	for (;;)
		for (long at = 0; at < bytes; at += 4096)
			memory[at]++;
}

static long swapped_in(void)
{
	char text[16384];
	lab_read("/proc/vmstat", text, sizeof text);
	char *at = strstr(text, "pswpin ");
	return at == NULL ? 0 : strtol(at + 7, NULL, 10);
}

int main(void)
{
	char byte;
	long workers = lab_number("WORKERS"), spare = lab_number("SPARE_MB") << 20;
	lab_comm("systemd");
	lab_write("/proc/self/oom_score_adj", "-1000");
	lab_company();
	make_swap(lab_number("SWAP_MB"));
	if (pipe(done) != 0)
		lab_die("pipe");
	/* The workers are there first, so that what they have is thrown out by who comes. */
	for (long i = 0; i < workers; i++)
		lab_role(lab_text("NAME"), work, spare * 2);
	lab_sleep_ms(3000);
	lab_role("mongod", fill, (spare >> 10) + (workers << 9));
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	long before = swapped_in();
	lab_sleep_ms(12000);
	if (swapped_in() - before < 500)
		lab_die("only %ld pages were swapped in", swapped_in() - before);
	truth_count("pages swapped in within 12 s", swapped_in() - before);
	truth_count("kB of swap", meminfo_kb("SwapTotal:"));
	truth_count("kB of swap free", meminfo_kb("SwapFree:"));
	truth_count("kB available", meminfo_kb("MemAvailable:"));
	lab_ready();
	lab_forever();
}
