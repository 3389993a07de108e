/*
 * The administrator has given half of memory to the pool of huge pages, of which a process uses a few. Ordinary workers
 * fill what is left.
 */
#include "lab.h"
#include <sys/mman.h>

static int done[2];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void user(long pages)
{
	char byte = 0;
	size_t size = (size_t)pages << 21;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (memory == MAP_FAILED)
		lab_die("mmap of huge pages");
	for (size_t at = 0; at < size; at += 1 << 21)
		memory[at] = 1;
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

static void work(long megabytes)
{
	char byte = 0;
	lab_memory((size_t)megabytes << 20);
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

static void wait_one(void)
{
	char byte;
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
}

int main(void)
{
	char text[64];
	lab_comm("systemd");
	lab_company();
	lab_sleep_ms(1000);
	if (pipe(done) != 0)
		lab_die("pipe");
	snprintf(text, sizeof text, "%ld", lab_number("POOL_PAGES"));
	lab_write("/proc/sys/vm/nr_hugepages", text);
	lab_read("/proc/sys/vm/nr_hugepages", text, sizeof text);
	long pool = strtol(text, NULL, 10);
	if (pool < 60)
		lab_die("only %ld huge pages", pool);
	pid_t holder = lab_role(lab_text("USER"), user, lab_number("USED_PAGES"));
	wait_one();
	while (available_kb() > (lab_number("LEAVE_MB") + 4) << 10) {
		lab_role(lab_text("NAME"), work, 3);
		wait_one();
	}
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_memory(256 << 10);
	truth_count("huge pages", pool);
	truth_count("huge pages used", lab_number("USED_PAGES"));
	truth_count("kB available", available_kb());
	truth_decoy("uses some of the huge pages", holder);
	lab_ready();
	lab_forever();
}
