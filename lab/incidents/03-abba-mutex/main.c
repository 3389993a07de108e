/*
 * ABBA: two processes take the driver's two mutexes in opposite order and meet; others queue behind each. A third mutex
 * of the driver has a queue that moves.
 */
#include "lab.h"
#include <fcntl.h>

static void ask(const char *word)
{
	int fd = open("/proc/pairdev", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("pairdev");
	close(fd);
}

static void play(long word)
{
	ask((const char *)word);
	lab_die("%s came back", (const char *)word);
}

static void innocent(long unused)
{
	(void)unused;
	for (;;)
		ask("c");
}

int main(void)
{
	char text[100];
	unsigned long long first_lock, second_lock;
	lab_comm("systemd");
	lab_company();
	lab_insmod("pairdev");
	pid_t quiet = 0;
	for (long i = 0; i < lab_number("QUIET"); i++)
		quiet = lab_role("sensors", innocent, 0);
	truth_decoy("one of a queue on a mutex that moves", quiet);
	if (lab_read("/proc/pairdev", text, sizeof text) < 0 || sscanf(text, "%llx %llx", &first_lock, &second_lock) != 2)
		lab_die("addresses of pairdev");
	pid_t first = lab_role(lab_text("FIRST"), play, (long)"ab");
	lab_sleep_ms(50);
	pid_t second = lab_role(lab_text("SECOND"), play, (long)"ba");
	lab_wait_waiters("mutex", first_lock, 1);
	lab_wait_waiters("mutex", second_lock, 1);
	for (long i = 0; i < lab_number("BEHIND_A"); i++) {
		lab_role(lab_text("BEHIND"), play, (long)"a");
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	for (long i = 0; i < lab_number("BEHIND_B"); i++)
		lab_role(lab_text("BEHIND"), play, (long)"b");
	lab_wait_waiters("mutex", first_lock, 1 + lab_number("BEHIND_A"));
	lab_wait_waiters("mutex", second_lock, 1 + lab_number("BEHIND_B"));
	lab_sleep_ms(1500);
	truth_task("culprit", first);
	truth_task("culprit", second);
	truth_address("resource", "struct mutex", first_lock, "config_lock, held by the first");
	truth_address("resource", "struct mutex", second_lock, "queue_lock, held by the second");
	truth_count("waiters", probe_waiters("mutex", first_lock) + probe_waiters("mutex", second_lock));
	lab_ready();
	lab_forever();
}
