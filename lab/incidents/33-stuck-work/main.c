/*
 * A work item of the driver never ends. Some flush it, some its workqueue, some wait for one that is queued behind it,
 * and one flushes it with a mutex taken that most of the others queue for.
 */
#include "lab.h"
#include <fcntl.h>

static void write_word(const char *word)
{
	int fd = open("/proc/fwsync", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("fwsync");
	close(fd);
}

static void ask(long word)
{
	write_word((const char *)word);
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
	lab_wait_stack(last, function);
}

int main(void)
{
	char text[200], comm[32];
	unsigned long long work, later, queue, mutex;
	int worker = 0;
	lab_comm("systemd");
	lab_company();
	lab_insmod("fwsync");
	write_word("sync");
	for (int i = 0; worker == 0 && i < 100; i++) {
		lab_sleep_ms(50);
		if (lab_read("/proc/fwsync", text, sizeof text) < 0 ||
		    sscanf(text, "%llx %llx %llx %llx %d %31s", &work, &later, &queue, &mutex, &worker, comm) != 6)
			lab_die("addresses of fwsync");
	}
	pid_t holder = lab_role(lab_text("HOLDER"), ask, (long)"apply");
	lab_wait_stack(holder, "flush_work");
	several(lab_number("FLUSHERS"), "flush", "flush_work");
	several(lab_number("DRAINERS"), "drain", "flush_workqueue");
	several(lab_number("LATER"), "later", "flush_work");
	several(lab_number("QUEUED"), "state", "fwsync_write");
	lab_wait_waiters("mutex", mutex, lab_number("QUEUED"));
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	truth_task("holder", holder);
	truth_worker(worker, comm);
	truth_address("resource", "struct work_struct", work, "talk_work, which never ends");
	truth_address("later", "struct work_struct", later, "report_work, queued behind it");
	truth_address("queue", "struct workqueue_struct", queue, "the workqueue fwsync");
	truth_address("mutex", "struct mutex", mutex, "state_lock, held by the holder");
	truth_count("behind", 1 + lab_number("FLUSHERS") + lab_number("DRAINERS") + lab_number("LATER") + lab_number("QUEUED"));
	lab_ready();
	lab_forever();
}
