/*
 * Workers of one cgroup hold anonymous memory, which without swap cannot be reclaimed, and ask for more: above
 * memory.high the kernel makes them wait, longer and longer, and kills nobody. Another cgroup beside it is at its limit
 * too, full of page cache of a tmpfs-free device, and nobody waits in it.
 */
#include "lab.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static char group[128];

static void join(const char *path)
{
	char file[200], text[32];
	snprintf(file, sizeof file, "%s/cgroup.procs", path);
	snprintf(text, sizeof text, "%d", getpid());
	lab_write(file, text);
}

static void work(long unused)
{
	(void)unused;
	join(group);
	for (;;)
		lab_memory(1 << 20);
}

/* Reads a block device: page cache that can be dropped at any time. */
static void reader(long unused)
{
	static char block[1 << 16];
	(void)unused;
	join("/sys/fs/cgroup/cachefull");
	int fd = open("/dev/nvme0n1", O_RDONLY);
	if (fd < 0)
		lab_die("open");
	for (long i = 0; i < 600 && read(fd, block, sizeof block) > 0; i++)
		;
}

static long usage_kb(void)
{
	char path[200], text[64];
	snprintf(path, sizeof path, "%s/memory.current", group);
	lab_read(path, text, sizeof text);
	return strtol(text, NULL, 10) >> 10;
}

static pid_t workers[64];

int main(void)
{
	char path[200], text[64];
	long high = lab_number("HIGH_MB") << 10, count = lab_number("WORKERS");
	lab_comm("systemd");
	lab_company();
	snprintf(group, sizeof group, "/sys/fs/cgroup/%s", lab_text("GROUP"));
	mkdir(group, 0755);
	mkdir("/sys/fs/cgroup/cachefull", 0755);
	lab_write("/sys/fs/cgroup/cachefull/memory.max", "16777216");
	lab_role("rsync", reader, 0);
	snprintf(path, sizeof path, "%s/memory.high", group);
	snprintf(text, sizeof text, "%ld", high << 10);
	lab_write(path, text);
	for (long i = 0; i < count; i++)
		workers[i] = lab_role(lab_text("NAME"), work, 0);
	for (int i = 0; i < 600 && usage_kb() < high + high / 4; i++)
		lab_sleep_ms(100);
	for (long i = 0; i < 3; i++)
		lab_wait_stack(workers[i], "mem_cgroup_handle_over_high");
	lab_sleep_ms(2000);
	for (long i = 0; i < 3; i++)
		lab_wait_stack(workers[i], "mem_cgroup_handle_over_high");
	truth_count("workers", count);
	truth_count("memory.high in kB", high);
	truth_count("memory.current in kB", usage_kb());
	truth_text("cgroup", lab_text("GROUP"));
	truth_decoy("a cgroup full of page cache", 0);
	lab_ready();
	lab_forever();
}
