/*
 * Processes attach one large shared memory, of which little has pages, and touch it everywhere: each has page tables of
 * its own for all of it. They are forked until little memory is left.
 */
#include "lab.h"
#include <sys/mman.h>

#define STEP (2 << 20)

static char *shared;
static size_t size;
static int done[2];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void attach(long unused)
{
	char byte = 0;
	volatile char sum = 0;
	(void)unused;
	for (size_t at = 0; at < size; at += STEP)
		sum += shared[at];
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

int main(void)
{
	char byte;
	long count = 0;
	lab_comm("systemd");
	lab_company();
	size = (size_t)lab_number("SHARED_MB") << 20;
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED || pipe(done) != 0)
		lab_die("mmap");
	for (size_t at = 0; at < size; at += STEP)
		shared[at] = 1;
	while (available_kb() > lab_number("LEAVE_MB") << 10) {
		lab_role(lab_text("NAME"), attach, 0);
		if (read(done[0], &byte, 1) != 1)
			lab_die("pipe");
		count++;
	}
	truth_count("processes", count);
	truth_count("bytes mapped by each", (long)size);
	truth_count("kB available", available_kb());
	truth_text("name", lab_text("NAME"));
	lab_ready();
	lab_forever();
}
