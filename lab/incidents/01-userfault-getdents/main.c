/*
 * The case this project began with, on today's kernels. The holder lists a directory into a page that is registered with
 * its own userfaultfd, so it faults inside getdents64 with the directory's i_rwsem held for reading, and nobody else can
 * answer. A writer queues behind it, and every lookup of an uncached name behind the writer.
 */
#include "lab.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void hold(long unused)
{
	(void)unused;
	int fault = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register area = { .range = { (uintptr_t)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (fault < 0 || ioctl(fault, UFFDIO_API, &api) != 0 || ioctl(fault, UFFDIO_REGISTER, &area) != 0)
		lab_die("userfaultfd");
	int folder = open(lab_text("FOLDER"), O_RDONLY | O_DIRECTORY);
	/* Descriptor 10 is where the program that tells the truth looks. */
	if (dup2(folder, 10) != 10)
		lab_die("dup2");
	syscall(SYS_getdents64, 10, page, 4096);
	lab_die("getdents64 came back");
}

static void add(long unused)
{
	char path[200];
	(void)unused;
	snprintf(path, sizeof path, "%s/new.log", lab_text("FOLDER"));
	open(path, O_CREAT | O_WRONLY, 0644);
	lab_die("open came back");
}

static void look(long number)
{
	char path[200];
	struct stat stat_buffer;
	lab_memory((size_t)lab_number("READER_KB") << 10);
	snprintf(path, sizeof path, "%s/status.%ld", lab_text("FOLDER"), number);
	stat(path, &stat_buffer);
	lab_die("stat came back");
}

/* timeout, which waits for what it started */
static void limit(long number)
{
	lab_role(lab_text("READER"), look, number);
}

static void launch(long unused)
{
	(void)unused;
	for (long i = 0; i < lab_number("READERS"); i++) {
		lab_role("timeout", limit, i);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
}

int main(void)
{
	char path[200];
	lab_comm("init-helper");
	lab_company();
	mkdir(lab_text("FOLDER"), 0755);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof path, "%s/item.%d", lab_text("FOLDER"), i);
		lab_write(path, "x");
	}
	pid_t holder = lab_role(lab_text("HOLDER"), hold, 0);
	lab_wait_stack(holder, "handle_userfault");
	uint64_t lock = probe_inode(holder, 10) + probe_offset("inode", "i_rwsem");
	lab_sleep_ms(500);
	pid_t writer = lab_role(lab_text("WRITER"), add, 0);
	lab_wait_waiters("rw_semaphore", lock, 1);
	lab_sleep_ms(300);
	pid_t launcher = lab_role(lab_text("LAUNCHER"), launch, 0);
	lab_wait_waiters("rw_semaphore", lock, 1 + lab_number("READERS"));
	truth_task("culprit", holder);
	truth_task("writer", writer);
	truth_task("launcher", launcher);
	truth_count("waiters", probe_waiters("rw_semaphore", lock));
	truth_text("folder", lab_text("FOLDER"));
	truth_address("resource", "struct rw_semaphore", lock, "i_rwsem of the directory");
	truth_address("culprit", "struct task_struct", probe_task(holder), "the holder");
	lab_ready();
	lab_forever();
}
