/*
 * ext4 with a journal on a linear device-mapper device, which an administrator's tool suspends without freezing the file
 * system, and never resumes. Some wait in fsync for pages under writeback, some for the commit of the journal, which waits
 * for its own blocks; one creates a file, waits for a block that is being committed, and has the directory locked that
 * others want; one writes into the middle of a page that has to be read first, with the file locked; some read.
 */
#include "mkext4.h"
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void dm(unsigned long command, unsigned flags, const char *table)
{
	static struct {
		struct dm_ioctl head;
		struct dm_target_spec target;
		char text[200];
	} request;
	memset(&request, 0, sizeof request);
	request.head.version[0] = DM_VERSION_MAJOR;
	request.head.data_size = sizeof request;
	request.head.data_start = offsetof(typeof(request), target);
	request.head.flags = flags;
	strcpy(request.head.name, lab_text("VOLUME"));
	if (table != NULL) {
		request.head.target_count = 1;
		request.target.length = 4096 * 8;
		strcpy(request.target.target_type, "linear");
		strcpy(request.text, table);
	}
	int fd = open("/dev/mapper/control", O_RDWR);
	if (fd < 0 || ioctl(fd, command, &request) != 0)
		lab_die("device mapper");
	close(fd);
}

static void suspend(long unused)
{
	(void)unused;
	dm(DM_DEV_SUSPEND, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG, NULL);
	_exit(0);
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

/* A file with four pages, none of them in memory. */
static void prepare(const char *name)
{
	static char text[16384];
	int fd = file(name, O_RDWR | O_CREAT);
	memset(text, 'x', sizeof text);
	if (write(fd, text, sizeof text) != sizeof text || fsync(fd) != 0)
		lab_die("write %s", name);
	close(fd);
}

static void forget(const char *name)
{
	int fd = file(name, O_RDWR);
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		lab_die("fadvise");
	close(fd);
}

/* Metadata alone: fsync waits for the journal. */
static void commit(long unused)
{
	(void)unused;
	int fd = file("owner", O_RDWR);
	fchmod(fd, 0644);
	fsync(fd);
	lab_die("fsync came back");
}

/* fsync waits for the page. */
static void sync_page(long number)
{
	char name[32];
	snprintf(name, sizeof name, "wal-%ld", number);
	int fd = file(name, O_RDWR);
	if (pwrite(fd, "record", 6, 0) != 6)
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

static void write_middle(long unused)
{
	(void)unused;
	int fd = file("table", O_RDWR);
	if (pwrite(fd, "row", 3, 100) != 0)
		lab_die("pwrite came back");
}

static void read_page(long unused)
{
	char text[100];
	(void)unused;
	int fd = file("archive", O_RDONLY);
	if (pread(fd, text, sizeof text, 0) != 0)
		lab_die("pread came back");
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
static long blocked(int kernel, const char *comm)
{
	long count = 0;
	char path[64], text[512], link[8];
	for (int pid = 2; pid < 3000; pid++) {
		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		if (lab_read(path, text, sizeof text) < 0)
			continue;
		char *state = strrchr(text, ')');
		if (state == NULL || state[2] != 'D' || strstr(text, "(make)") != NULL)
			continue;
		if (comm != NULL && strstr(text, comm) == NULL)
			continue;
		snprintf(path, sizeof path, "/proc/%d/exe", pid);
		count += (readlink(path, link, sizeof link) < 0) == kernel;
	}
	return count;
}

static pid_t journal(void)
{
	char path[64], text[64];
	for (int pid = 2; pid < 3000; pid++) {
		snprintf(path, sizeof path, "/proc/%d/comm", pid);
		if (lab_read(path, text, sizeof text) > 0 && strncmp(text, "jbd2/dm-0", 9) == 0)
			return pid;
	}
	lab_die("no jbd2");
}

int main(void)
{
	char name[32];
	lab_comm("systemd");
	lab_company();
	mkext4("/dev/ram0", 4096);
	dm(DM_DEV_CREATE, 0, NULL);
	dm(DM_TABLE_LOAD, 0, "1:0 0");
	dm(DM_DEV_SUSPEND, 0, NULL);
	if (mkdir("/srv", 0755) != 0 || mount("/dev/dm-0", "/srv", "ext4", MS_NOATIME, "commit=300") != 0 || mkdir("/srv/spool", 0755) != 0)
		lab_die("mount");
	prepare("table");
	prepare("archive");
	prepare("owner");
	for (long i = 0; i < lab_number("SYNCERS"); i++) {
		snprintf(name, sizeof name, "wal-%ld", i);
		prepare(name);
	}
	sync();
	forget("table");
	forget("archive");
	pid_t tool = lab_role(lab_text("TOOL"), suspend, 0);
	waitpid(tool, NULL, 0);

	/* Before anything is committed, so that these come as far as to their pages. */
	pid_t writer = lab_role(lab_text("WRITER"), write_middle, 0);
	lab_wait_stack(writer, "ext4");
	several(lab_number("WRITERS"), lab_text("WRITER"), write_middle);
	lab_wait_stack(several(lab_number("READERS"), lab_text("READER"), read_page), "filemap");
	lab_wait_stack(several(lab_number("SYNCERS"), lab_text("DATABASE"), sync_page), "ext4_sync_file");
	/* The inode of the next ones is in a block that is being committed. */
	lab_wait_stack(lab_role(lab_text("DATABASE"), commit, 0), "jbd2_log_wait_commit");
	pid_t thread = journal();
	lab_wait_stack(thread, "jbd2_journal_commit_transaction");
	several(lab_number("COMMITTERS") - 1, lab_text("DATABASE"), commit);
	pid_t creator = lab_role(lab_text("WRITER"), create, 1000);
	lab_wait_stack(creator, "jbd2");
	several(lab_number("CREATORS"), lab_text("WRITER"), create);
	lab_sleep_ms(lab_number("WAIT_S") * 1000);

	int fd = open("/srv", O_RDONLY | O_DIRECTORY);
	uint64_t super = probe_read(probe_inode(getpid(), fd) + probe_offset("inode", "i_sb"));
	close(fd);
	uint64_t disk = probe_read(probe_read(super + probe_offset("super_block", "s_bdev")) + probe_offset("block_device", "bd_disk"));
	truth_task("journal", thread);
	truth_task("creator", creator);
	truth_task("writer", writer);
	truth_address("resource", "struct mapped_device", probe_read(disk + probe_offset("gendisk", "private_data")), "the suspended device");
	truth_address("super block", "struct super_block", super, "the file system of /srv");
	long all = lab_number("COMMITTERS") + lab_number("SYNCERS") + 2 + lab_number("WRITERS") + lab_number("CREATORS") + lab_number("READERS");
	if (blocked(0, NULL) != all)
		lab_die("%ld processes are blocked, not %ld", blocked(0, NULL), all);
	truth_count("behind", all + blocked(1, NULL));
	lab_ready();
	lab_forever();
}
