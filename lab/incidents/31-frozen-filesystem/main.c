/*
 * A backup agent freezes the file system of /srv, and never thaws it: it writes its own log there, or just sleeps. Whoever
 * writes to it waits. A database writes to a mapped page, and waits in the page fault; a thread that unmaps the page waits
 * for that, and ps for the mmap_lock of the process.
 */
#include "../30-suspended-device/mkext4.h"
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static void agent(long ready)
{
	int fd = open("/srv", O_RDONLY | O_DIRECTORY);
	int log = open("/srv/agent.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || log < 0 || ioctl(fd, FIFREEZE, 0) != 0)
		lab_die("FIFREEZE");
	if (write(ready, "x", 1) != 1)
		lab_die("ready");
	if (lab_number("AGENT_LOGS") == 0)
		lab_forever();
	if (write(log, "frozen\n", 7) != 0)
		lab_die("the frozen file system was written to");
}

static void writer(long number)
{
	char path[64];
	snprintf(path, sizeof path, "/srv/access-%ld.log", number);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || write(fd, "a line\n", 7) != 0)
		lab_die("%s was written to", path);
}

static char *mapped;

static void *unmap(void *unused)
{
	prctl(PR_SET_NAME, "checkpointer");
	lab_sleep_ms(600);
	munmap(mapped, 4096);
	lab_die("munmap came back");
	return unused;
}

static void database(long go)
{
	pthread_t thread;
	char word;
	int fd = open("/srv/table", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 65536) != 0 || fsync(fd) != 0)
		lab_die("/srv/table");
	mapped = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED || mapped[0] != 0 || read(go, &word, 1) != 1)
		lab_die("map");
	if (pthread_create(&thread, NULL, unmap, NULL) != 0)
		lab_die("thread");
	mapped[0] = 1;
	lab_die("the frozen file system was written to");
}

static pid_t holder;

static void look(long unused)
{
	char path[64], text[256];
	(void)unused;
	snprintf(path, sizeof path, "/proc/%d/cmdline", holder);
	lab_read(path, text, sizeof text);
	lab_die("%s came back", path);
}

int main(void)
{
	int ready[2], go[2];
	char word;
	lab_comm("systemd");
	lab_company();
	mkext4("/dev/ram0", 4096);
	if (mkdir("/srv", 0755) != 0 || mount("/dev/ram0", "/srv", "ext4", 0, "") != 0)
		lab_die("mount");
	if (pipe(ready) != 0 || pipe(go) != 0)
		lab_die("pipe");
	holder = lab_role(lab_text("DATABASE"), database, go[0]);
	lab_skip_mm(holder);
	lab_wait_stack(holder, "pipe_read");
	pid_t freezer = lab_role(lab_text("AGENT"), agent, ready[1]);
	if (read(ready[0], &word, 1) != 1 || write(go[1], "x", 1) != 1)
		lab_die("pipe");
	pid_t last = holder;
	for (long i = 0; i < lab_number("WRITERS") + lab_number("CREATORS"); i++) {
		/* Those of the second half have files of their own, that they must create. */
		last = lab_role(lab_text("WRITER"), writer, i < lab_number("WRITERS") ? 0 : i);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	lab_wait_stack(holder, "page_mkwrite");
	lab_wait_stack(last, "sys_");
	uint64_t mm = probe_mm(holder), lock = mm + probe_offset("mm_struct", "mmap_lock");
	lab_sleep_ms(1000);
	long before = probe_waiters("rw_semaphore", lock);
	for (long i = 0; i < lab_number("LOOKERS"); i++)
		lab_role("ps", look, 0);
	lab_wait_waiters("rw_semaphore", lock, before + lab_number("LOOKERS"));
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	truth_task("agent", freezer);
	truth_task("database", holder);
	int fd = open("/srv", O_RDONLY | O_DIRECTORY);
	uint64_t super = probe_read(probe_inode(getpid(), fd) + probe_offset("inode", "i_sb"));
	close(fd);
	truth_address("resource", "struct super_block", super, "the file system of /srv");
	truth_address("mmap_lock", "struct rw_semaphore", lock, "mmap_lock of the database");
	truth_count("behind", lab_number("WRITERS") + lab_number("CREATORS") + lab_number("LOOKERS") + 2 + lab_number("AGENT_LOGS"));
	lab_ready();
	lab_forever();
}
