/*
 * Looks up names that do not exist, which the kernel remembers: their dentries can be taken back, but nothing asks for it
 * while there is memory.
 */
#include "lab.h"
#include <sys/stat.h>

static int done[2];

static long slab_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "SReclaimable:") + 13, NULL, 10);
}

static void ask(long megabytes)
{
	char path[100], byte = 0;
	struct stat buffer;
	for (long i = 0; i % 4096 != 0 || slab_kb() < megabytes << 10; i++) {
		snprintf(path, sizeof path, "/sys/kernel/.pki-%ld", i);
		stat(path, &buffer);
	}
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

int main(void)
{
	char text[200], byte;
	lab_comm("systemd");
	lab_company();
	if (pipe(done) != 0)
		lab_die("pipe");
	pid_t asker = lab_role(lab_text("ASKER"), ask, lab_number("MEGABYTES"));
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	lab_read("/proc/sys/fs/dentry-state", text, sizeof text);
	char *end = text;
	long state[6];
	for (int i = 0; i < 6; i++)
		state[i] = strtol(end, &end, 10);
	truth_count("dentries", state[0]);
	truth_count("unused dentries", state[1]);
	truth_count("negative dentries", state[4]);
	truth_task("asker", asker);
	truth_text("directory", "/sys/kernel");
	lab_ready();
	lab_forever();
}
