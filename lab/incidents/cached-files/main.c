/*
 * Files on ext4, tmpfs and the root file system, some with holes, some whose pages were dropped in part, some without a
 * name: how many pages each of them has is told as the kernel says it by mincore(). The name of each count is the file's.
 */
#include "lab.h"
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PAGE 4096

static char block[PAGE];

static int make(const char *path, long pages, long step)
{
	int fd = open(path, O_CREAT | O_RDWR, 0644);
	if (fd < 0)
		lab_die("open %s", path);
	for (long at = 0; at < pages; at += step)
		if (pwrite(fd, block, PAGE, at * PAGE) != PAGE)
			lab_die("write %s", path);
	return fd;
}

static void tell_pages(int fd, const char *name)
{
	static unsigned char present[1 << 18];
	char text[300];
	struct stat status;
	long count = 0;
	if (fstat(fd, &status) != 0)
		lab_die("stat %s", name);
	size_t pages = (status.st_size + PAGE - 1) / PAGE;
	void *at = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED || pages > sizeof present || mincore(at, pages * PAGE, present) != 0)
		lab_die("mincore %s", name);
	for (size_t i = 0; i < pages; i++)
		count += present[i] & 1;
	munmap(at, pages * PAGE);
	snprintf(text, sizeof text, "pages of %s", name);
	truth_count(text, count);
}

static void run(const char *program, const char *argument, const char *more)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		execl(program, argument, "-F", more, NULL);
		_exit(9);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		lab_die("%s %s", argument, more);
}

static void disk(char *path, size_t size)
{
	for (int i = 1; i <= 4; i++) {
		char text[32] = "";
		snprintf(path, size, "/sys/block/nvme0n%d/nsid", i);
		if (access(path, R_OK) != 0)
			continue;
		lab_read(path, text, sizeof text);
		snprintf(path, size, "/dev/nvme0n%d", i);
		if (atol(text) == 1)
			return;
	}
	lab_die("no disk");
}

static void on_ext4(long pages, long drop)
{
	char path[64];
	disk(path, sizeof path);
	run("/bin/busybox", "mke2fs", path);
	mkdir("/data", 0755);
	if (mount(path, "/data", "ext4", 0, "") != 0)
		lab_die("mount");
	mkdir("/data/log", 0755);
	int whole = make("/data/log/syslog", pages, 1);
	int part = make("/data/cut.bin", pages / 2, 1);
	int gone = make("/data/log/old", pages / 3, 1);
	if (fsync(whole) != 0 || fsync(part) != 0 || posix_fadvise(part, 0, drop * PAGE, POSIX_FADV_DONTNEED) != 0)
		lab_die("fsync");
	if (unlink("/data/log/old") != 0)
		lab_die("unlink");
	tell_pages(part, "/data/cut.bin");
	tell_pages(gone, "/data/log/old");
	tell_pages(whole, "/data/log/syslog");
	/* Stays mapped: its pages count as such. */
	char *at = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, whole, 0);
	for (long i = 0; i < pages / 4; i++)
		if (((volatile char *)at)[i * PAGE] != 0)
			lab_die("syslog");
}

static void in_memory(long pages)
{
	tell_pages(make("/run/holes.db", pages, 2), "/run/holes.db");
	tell_pages(make("/own.img", pages / 4, 1), "/own.img");
	int secret = memfd_create("ring", 0);
	if (secret < 0 || ftruncate(secret, pages * PAGE) != 0)
		lab_die("memfd");
	for (long i = 0; i < pages; i += 3)
		if (pwrite(secret, block, 1, i * PAGE) != 1)
			lab_die("memfd");
	tell_pages(secret, "/memfd:ring");
	int id = shmget(0xbeef, pages * PAGE, IPC_CREAT | 0600);
	char *segment = shmat(id, NULL, 0);
	if (segment == (void *)-1)
		lab_die("shmat");
	memset(segment, 1, pages / 5 * PAGE);
	truth_count("pages of /SYSV0000beef", pages / 5);
	char *shared = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(shared, 1, pages / 6 * PAGE);
	truth_count("pages of /dev/zero", pages / 6);
}

int main(void)
{
	lab_comm("systemd");
	lab_company();
	lab_sleep_ms(1000);
	memset(block, 0, sizeof block);
	on_ext4(lab_number("PAGES"), lab_number("DROP"));
	in_memory(lab_number("PAGES"));
	lab_sleep_ms(500);
	lab_ready();
	lab_forever();
}
