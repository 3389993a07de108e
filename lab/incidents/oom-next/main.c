/*
 * Three processes of different sizes and oom_score_adj hold most of memory. The guest is dumped while it runs; then a process
 * that cannot be chosen asks for the rest, and the guest tells which of the others the OOM killer ended.
 */
#include "lab.h"
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

static int done[2];
static char adj[16];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void say_done(void)
{
	char byte = 0;
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

static void hold(long megabytes)
{
	lab_write("/proc/self/oom_score_adj", adj);
	lab_memory((size_t)megabytes << 20);
	say_done();
}

static void fill(long unused)
{
	(void)unused;
	lab_write("/proc/self/oom_score_adj", adj);
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_memory(256 << 10);
	say_done();
}

static void last(long unused)
{
	(void)unused;
	lab_write("/proc/self/oom_score_adj", "-1000");
	for (;;)
		lab_memory(64 << 10);
}

static pid_t start(const char *comm, void (*play)(long), long argument, const char *parameter)
{
	char byte;
	snprintf(adj, sizeof adj, "%ld", lab_number(parameter));
	pid_t pid = lab_role(comm, play, argument);
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	return pid;
}

static void wait_for_dump(long unused)
{
	(void)unused;
	lab_ready();
}

/* The recorder has the dump taken and then pauses for ever; the dump stops the guest for its time. */
static void until_dumped(void)
{
	char path[300], text[4096];
	pid_t recorder = 0;
	DIR *proc = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && lab_read(path, text, sizeof text) > 0 &&
		    strcmp(text, "bash\n") == 0)
			recorder = atoi(entry->d_name);
	}
	closedir(proc);
	snprintf(path, sizeof path, "/proc/%d/stack", recorder);
	do {
		lab_sleep_ms(500);
		if (lab_read(path, text, sizeof text) < 0)
			lab_die("no recorder");
	} while (strstr(text, "sys_pause") == NULL);
	lab_sleep_ms(5000);
}

int main(void)
{
	char text[32];
	int status;
	lab_comm("systemd");
	lab_company();
	if (pipe(done) != 0)
		lab_die("pipe");
	start("mysqld", hold, lab_number("FIRST_MB"), "FIRST_ADJ");
	start("redis-server", hold, lab_number("SECOND_MB"), "SECOND_ADJ");
	start("java", fill, 0, "THIRD_ADJ");
	lab_sleep_ms(500);
	/* A live dump lets nobody go on: another process waits in its place. */
	lab_role("agetty", wait_for_dump, 0);
	until_dumped();
	/* Who ended before is none of the dump's business. */
	while (waitpid(-1, &status, WNOHANG) > 0)
		;
	pid_t asker = lab_role("cc1plus", last, 0);
	for (;;) {
		pid_t ended = wait(&status);
		if (ended < 0)
			lab_die("wait");
		if (ended == asker || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			continue;
		snprintf(text, sizeof text, "%d", ended);
		truth_text("killed pid", text);
		truth_text("afterwards", "the OOM killer ended a process");
		lab_forever();
	}
}
