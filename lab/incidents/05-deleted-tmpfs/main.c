/*
 * One process opens files of a tmpfs, fills them and deletes them, and keeps them open: no `du` shows them. Beside it:
 * another process with a file that still has its name.
 */
#include "lab.h"
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void fill(int fd)
{
	static char block[65536];
	memset(block, 'l', sizeof block);
	if (write(fd, block, sizeof block) != sizeof block)
		lab_die("write");
}

static int open_in(const char *name)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", lab_text("FOLDER"), name);
	int fd = open(path, O_CREAT | O_RDWR, 0644);
	if (fd < 0)
		lab_die("open %s", path);
	return fd;
}

static int done[2];

static void keep(long unused)
{
	char path[200], name[32];
	long files = lab_number("FILES"), blocks = 0;
	int fds[64];
	(void)unused;
	for (long i = 0; i < files; i++) {
		snprintf(name, sizeof name, "segment.%ld", i);
		fds[i] = open_in(name);
		if (i == 0 && dup2(fds[0], 50) != 50)
			lab_die("dup2");
		snprintf(path, sizeof path, "%s/%s", lab_text("FOLDER"), name);
		unlink(path);
	}
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		fill(fds[blocks++ % files]);
	if (write(done[1], &blocks, sizeof blocks) != sizeof blocks)
		lab_die("pipe");
}

static void named(long megabytes)
{
	int fd = open_in("index.db");
	for (long i = 0; i < megabytes * 16; i++)
		fill(fd);
}

int main(void)
{
	long blocks;
	lab_comm("systemd");
	lab_company();
	mkdir("/dev/shm", 01777);
	if (mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=95%") != 0)
		lab_die("mount");
	mkdir(lab_text("FOLDER"), 0755);
	pid_t other = lab_role("memcached", named, lab_number("KEPT_MB"));
	lab_sleep_ms(1000);
	if (pipe(done) != 0)
		lab_die("pipe");
	pid_t keeper = lab_role(lab_text("KEEPER"), keep, 0);
	if (read(done[0], &blocks, sizeof blocks) != sizeof blocks)
		lab_die("pipe");
	lab_sleep_ms(1000);
	truth_decoy("a file of the same tmpfs that still has its name", other);
	truth_task("culprit", keeper);
	truth_count("bytes in deleted files", blocks * 65536);
	truth_count("deleted files", lab_number("FILES"));
	truth_count("kB available", available_kb());
	/* The inode of one deleted file: its super block is the tmpfs that holds the memory. */
	truth_address("resource", "struct super_block", probe_read(probe_inode(keeper, 50) + probe_offset("inode", "i_sb")),
		      "the tmpfs");
	truth_address("first deleted", "struct inode", probe_inode(keeper, 50), "one of the deleted files");
	lab_ready();
	lab_forever();
}
