/*
 * One process grows until no memory is left. Everything in the machine has oom_score_adj -1000, so the OOM killer finds
 * nobody and panics. The oracle is recorded when the big one holds most of what there is.
 */
#include "lab.h"
#include <dirent.h>
#include <sys/mman.h>

static int go[2], ready[2];

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

static void grow(long unused)
{
	char byte = 0;
	size_t step = (size_t)lab_number("STEP_KB") << 10;
	(void)unused;
	while (available_kb() > 40 << 10)
		lab_memory(step);
	if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
		lab_die("pipe");
	for (;;)
		lab_memory(step);
}

static void small(long unused)
{
	(void)unused;
	lab_memory(1 << 20);
}

int main(void)
{
	char byte, path[300];
	lab_comm("systemd");
	lab_write("/proc/self/oom_score_adj", "-1000");
	lab_company();
	for (long i = 0; i < lab_number("SMALL"); i++)
		lab_role("php-fpm", small, 0);
	if (pipe(go) != 0 || pipe(ready) != 0)
		lab_die("pipe");
	pid_t biggest = lab_role(lab_text("BIGGEST"), grow, 0);
	if (read(ready[0], &byte, 1) != 1)
		lab_die("pipe");
	DIR *proc = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%s/oom_score_adj", entry->d_name);
		FILE *file = fopen(path, "w");
		if (file != NULL) {
			fputs("-1000", file);
			fclose(file);
		}
	}
	closedir(proc);
	truth_task("culprit", biggest);
	lab_ready();
	if (write(go[1], "x", 1) != 1)
		lab_die("pipe");
	lab_forever();
}
