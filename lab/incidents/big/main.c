/* Many processes of a few names, each with some memory of its own and some that it shares with its siblings. */
#include "lab.h"
#include <sys/mman.h>

static char *shared;

static void live(long number)
{
	lab_memory((size_t)(64 + number * 37 % 448) << 10);
	for (int i = 0; i < 256 << 10; i += 4096)
		((volatile char *)shared)[i];
}

int main(void)
{
	static const char *const names[] = { "top", "httpd", "postgres", "java", "sh" };
	lab_comm("systemd");
	lab_company();
	shared = mmap(NULL, 256 << 10, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		lab_die("mmap");
	memset(shared, 1, 256 << 10);
	for (long i = 0; i < lab_number("PROCESSES"); i++)
		lab_role(names[i % 5], live, i);
	lab_sleep_ms(3000);
	truth_count("processes", lab_number("PROCESSES"));
	lab_ready();
	lab_forever();
}
