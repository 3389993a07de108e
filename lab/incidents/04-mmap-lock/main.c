/*
 * One process maps the frame grabber and never comes back; ps and top, started over and over, read its files in /proc
 * and queue on its mmap_lock. Threads of the holder that fault queue there too.
 */
#include "lab.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static char *untouched;

static void *fault(void *number)
{
	prctl(PR_SET_NAME, "pool");
	lab_sleep_ms(1500);
	/* Changing the address space needs the lock on every kernel, a page fault only on older ones. */
	mmap(NULL, 4096 << (long)number, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return NULL;
}

static void hold(long unused)
{
	(void)unused;
	untouched = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (long i = 0; i < lab_number("FAULTERS"); i++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, fault, (void *)i) != 0)
			lab_die("thread");
	}
	int fd = open("/dev/framegrab", O_RDWR);
	if (fd < 0)
		lab_die("framegrab");
	lab_sleep_ms(300);
	mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
	lab_die("mmap came back");
}

static pid_t holder;

static void look(long number)
{
	static const char *const files[] = { "cmdline", "maps", "environ" };
	char path[64], text[256];
	snprintf(path, sizeof path, "/proc/%d/%s", holder, files[number % 3]);
	lab_read(path, text, sizeof text);
	lab_die("%s came back", path);
}

static void launch(long unused)
{
	(void)unused;
	for (long i = 0; i < lab_number("READERS"); i++) {
		lab_role(i % 4 == 0 ? "top" : "ps", look, i);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
}

int main(void)
{
	lab_comm("systemd");
	lab_company();
	lab_insmod("framegrab");
	holder = lab_role(lab_text("HOLDER"), hold, 0);
	lab_skip_mm(holder);
	lab_wait_stack(holder, "framegrab_mmap");
	uint64_t mm = probe_mm(holder), lock = mm + probe_offset("mm_struct", "mmap_lock");
	lab_wait_waiters("rw_semaphore", lock, lab_number("FAULTERS"));
	pid_t launcher = lab_role("zabbix_agentd", launch, 0);
	lab_wait_waiters("rw_semaphore", lock, lab_number("FAULTERS") + lab_number("READERS"));
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	truth_task("culprit", holder);
	truth_task("launcher", launcher);
	truth_address("resource", "struct rw_semaphore", lock, "mmap_lock of the holder");
	truth_count("waiters", probe_waiters("rw_semaphore", lock));
	lab_ready();
	lab_forever();
}
