/*
 * A hog takes nearly all memory, a driver takes the rest with its mutex held and loops in the allocator; others queue on
 * the mutex. What this program needs is locked, and its real-time priority lets it use the reserves.
 */
#include "lab.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

static int hog_done[2];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void hog(long unused)
{
	(void)unused;
	lab_write("/proc/self/oom_score_adj", "-1000");
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_memory(1 << 20);
	if (write(hog_done[1], "x", 1) != 1)
		lab_die("pipe");
}

/* Each has opened the device for itself before memory runs out: writers of one open file queue for its position. */
static int open_driver(void)
{
	int driver = open("/proc/snapdev", O_WRONLY);
	if (driver < 0)
		lab_die("snapdev");
	return driver;
}

static void snapshot(long go)
{
	char byte;
	int driver = open_driver();
	if (read(go, &byte, 1) != 1 || write(driver, "s", 1) != 1)
		lab_die("snapdev");
}

static void behind(long go)
{
	char byte;
	int driver = open_driver();
	lab_memory((size_t)lab_number("EACH_KB") << 10);
	if (read(go, &byte, 1) != 1 || write(driver, "l", 1) != 1)
		lab_die("snapdev");
}

int main(void)
{
	char text[100], byte;
	unsigned long long lock;
	struct sched_param priority = { 1 };
	int go[2], snapshot_go[2];
	lab_comm("systemd");
	lab_company();
	lab_insmod("snapdev");
	if (lab_read("/proc/snapdev", text, sizeof text) < 0 || sscanf(text, "%llx", &lock) != 1)
		lab_die("address of snap_lock");
	if (pipe(go) != 0 || pipe(hog_done) != 0 || pipe(snapshot_go) != 0)
		lab_die("pipe");
	/* They are there before memory runs out, and come one after the other. */
	for (long i = 0; i < lab_number("WAITERS"); i++)
		lab_role(lab_text("BEHIND"), behind, go[0]);
	lab_sleep_ms(500);
	pid_t holder = lab_role(lab_text("HOLDER"), snapshot, snapshot_go[0]);
	lab_write("/proc/sys/vm/min_free_kbytes", "16384");
	pid_t big = lab_role(lab_text("HOG"), hog, 0);
	if (read(hog_done[0], &byte, 1) != 1)
		lab_die("pipe");
	probe_waiters("mutex", lock);
	lab_write("/proc/self/oom_score_adj", "-1000");
	if (mlockall(MCL_CURRENT) != 0 || sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		lab_die("mlockall");
	if (write(snapshot_go[1], "x", 1) != 1)
		lab_die("pipe");
	lab_wait_stack(holder, "__alloc_pages");
	lab_sleep_ms(2000);
	for (long i = 0; i < lab_number("WAITERS"); i++) {
		if (write(go[1], "x", 1) != 1)
			lab_die("pipe");
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	lab_wait_waiters("mutex", lock, lab_number("WAITERS"));
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	truth_task("culprit", holder);
	truth_task("most memory", big);
	truth_address("resource", "struct mutex", lock, "snap_lock of the module snapdev");
	static char counters[16384];
	lab_read("/proc/vmstat", counters, sizeof counters);
	truth_count("processes killed by the OOM killer", strtol(strstr(counters, "oom_kill ") + 9, NULL, 10));
	truth_count("waiters", probe_waiters("mutex", lock));
	lab_ready();
	lab_forever();
}
