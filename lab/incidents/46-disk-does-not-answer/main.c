/*
 * ext4 with a journal on a disk that stops to complete requests, of a driver that does not give up: nbd, whose server falls
 * silent, or scsi_debug with a delay of hours, whose commands the error handler ends and gives to it again. Some read pages,
 * some read past the page cache, some wait in fsync; one reads a directory with its lock held, which others want. Where it is
 * MAPPED, the file system lies on a volume of device mapper over the disk.
 */
#define _GNU_SOURCE
#include "../30-suspended-device/mkext4.h"
#include "dm.h"
#include "nbd.h"
#include <sys/mount.h>
#include <sys/stat.h>

static char disk_name[16];
/* struct gendisk */
static uint64_t disk;

static int scsi(void)
{
	return strcmp(lab_text("DRIVER"), "scsi_debug") == 0;
}

static int file(const char *name, int flags)
{
	char path[64];
	snprintf(path, sizeof path, "/srv/%s", name);
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		lab_die("%s", path);
	return fd;
}

static void numbered(char name[32], const char *what, long number)
{
	snprintf(name, 32, "%s-%ld", what, number);
}

static void prepare(const char *what, long count)
{
	static char text[16384];
	char name[32];
	memset(text, 'x', sizeof text);
	for (long i = 0; i < count; i++) {
		numbered(name, what, i);
		int fd = file(name, O_RDWR | O_CREAT);
		if (write(fd, text, sizeof text) != sizeof text || fsync(fd) != 0)
			lab_die("write %s", name);
		close(fd);
	}
}

/* Its inode and the way to it are in memory, its pages are not. */
static void look(const char *what, long count)
{
	char name[32];
	for (long i = 0; i < count; i++) {
		numbered(name, what, i);
		close(file(name, O_RDWR));
	}
}

static void read_page(long number)
{
	char name[32], text[100];
	numbered(name, "archive", number);
	if (pread(file(name, O_RDONLY), text, sizeof text, 0) != 0)
		lab_die("pread came back");
}

static void read_direct(long number)
{
	static char text[4096] __attribute__((aligned(4096)));
	char name[32];
	numbered(name, "table", number);
	if (pread(file(name, O_RDONLY | O_DIRECT), text, sizeof text, 0) != 0)
		lab_die("pread came back");
}

/* fsync waits for the page. */
static void sync_page(long number)
{
	static char text[4096];
	char name[32];
	numbered(name, "wal", number);
	int fd = file(name, O_RDWR);
	if (pwrite(fd, text, sizeof text, 0) != sizeof text)
		lab_die("pwrite");
	fsync(fd);
	lab_die("fsync came back");
}

static void create(long number)
{
	char name[32];
	snprintf(name, sizeof name, "spool/%ld", number);
	file(name, O_RDWR | O_CREAT);
	lab_die("create came back");
}

static pid_t several(long count, const char *comm, void (*play)(long))
{
	pid_t last = 0;
	for (long i = 0; i < count; i++) {
		last = lab_role(comm, play, i);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	return last;
}

/* Tasks in uninterruptible sleep that are no company; kernel threads have no /proc/PID/exe. */
static long blocked(int kernel, const char *function)
{
	long count = 0;
	char path[64], text[4096], link[8];
	for (int pid = 2; pid < 3000; pid++) {
		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		if (lab_read(path, text, sizeof text) < 0)
			continue;
		char *state = strrchr(text, ')');
		if (state == NULL || state[2] != 'D' || strstr(text, "(make)") != NULL)
			continue;
		snprintf(path, sizeof path, "/proc/%d/stack", pid);
		if (function != NULL && (lab_read(path, text, sizeof text) < 0 || strstr(text, function) == NULL))
			continue;
		snprintf(path, sizeof path, "/proc/%d/exe", pid);
		count += kernel < 0 || (readlink(path, link, sizeof link) < 0) == kernel;
	}
	return count;
}

static void fall_silent(void)
{
	if (!scsi()) {
		*nbd_silent = 1;
		return;
	}
	/* Refused while a command is under way. */
	for (int i = 0; i < 200; i++) {
		int fd = open("/sys/bus/pseudo/drivers/scsi_debug/delay", O_WRONLY);
		ssize_t done = write(fd, "2500000", 7);
		close(fd);
		if (done == 7)
			return;
		lab_sleep_ms(50);
	}
	lab_die("delay of scsi_debug");
}

static uint64_t super_block(void)
{
	int fd = open("/srv", O_RDONLY | O_DIRECTORY);
	uint64_t super = probe_read(probe_inode(getpid(), fd) + probe_offset("inode", "i_sb"));
	close(fd);
	return super;
}

static void set_up(void)
{
	char path[64], text[16];
	if (!scsi()) {
		strcpy(disk_name, "nbd0");
		truth_task("server", nbd_start(lab_text("SERVER")));
	} else {
		strcpy(disk_name, "sda");
		for (int i = 0; i < 500 && access("/dev/sda", F_OK) != 0; i++)
			lab_sleep_ms(20);
	}
	snprintf(path, sizeof path, "/dev/%s", disk_name);
	mkext4(path, 2048);
	if (mkdir("/srv", 0755) != 0 || mount(path, "/srv", "ext4", MS_NOATIME, "commit=300") != 0)
		lab_die("mount");
	disk = probe_read(probe_read(super_block() + probe_offset("super_block", "s_bdev")) + probe_offset("block_device", "bd_disk"));
	if (mkdir("/srv/spool", 0755) != 0)
		lab_die("mkdir");
	prepare("archive", lab_number("READERS"));
	prepare("table", lab_number("DIRECTS"));
	prepare("wal", lab_number("SYNCERS"));
	sync();
	if (umount("/srv") != 0)
		lab_die("umount");
	if (lab_number("MAPPED")) {
		dm_linear("vg0-srv", path, 2048 * 8);
		strcpy(path, "/dev/dm-0");
	}
	if (mount(path, "/srv", "ext4", MS_NOATIME, "commit=300") != 0)
		lab_die("mount again");
	look("archive", lab_number("READERS"));
	look("table", lab_number("DIRECTS"));
	look("wal", lab_number("SYNCERS"));
	struct stat status;
	if (stat("/srv/spool", &status) != 0)
		lab_die("stat");
	if (lab_number("TAGS") > 0) {
		snprintf(path, sizeof path, "/sys/block/%s/queue/nr_requests", disk_name);
		snprintf(text, sizeof text, "%ld", lab_number("TAGS"));
		lab_write(path, text);
	}
	lab_sleep_ms(500);
}

static void tell(long all)
{
	char path[64], text[64] = "";
	snprintf(path, sizeof path, "/sys/block/%s/inflight", disk_name);
	lab_read(path, text, sizeof text);
	long reads = 0, writes = 0;
	if (sscanf(text, "%ld %ld", &reads, &writes) != 2)
		lab_die("inflight");
	truth_count("reads in flight", reads);
	truth_count("writes in flight", writes);
	truth_count("wait for a tag", blocked(-1, "blk_mq_get_tag"));
	truth_text("disk", disk_name);
	truth_address("resource", "struct gendisk", disk, "the disk that does not answer");
	truth_address("queue", "struct request_queue", probe_read(disk + probe_offset("gendisk", "queue")), "its queue");
	truth_address("super block", "struct super_block", super_block(), "the file system of /srv");
	truth_count("behind", all + blocked(1, NULL));
}

int main(void)
{
	lab_comm("systemd");
	lab_company();
	set_up();
	fall_silent();

	pid_t reader = several(lab_number("READERS"), lab_text("READER"), read_page);
	lab_wait_stack(reader, "vfs_read");
	several(lab_number("DIRECTS"), lab_text("DIRECT"), read_direct);
	pid_t creator = lab_role(lab_text("WRITER"), create, 1000);
	lab_wait_stack(creator, "ext4");
	truth_task("creator", creator);
	several(lab_number("CREATORS"), lab_text("WRITER"), create);
	several(lab_number("SYNCERS"), lab_text("SYNCER"), sync_page);
	lab_sleep_ms(lab_number("WAIT_S") * 1000);

	long all = lab_number("READERS") + lab_number("DIRECTS") + 1 + lab_number("CREATORS") + lab_number("SYNCERS");
	if (blocked(0, NULL) != all)
		lab_die("%ld processes are blocked, not %ld", blocked(0, NULL), all);
	tell(all);
	lab_ready();
	lab_forever();
}
