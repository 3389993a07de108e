/*
 * Swap lies on the drive that takes the dump later, behind dm-delay, so that each page takes its time. Workers grow until
 * swap is full but for a little, and then use their memory all over, which is more than fits: each page that comes back
 * throws out another. What this program needs is locked, and its real-time priority lets it through.
 */
#include "lab.h"
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>

#define PAGE 4096
#define MIB (1 << 20)
#define MOST_MIB 1024

/* Shared by all: how many MiB may be had, how many are, and how many pages were touched since. */
static struct {
	volatile long granted, had, growing, touched;
} *shared;

static long number_in(const char *path, const char *name)
{
	static char text[32768];
	lab_read(path, text, sizeof text);
	const char *at = strstr(text, name);
	if (at == NULL)
		lab_die("no %s", name);
	return strtol(at + strlen(name), NULL, 10);
}

/* The node of the first drive: since 6.12 its name does not tell which it is. */
static void core_drive(char path[32])
{
	for (int i = 1; i < 4; i++) {
		char nsid[64], text[16];
		snprintf(nsid, sizeof nsid, "/sys/block/nvme0n%d/nsid", i);
		if (lab_read(nsid, text, sizeof text) > 0 && strtol(text, NULL, 10) == 1) {
			snprintf(path, 32, "/dev/nvme0n%d", i);
			return;
		}
	}
	lab_die("no first drive");
}

static void put(int fd, const void *data, size_t size, off_t at)
{
	if (pwrite(fd, data, size, at) != (ssize_t)size)
		lab_die("header of swap");
}

/* As mkswap does. */
static void make_swap(const char *drive, long megabytes)
{
	static uint32_t header[3];
	int fd = open(drive, O_WRONLY);
	if (fd < 0)
		lab_die("%s", drive);
	header[0] = 1;
	header[1] = megabytes * (MIB / PAGE) - 1;
	put(fd, header, sizeof header, 1024);
	put(fd, "SWAPSPACE2", 10, PAGE - 10);
	fsync(fd);
	close(fd);
}

static void dm(int control, unsigned long request, const char *parameters, long sectors)
{
	static char buffer[4096];
	struct dm_ioctl *head = (struct dm_ioctl *)buffer;
	struct dm_target_spec *spec = (struct dm_target_spec *)(head + 1);
	memset(buffer, 0, sizeof buffer);
	head->version[0] = DM_VERSION_MAJOR;
	head->data_size = sizeof buffer;
	head->data_start = sizeof *head;
	strcpy(head->name, "slow");
	if (parameters != NULL) {
		head->target_count = 1;
		spec->length = sectors;
		strcpy(spec->target_type, "delay");
		strcpy((char *)(spec + 1), parameters);
	}
	if (ioctl(control, request, head) != 0)
		lab_die("device mapper, request %lx", request);
}

/* A device that takes so long for each page. */
static void slow_swap(long megabytes, long ms)
{
	char drive[32], parameters[100];
	core_drive(drive);
	make_swap(drive, megabytes);
	int control = open("/dev/mapper/control", O_RDWR);
	if (control < 0)
		lab_die("/dev/mapper/control");
	snprintf(parameters, sizeof parameters, "%s 0 %ld %s 0 %ld", drive, ms, drive, ms / 4);
	dm(control, DM_DEV_CREATE, NULL, 0);
	dm(control, DM_TABLE_LOAD, parameters, megabytes * (MIB / 512));
	dm(control, DM_DEV_SUSPEND, NULL, 0);
	close(control);
	if (swapon("/dev/dm-0", 0) != 0)
		lab_die("swapon");
}

static void work(long seed)
{
	static char *pieces[MOST_MIB];
	uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
	long own = 0;
	lab_write("/proc/self/oom_score_adj", "0");
	while (shared->growing || own == 0) {
		long granted = shared->granted;
		if (granted <= 0 || own >= MOST_MIB || !__sync_bool_compare_and_swap(&shared->granted, granted, granted - 1)) {
			lab_sleep_ms(5);
			continue;
		}
		pieces[own++] = lab_memory(MIB);
		__sync_add_and_fetch(&shared->had, 1);
	}
	for (;;) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		pieces[(state >> 20) % own][(state >> 40) % (MIB / PAGE) * PAGE]++;
		__sync_add_and_fetch(&shared->touched, 1);
	}
}

int main(void)
{
	struct sched_param priority = { 1 };
	lab_comm("systemd");
	lab_company();
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		lab_die("mmap");
	shared->growing = 1;
	slow_swap(lab_number("SWAP_MB"), lab_number("DELAY_MS"));
	lab_write("/proc/sys/vm/swappiness", "100");
	lab_write("/proc/sys/vm/page-cluster", "0");
	pid_t first = 0;
	for (long i = 0; i < lab_number("WORKERS"); i++)
		first = lab_role(lab_text("WORKER"), work, i + 1);
	lab_write("/proc/self/oom_score_adj", "-1000");
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0 || sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		lab_die("mlockall");
	long total = number_in("/proc/meminfo", "SwapTotal:");
	for (long granted = 0; number_in("/proc/meminfo", "SwapFree:") > total / 20; granted++) {
		if (granted > MOST_MIB)
			lab_die("swap does not fill");
		__sync_add_and_fetch(&shared->granted, 1);
		while (shared->had < granted)
			lab_sleep_ms(2);
	}
	shared->growing = 0;
	lab_sleep_ms(5000);
	long in = number_in("/proc/vmstat", "pswpin "), out = number_in("/proc/vmstat", "pswpout ");
	long touched = shared->touched, seconds = lab_number("WAIT_S");
	lab_sleep_ms(seconds * 1000);
	truth_task("most memory", first);
	truth_count("pages swapped in per second", (number_in("/proc/vmstat", "pswpin ") - in) / seconds);
	truth_count("pages swapped out per second", (number_in("/proc/vmstat", "pswpout ") - out) / seconds);
	truth_count("pages touched per second", (shared->touched - touched) / seconds);
	truth_count("MiB of the workers", shared->had);
	truth_count("kB of swap that are free", number_in("/proc/meminfo", "SwapFree:"));
	truth_count("processes killed by the OOM killer", number_in("/proc/vmstat", "oom_kill "));
	lab_ready();
	lab_forever();
}
