/*
 * A process fills files of a tmpfs and keeps them open; they have names, and nobody was killed. Beside it: another process
 * with a small file of the same tmpfs that was deleted.
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

static void keep(long files)
{
	char name[32];
	int fds[64];
	long blocks = 0;
	for (long i = 0; i < files; i++) {
		snprintf(name, sizeof name, "part.%03ld", i);
		fds[i] = open_in(name);
	}
	if (dup2(fds[0], 50) != 50)
		lab_die("dup2");
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		fill(fds[blocks++ % files]);
	if (write(done[1], &blocks, sizeof blocks) != sizeof blocks)
		lab_die("pipe");
}

static void deleted(long megabytes)
{
	char path[200];
	int fd = open_in("scratch");
	snprintf(path, sizeof path, "%s/scratch", lab_text("FOLDER"));
	unlink(path);
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
	pid_t other = lab_role("memcached", deleted, lab_number("DELETED_MB"));
	lab_sleep_ms(1000);
	if (pipe(done) != 0)
		lab_die("pipe");
	pid_t writer = lab_role(lab_text("WRITER"), keep, lab_number("FILES"));
	if (read(done[0], &blocks, sizeof blocks) != sizeof blocks)
		lab_die("pipe");
	lab_sleep_ms(500);
	truth_decoy("a small deleted file of the same tmpfs", other);
	truth_task("writer", writer);
	truth_count("bytes in files", blocks * 65536);
	truth_count("files", lab_number("FILES"));
	truth_count("kB available", available_kb());
	truth_address("resource", "struct super_block", probe_read(probe_inode(writer, 50) + probe_offset("inode", "i_sb")),
		      "the tmpfs");
	lab_ready();
	lab_forever();
}
