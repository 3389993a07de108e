/* One process waits for an answer that never comes, with the driver's mutex held; the hung-task watchdog tells of those
 * who wait for it, and panics. */
#include "lab.h"
#include <fcntl.h>

static void ask(const char *word)
{
	int fd = open("/proc/storedev", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("storedev");
	close(fd);
}

static void play(long word)
{
	ask((const char *)word);
	lab_die("%s came back", (const char *)word);
}

int main(void)
{
	char text[100];
	unsigned long long lock;
	lab_comm("systemd");
	lab_company();
	lab_insmod("storedev");
	if (lab_read("/proc/storedev", text, sizeof text) < 0 || sscanf(text, "%llx", &lock) != 1)
		lab_die("address of storedev");
	ask("use");
	pid_t culprit = lab_role(lab_text("CULPRIT"), play, (long)"fall");
	lab_sleep_ms(1000);
	for (long i = 0; i < lab_number("WAITERS"); i++) {
		lab_role(lab_text("WAITER"), play, (long)"use");
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	lab_wait_waiters("mutex", lock, lab_number("WAITERS"));
	lab_sleep_ms(1000);
	truth_task("culprit", culprit);
	truth_address("resource", "struct mutex", lock, "store_lock, held by the one that waits for an answer");
	truth_count("waiters", probe_waiters("mutex", lock));
	lab_ready();
	lab_write("/proc/sys/kernel/hung_task_panic", "1");
	lab_write("/proc/sys/kernel/hung_task_timeout_secs", "8");
	lab_forever();
}
