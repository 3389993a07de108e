/*
 * A real-time task polls on its CPU and never sleeps, and the machine was told not to hold it back, as low-latency guides
 * advise. Tasks that have work done on every CPU wait for the worker of this one.
 */
#include "lab.h"
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

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

static void poll_device(long unused)
{
	static volatile int packet;
	struct sched_param priority = { lab_number("PRIORITY") };
	(void)unused;
	stay_on(0, 1);
	if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		lab_die("sched_setscheduler");
	/* Some pages for this CPU to put on lists later. */
	lab_memory(7 * 4096);
	while (!packet)
		;
}

static void play(long unused)
{
	char path[100];
	(void)unused;
	snprintf(path, sizeof path, "/proc/sys/vm/%s", lab_text("MODE"));
	lab_write(path, "1");
	lab_die("%s came back", path);
}

/* The worker of CPU 1 that wants to run. */
static pid_t starved(void)
{
	DIR *folder = opendir("/proc");
	pid_t found = 0;
	for (struct dirent *entry; found == 0 && (entry = readdir(folder)) != NULL;) {
		char path[300], text[400], comm[64], state;
		int pid = atoi(entry->d_name), number;
		snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
		if (pid > 0 && lab_read(path, text, sizeof text) > 0 &&
		    sscanf(text, "%d (%60[^)]) %c", &number, comm, &state) == 3 && state == 'R' &&
		    strncmp(comm, "kworker/1:", 10) == 0 && strstr(comm, "H") == NULL)
			found = pid;
	}
	closedir(folder);
	return found;
}

int main(void)
{
	lab_comm("systemd");
	lab_company();
	lab_write("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	/* Since 6.12 a server of its own keeps some time for the others, unless it is turned off as well. */
	mount("debug", "/sys/kernel/debug", "debugfs", 0, NULL);
	int fd = open("/sys/kernel/debug/sched/fair_server/cpu1/runtime", O_WRONLY);
	if (fd >= 0 && write(fd, "0", 1) != 1)
		lab_die("fair_server");
	if (fd >= 0)
		close(fd);
	all_on(0);
	pid_t realtime = lab_role(lab_text("REALTIME"), poll_device, 0);
	lab_sleep_ms(500);
	pid_t first = lab_role(lab_text("WAITER"), play, 0);
	lab_wait_stack(first, "flush_work");
	for (long i = 1; i < lab_number("WAITERS"); i++) {
		lab_role(lab_text("WAITER"), play, 0);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	pid_t worker = starved();
	if (worker == 0)
		lab_die("no worker of CPU 1 wants to run");
	truth_task("culprit", realtime);
	truth_task("starved", worker);
	truth_task("waits for the worker", first);
	truth_address("resource", "struct rq", probe_read(probe_symbol("__per_cpu_offset") + 8) + probe_symbol("runqueues"), "run queue of CPU 1");
	truth_count("waiters", lab_number("WAITERS"));
	truth_count("cpu", 1);
	lab_ready();
	lab_forever();
}
