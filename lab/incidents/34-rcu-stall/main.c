/*
 * A reader stays in a driver's RCU read-side section. A task that changes the driver's table waits for the grace period with
 * the driver's mutex held; others queue for the mutex. Everybody else keeps off the reader's CPU, where it may loop.
 */
#include "lab.h"
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>

static void ask(const char *word)
{
	int fd = open("/proc/routedev", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("routedev");
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
	for (;;) {
		ask("look");
		lab_sleep_ms(70);
	}
}

static void stay_on(pid_t pid, int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Those of kernel threads that are bound to a CPU cannot be moved. */
	sched_setaffinity(pid, sizeof set, &set);
}

static void all_on(int cpu)
{
	DIR *folder = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		char path[300];
		snprintf(path, sizeof path, "/proc/%s/task", entry->d_name);
		DIR *threads = atoi(entry->d_name) > 0 ? opendir(path) : NULL;
		if (threads == NULL)
			continue;
		for (struct dirent *thread; (thread = readdir(threads)) != NULL;)
			if (atoi(thread->d_name) > 0)
				stay_on(atoi(thread->d_name), cpu);
		closedir(threads);
	}
	closedir(folder);
}

static void read_table(long word)
{
	stay_on(0, 1);
	play(word);
}

int main(void)
{
	char text[200];
	unsigned long long spins, lock;
	lab_comm("systemd");
	lab_company();
	lab_insmod("routedev");
	if (lab_read("/proc/routedev", text, sizeof text) < 0 || sscanf(text, "%llx %llx", &spins, &lock) != 2)
		lab_die("addresses of routedev");
	truth_decoy("reads the same table and comes out again", lab_role("collectd", innocent, 0));
	lab_sleep_ms(300);
	all_on(0);
	pid_t reader = lab_role(lab_text("READER"), read_table, (long)lab_text("MODE"));
	lab_sleep_ms(500);
	pid_t changer = lab_role(lab_text("CHANGER"), play, (long)"change");
	lab_wait_stack(changer, "synchronize_rcu");
	for (long i = 0; i < lab_number("WAITERS"); i++) {
		lab_role(lab_text("BEHIND"), play, (long)"change");
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	lab_wait_waiters("mutex", lock, lab_number("WAITERS"));
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	truth_task("culprit", reader);
	truth_task("waits for the grace period", changer);
	truth_address("resource", "struct rcu_state", probe_symbol("rcu_state"), "RCU");
	truth_address("resource", "void", spins, "routedev_walk, in which the reader stays");
	truth_address("lock", "struct mutex", lock, "table_lock, held by the one that waits for the grace period");
	truth_count("waiters", 1 + lab_number("WAITERS"));
	truth_text("mode", lab_text("MODE"));
	lab_ready();
	lab_forever();
}
