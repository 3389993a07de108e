/*
 * The first incident as machines have it: the queue grows for long, ever faster, and nearly all of it comes from one cgroup.
 * The holder lists a directory into a page that only its own userfaultfd could fill. A cron job starts readers that wait for
 * the directory's lock; some of an admin's do as well. Each tells when it was about to wait.
 */
#include "lab.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define MOST 128

/* Milliseconds of CLOCK_BOOTTIME. */
static long *came;

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *root(void)
{
	return strcmp(lab_text("HIERARCHY"), "unified") == 0 ? "/sys/fs/cgroup" : "/run/systemd-cgroup";
}

/* Makes a group of two levels and goes there; whoever is started goes along. */
static void join(const char *slice, const char *unit)
{
	char path[200], text[32];
	snprintf(path, sizeof path, "%s/%s", root(), slice);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/%s/%s", root(), slice, unit);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/%s/%s/cgroup.procs", root(), slice, unit);
	snprintf(text, sizeof text, "%d", getpid());
	lab_write(path, text);
}

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

/* The first of all: readers pass a lock that is held for reading as long as no writer waits. */
static void add(long unused)
{
	char path[200];
	(void)unused;
	join("system.slice", lab_text("SERVICE"));
	snprintf(path, sizeof path, "%s/new.log", lab_text("FOLDER"));
	came[0] = now_ms();
	open(path, O_CREAT | O_WRONLY, 0644);
	lab_die("open came back");
}

static void look(long number)
{
	char path[200];
	struct stat stat_buffer;
	snprintf(path, sizeof path, "%s/status.%ld", lab_text("FOLDER"), number);
	came[number] = now_ms();
	stat(path, &stat_buffer);
	lab_die("stat came back");
}

/* timeout, which waits for what it started */
static void limit(long number)
{
	lab_role(lab_text("READER"), look, number);
}

/* Each pause is shorter than the one before; together they are GROWTH_S. */
static void launch(long unused)
{
	(void)unused;
	join("system.slice", lab_text("SERVICE"));
	long readers = lab_number("READERS"), total = readers * (readers + 1) / 2;
	for (long i = 0; i < readers; i++) {
		lab_role("timeout", limit, 1 + i);
		lab_sleep_ms(lab_number("GROWTH_S") * 1000 * (readers - i) / total);
	}
}

static void admin(long unused)
{
	(void)unused;
	join("user.slice", "user-1000.slice");
	for (long i = 0; i < lab_number("LOOKERS"); i++) {
		lab_role("ls", look, 1 + lab_number("READERS") + i);
		lab_sleep_ms(lab_number("GROWTH_S") * 1000 / (lab_number("LOOKERS") + 1));
	}
}

int main(void)
{
	char path[200], text[MOST * 8] = "", group[200];
	long readers = lab_number("READERS"), all = 1 + readers + lab_number("LOOKERS");
	lab_comm("systemd");
	lab_company();
	if (all > MOST)
		lab_die("too many readers");
	came = mmap(NULL, MOST * sizeof *came, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (strcmp(lab_text("HIERARCHY"), "unified") != 0) {
		mkdir(root(), 0755);
		snprintf(text, sizeof text, "none,name=%s", lab_text("HIERARCHY"));
		if (mount("cgroup", root(), "cgroup", 0, text) != 0)
			lab_die("mount of a named hierarchy");
		text[0] = 0;
	}
	mkdir(lab_text("FOLDER"), 0755);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof path, "%s/item.%d", lab_text("FOLDER"), i);
		lab_write(path, "x");
	}
	pid_t holder = lab_role(lab_text("HOLDER"), hold, 0);
	lab_wait_stack(holder, "handle_userfault");
	uint64_t lock = probe_inode(holder, 10) + probe_offset("inode", "i_rwsem");
	lab_role("tee", add, 0);
	lab_wait_waiters("rw_semaphore", lock, 1);
	pid_t launcher = lab_role("cron", launch, 0);
	lab_role("bash", admin, 0);
	lab_wait_waiters("rw_semaphore", lock, all);
	truth_task("culprit", holder);
	truth_task("launcher", launcher);
	truth_count("waiters", probe_waiters("rw_semaphore", lock));
	truth_count("in cgroup", 1 + readers);
	snprintf(group, sizeof group, "/system.slice/%s", lab_text("SERVICE"));
	truth_text("cgroup", group);
	for (long i = 0; i < all; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%ld", i == 0 ? "" : " ", came[i]);
	truth_text("came", text);
	truth_address("resource", "struct rw_semaphore", lock, "i_rwsem of the directory");
	truth_address("culprit", "struct task_struct", probe_task(holder), "the holder");
	lab_ready();
	lab_forever();
}
