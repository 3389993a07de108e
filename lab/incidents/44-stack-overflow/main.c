/* One process of several that use the driver hands it a tree that is too deep. */
#include "lab.h"
#include <fcntl.h>

static int ready[2];

static void ask(const char *word)
{
	int fd = open("/proc/treedev", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("treedev");
	close(fd);
}

static void innocent(long unused)
{
	(void)unused;
	for (;;) {
		ask("use");
		lab_sleep_ms(70);
	}
}

static void fall(long delay)
{
	char byte;
	ask("use");
	if (read(ready[0], &byte, 1) != 1)
		lab_die("pipe");
	lab_sleep_ms(delay);
	ask("fall");
	lab_die("the driver came back");
}

int main(void)
{
	char text[100];
	unsigned long long resource;
	lab_comm("systemd");
	lab_company();
	lab_insmod("treedev");
	if (lab_read("/proc/treedev", text, sizeof text) < 0 || sscanf(text, "%llx", &resource) != 1 || pipe(ready) != 0)
		lab_die("address of treedev");
	truth_decoy("uses the same driver and is fine", lab_role("collectd", innocent, 0));
	pid_t culprit = lab_role(lab_text("CULPRIT"), fall, lab_number("DELAY_MS"));
	lab_sleep_ms(500);
	truth_task("culprit", culprit);
	truth_address("resource", "void", resource, "treedev_descend, which calls itself");
	truth_text("module", "treedev");
	lab_ready();
	if (write(ready[1], "x", 1) != 1)
		lab_die("pipe");
	lab_forever();
}
