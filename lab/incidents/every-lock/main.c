/*
 * One task takes a lock of every kind from a driver and sleeps for ever. Many queue for the mutex, which is what a report
 * must tell first; a few for each of the others, which the dump is there to prove.
 */
#include "lab.h"
#include <fcntl.h>

static void ask(long letter)
{
	char word = letter;
	int fd = open("/proc/lockdev", O_WRONLY);
	if (fd < 0 || write(fd, &word, 1) != 1)
		lab_die("lockdev");
	lab_die("%c came back", word);
}

/* Some that ask for the same, one after the other. */
static void queue(char letter, long count)
{
	char name[16];
	snprintf(name, sizeof name, "wants-%c", letter);
	while (count-- > 0) {
		lab_role(name, ask, letter);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
}

int main(void)
{
	static const char *const types[] = { "semaphore", "rt_mutex", "ww_mutex", "percpu_rw_semaphore" };
	char text[300];
	unsigned long long lock[7];
	int realtime;
	long each = lab_number("EACH");
	lab_comm("systemd");
	lab_company();
	lab_insmod("lockdev");
	if (lab_read("/proc/lockdev", text, sizeof text) < 0 ||
	    sscanf(text, "%llx %llx %llx %llx %llx %llx %llx %d", &lock[0], &lock[1], &lock[2], &lock[3], &lock[4], &lock[5],
		   &lock[6], &realtime) != 8)
		lab_die("addresses of lockdev");
	pid_t holder = lab_role(lab_text("HOLDER"), ask, 'H');
	lab_wait_stack(holder, "hold_all");
	lab_sleep_ms(500);
	for (long i = 0; i < lab_number("WAITERS"); i++) {
		lab_role(lab_text("BEHIND"), ask, 'm');
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	lab_wait_waiters("mutex", lock[0], lab_number("WAITERS"));
	queue('s', each);
	queue('r', each);
	queue('x', each);
	queue('w', 1);
	/* It waits for a grace period of RCU before it blocks the readers. */
	lab_sleep_ms(2000);
	queue('p', each);
	if (realtime) {
		lab_role("spins", ask, 'S');
		lab_sleep_ms(200);
		queue('l', each);
		queue('k', 1);
		queue('q', each);
	}
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	truth_task("culprit", holder);
	truth_address("resource", "struct mutex", lock[0], "flash_lock of the module lockdev");
	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof text, "struct %s", types[i]);
		truth_address("other lock", text, lock[1 + i], "with a few waiters");
	}
	if (realtime) {
		truth_address("other lock", "struct spinlock", lock[5], "with a few waiters");
		truth_address("other lock", "struct rwbase_rt", lock[6], "with a few waiters");
	}
	truth_count("waiters", probe_waiters("mutex", lock[0]));
	truth_count("waiters of each other lock", each);
	lab_ready();
	lab_forever();
}
