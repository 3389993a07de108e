/* One process of several that use the driver asks for the slot that was never filled. */
#include "lab.h"
#include <fcntl.h>

static int ready[2];

static void sample(long slot)
{
	char word[8];
	snprintf(word, sizeof word, "%ld", slot);
	int fd = open("/proc/telemetry", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("telemetry");
	close(fd);
}

static void innocent(long slot)
{
	for (;;) {
		sample(slot);
		lab_sleep_ms(50);
	}
}

static void fall(long slot)
{
	char byte;
	for (long i = 0; i < lab_number("CALLS"); i++)
		sample(slot + 1);
	if (read(ready[0], &byte, 1) != 1)
		lab_die("pipe");
	lab_sleep_ms(lab_number("DELAY_MS"));
	sample(slot);
	lab_die("the driver came back");
}

int main(void)
{
	char text[100], option[32];
	unsigned long long function;
	long slot = lab_number("SLOT");
	lab_comm("systemd");
	lab_company();
	snprintf(option, sizeof option, "empty=%ld", slot);
	lab_insmod_with("telemetry", option);
	if (lab_read("/proc/telemetry", text, sizeof text) < 0 || sscanf(text, "%llx", &function) != 1 || pipe(ready) != 0)
		lab_die("address of telemetry_sample");
	truth_decoy("uses the same driver and is fine", lab_role("collectd", innocent, slot == 7 ? 6 : 7));
	pid_t culprit = lab_role(lab_text("CULPRIT"), fall, slot);
	lab_sleep_ms(500);
	truth_task("culprit", culprit);
	truth_address("resource", "void", function, "telemetry_sample of the module telemetry, where it falls");
	truth_text("module", "telemetry");
	lab_ready();
	if (write(ready[1], "x", 1) != 1)
		lab_die("pipe");
	lab_forever();
}
