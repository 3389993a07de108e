/*
 * One process has the driver's mutex and wants its rw_semaphore; one has that and flushes a work item; the work item wants
 * the mutex. Others queue for each of the three.
 */
#include "lab.h"
#include <fcntl.h>

static void ask(long word)
{
	int fd = open("/proc/mirrordev", O_WRONLY);
	if (fd < 0 || write(fd, (const char *)word, strlen((const char *)word)) < 0)
		lab_die("mirrordev");
	lab_die("%s came back", (const char *)word);
}

/* /proc shows the names of kernel workers with that of their workqueue behind it; the kernel's own name is told. */
static void truth_worker(int pid, const char *comm)
{
	int port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY);
	if (port < 0 || dprintf(port, "{\"truth\":\"task\",\"role\":\"culprit\",\"pid\":%d,\"comm\":\"%s\"}\n", pid, comm) < 0)
		lab_die("truth");
	close(port);
}

static void several(long count, const char *word, const char *function)
{
	pid_t last = 0;
	for (long i = 0; i < count; i++) {
		last = lab_role(lab_text("BEHIND"), ask, (long)word);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	if (last != 0)
		lab_wait_stack(last, function);
}

int main(void)
{
	char text[200], comm[32];
	unsigned long long mutex, rwsem, work;
	int worker = 0;
	lab_comm("systemd");
	lab_company();
	lab_insmod("mirrordev");
	pid_t first = lab_role(lab_text("FIRST"), ask, (long)"configure");
	lab_sleep_ms(50);
	pid_t second = lab_role(lab_text("SECOND"), ask, (long)"remap");
	lab_wait_stack(second, "flush_work");
	lab_wait_stack(first, "mirrordev_configure");
	for (int i = 0; worker == 0 && i < 100; i++) {
		lab_sleep_ms(50);
		if (lab_read("/proc/mirrordev", text, sizeof text) < 0 ||
		    sscanf(text, "%llx %llx %llx %d %31s", &mutex, &rwsem, &work, &worker, comm) != 5)
			lab_die("addresses of mirrordev");
	}
	lab_wait_waiters("mutex", mutex, 1);
	lab_wait_waiters("rw_semaphore", rwsem, 1);
	several(lab_number("ON_MUTEX"), "show", "mirrordev_write");
	several(lab_number("ON_RWSEM"), "read", "mirrordev_write");
	several(lab_number("ON_WORK"), "wait", "flush_work");
	lab_wait_waiters("mutex", mutex, 1 + lab_number("ON_MUTEX"));
	lab_wait_waiters("rw_semaphore", rwsem, 1 + lab_number("ON_RWSEM"));
	lab_sleep_ms(1500);
	truth_task("culprit", first);
	truth_task("culprit", second);
	truth_worker(worker, comm);
	truth_address("resource", "struct mutex", mutex, "config_lock, held by the first");
	truth_address("resource", "struct rw_semaphore", rwsem, "layout_sem, held by the second");
	truth_address("resource", "struct work_struct", work, "rescan_work, run by the worker");
	truth_count("cycle", 3);
	truth_count("behind", lab_number("ON_MUTEX") + lab_number("ON_RWSEM") + lab_number("ON_WORK"));
	lab_ready();
	lab_forever();
}
