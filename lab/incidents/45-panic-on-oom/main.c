/* One process grows until no memory is left, and vm.panic_on_oom is set. The oracle is recorded when it holds most of what
 * there is. */
#include "lab.h"

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

int main(void)
{
	char byte;
	lab_comm("systemd");
	lab_company();
	if (pipe(go) != 0 || pipe(ready) != 0)
		lab_die("pipe");
	pid_t culprit = lab_role(lab_text("CULPRIT"), grow, 0);
	if (read(ready[0], &byte, 1) != 1)
		lab_die("pipe");
	truth_task("culprit", culprit);
	lab_ready();
	lab_write("/proc/sys/vm/panic_on_oom", "1");
	if (write(go[1], "x", 1) != 1)
		lab_die("pipe");
	lab_forever();
}
