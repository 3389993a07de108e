/*
 * A process that has ended filled a tmpfs with files that have names. What is left is too little for the others: each that
 * grows makes the OOM killer end one of them, which gives back little, and the files stay.
 */
#include "lab.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void fill(long unused)
{
	static char block[65536];
	char path[200];
	int fds[64];
	long files = lab_number("FILES"), blocks = 0;
	(void)unused;
	memset(block, 'l', sizeof block);
	for (long i = 0; i < files; i++) {
		snprintf(path, sizeof path, "%s/part.%03ld", lab_text("FOLDER"), i);
		fds[i] = open(path, O_CREAT | O_RDWR, 0644);
		if (fds[i] < 0)
			lab_die("open %s", path);
	}
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		if (write(fds[blocks++ % files], block, sizeof block) != sizeof block)
			lab_die("write");
	_exit(0);
}

static void grow(long unused)
{
	(void)unused;
	lab_write("/proc/self/oom_score_adj", "300");
	for (;;) {
		lab_memory(256 << 10);
		lab_sleep_ms(5);
	}
}

static long kills(void)
{
	char text[16384];
	lab_read("/proc/vmstat", text, sizeof text);
	char *at = strstr(text, "oom_kill ");
	return at == NULL ? 0 : strtol(at + 9, NULL, 10);
}

int main(void)
{
	int status, fd;
	char path[200];
	lab_comm("systemd");
	lab_write("/proc/self/oom_score_adj", "-1000");
	lab_company();
	mkdir("/dev/shm", 01777);
	if (mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=95%") != 0)
		lab_die("mount");
	mkdir(lab_text("FOLDER"), 0755);
	pid_t writer = lab_role(lab_text("WRITER"), fill, 0);
	waitpid(writer, &status, 0);
	for (long i = 0; i < lab_number("VICTIMS"); i++) {
		pid_t pid = lab_role("worker", grow, i);
		waitpid(pid, &status, 0);
	}
	if (kills() < 2)
		lab_die("only %ld were killed", kills());
	snprintf(path, sizeof path, "%s/part.000", lab_text("FOLDER"));
	fd = open(path, O_RDONLY);
	truth_count("killed by the OOM killer", kills());
	truth_count("kB available", available_kb());
	truth_text("folder", lab_text("FOLDER"));
	truth_address("resource", "struct super_block", probe_read(probe_inode(getpid(), fd) + probe_offset("inode", "i_sb")),
		      "the tmpfs");
	lab_role("worker", grow, 0);
	lab_sleep_ms(300);
	lab_ready();
	lab_forever();
}
