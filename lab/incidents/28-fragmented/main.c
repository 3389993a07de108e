/*
 * A driver's pool leaves memory in single pages. Then something asks for a large piece, which fails although a good part
 * of memory is free.
 */
#include "lab.h"
#include <fcntl.h>

static int done[2];

static void ask(long order)
{
	char text[16], byte = 0;
	long failures = 0;
	int length = snprintf(text, sizeof text, "%ld", order);
	for (long i = 0; i < lab_number("ASKS"); i++) {
		int fd = open("/proc/pagepool", O_WRONLY);
		if (fd < 0)
			lab_die("open");
		if (write(fd, text, length) != length)
			failures++;
		close(fd);
		lab_sleep_ms(300);
	}
	if (failures == 0)
		lab_die("no allocation failed");
	if (write(done[1], &byte, 1) != 1)
		lab_die("pipe");
}

int main(void)
{
	char byte;
	lab_comm("systemd");
	lab_write("/proc/self/oom_score_adj", "-1000");
	lab_company();
	lab_sleep_ms(500);
	lab_insmod("pagepool");
	if (pipe(done) != 0)
		lab_die("pipe");
	lab_role(lab_text("ASKER"), ask, lab_number("ORDER"));
	if (read(done[0], &byte, 1) != 1)
		lab_die("pipe");
	truth_count("order", lab_number("ORDER"));
	lab_ready();
	lab_forever();
}
