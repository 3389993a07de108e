/* One process meets a BUG() under the driver's mutex and dies; those who come later wait for the mutex. */
#include "lab.h"
#include <fcntl.h>
#include <signal.h>

static void ask(const char *word)
{
	int fd = open("/proc/volumedev", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("volumedev");
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
	lab_insmod("volumedev");
	if (lab_read("/proc/volumedev", text, sizeof text) < 0 || sscanf(text, "%llx", &lock) != 1)
		lab_die("address of volumedev");
	ask("use");
	/* Told while it lives: its parent takes no notice of its end. */
	signal(SIGCHLD, SIG_IGN);
	pid_t culprit = lab_role(lab_text("CULPRIT"), play, (long)"fall");
	truth_task("culprit", culprit);
	lab_sleep_ms(1500);
	for (long i = 0; i < lab_number("WAITERS"); i++) {
		lab_role(lab_text("WAITER"), play, (long)"use");
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	lab_wait_waiters("mutex", lock, lab_number("WAITERS"));
	lab_sleep_ms(1000);
	truth_address("resource", "struct mutex", lock, "volume_lock, whose owner is dead");
	truth_count("waiters", probe_waiters("mutex", lock));
	truth_text("module", "volumedev");
	lab_ready();
	lab_forever();
}
