/*
 * Many processes append to one file, so they queue on its i_rwsem, and more processes than CPUs compute. Everything gets
 * on: each appender counts what it wrote, and the program says how much was done.
 */
#include "lab.h"
#include <fcntl.h>
#include <sys/mman.h>

static long *appended;

static void append(long number)
{
	size_t size = (size_t)lab_number("KB") << 10;
	char *block = lab_memory(size);
	int fd = open("/tmp/journal", O_CREAT | O_WRONLY, 0644);
	if (fd < 0)
		lab_die("journal");
	for (;;) {
		if (pwrite(fd, block, size, 0) != (ssize_t)size)
			lab_die("pwrite");
		appended[number]++;
	}
}

static void compute(long seed)
{
	volatile unsigned long sum = seed;
	for (;;)
		sum = sum * 6364136223846793005ul + 1;
}

int main(void)
{
	long least = 1l << 60, appenders = lab_number("APPENDERS");
	pid_t last = 0;
	lab_comm("systemd");
	lab_company();
	appended = mmap(NULL, appenders * sizeof *appended, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (appended == MAP_FAILED)
		lab_die("mmap");
	for (long i = 0; i < appenders; i++)
		last = lab_role(lab_text("APPENDER"), append, i);
	truth_decoy("last of a queue on an i_rwsem that moves", last);
	for (long i = 0; i < lab_number("SPINNERS"); i++)
		lab_role(lab_text("SPINNER"), compute, i);
	lab_sleep_ms(8000);
	truth_text("folder", "/tmp/journal");
	int fd = open("/tmp/journal", O_RDONLY);
	truth_address("queue", "struct rw_semaphore", probe_inode(getpid(), fd) + probe_offset("inode", "i_rwsem"),
		      "i_rwsem of the journal, whose queue moves");
	for (long i = 0; i < appenders; i++)
		least = appended[i] < least ? appended[i] : least;
	truth_count("least writes of an appender in 8 s", least);
	lab_ready();
	lab_forever();
}
