/*
 * A work item loops on CPU 1, on the workqueue that the whole kernel uses: its pool of workers takes no more work as long
 * as one of them runs. Others wait for work that is queued behind it.
 */
#include "lab.h"
#include <fcntl.h>

static void write_word(const char *word)
{
	int fd = open("/proc/statsdev", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("statsdev");
	close(fd);
}

static void await(long unused)
{
	(void)unused;
	write_word("wait");
	lab_die("the work was done");
}

/* /proc shows the names of kernel workers with that of their workqueue behind it; the kernel's own name is told. */
static void truth_worker(int pid, const char *comm)
{
	int port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY);
	if (port < 0 || dprintf(port, "{\"truth\":\"task\",\"role\":\"culprit\",\"pid\":%d,\"comm\":\"%s\"}\n", pid, comm) < 0)
		lab_die("truth");
	close(port);
}

int main(void)
{
	char text[200], comm[32];
	unsigned long long work;
	int worker = 0;
	pid_t last = 0;
	lab_comm("systemd");
	lab_company();
	lab_insmod("statsdev");
	write_word("loop");
	for (int i = 0; worker == 0 && i < 100; i++) {
		lab_sleep_ms(50);
		if (lab_read("/proc/statsdev", text, sizeof text) < 0 || sscanf(text, "%llx %d %31s", &work, &worker, comm) != 3)
			lab_die("addresses of statsdev");
	}
	for (long i = 0; i < lab_number("WAITERS"); i++) {
		last = lab_role(lab_text("WAITER"), await, 0);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	lab_wait_stack(last, "flush_work");
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	truth_worker(worker, comm);
	truth_address("resource", "struct work_struct", work, "collect_work, which never ends");
	truth_count("behind", lab_number("WAITERS"));
	lab_ready();
	lab_forever();
}
