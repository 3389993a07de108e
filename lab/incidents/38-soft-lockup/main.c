/* One process of several that use the driver makes it wait for a bit that the device never sets. */
#include "lab.h"
#include <fcntl.h>

static int ready[2];

static void ask(const char *word)
{
	int fd = open("/proc/ringdev", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("ringdev");
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
	lab_insmod("ringdev");
	if (lab_read("/proc/ringdev", text, sizeof text) < 0 || sscanf(text, "%llx", &resource) != 1 || pipe(ready) != 0)
		lab_die("address of ringdev");
	truth_decoy("uses the same driver and is fine", lab_role("collectd", innocent, 0));
	pid_t culprit = lab_role(lab_text("CULPRIT"), fall, lab_number("DELAY_MS"));
	lab_sleep_ms(500);
	truth_task("culprit", culprit);
	truth_address("resource", "void", resource, "ringdev_wait_idle, which spins");
	truth_text("module", "ringdev");
	lab_ready();
	if (write(ready[1], "x", 1) != 1)
		lab_die("pipe");
	lab_forever();
}
