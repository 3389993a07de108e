/*
 * The memory under a harmless process fails: the host has QEMU raise a machine check on its CPU for one of its pages, which
 * the processor could not correct and of which it lost what it was doing. WAY: `local` on one CPU alone, as AMD's do;
 * `broadcast` on all, as Intel's do.
 */
#include "lab.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

/* Physical address of a page of ours. */
static unsigned long long physical(const void *at)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	if (fd < 0 || pread(fd, &entry, sizeof entry, (uintptr_t)at / 4096 * sizeof entry) != sizeof entry || !(entry >> 63))
		lab_die("pagemap");
	close(fd);
	return (entry & ((1ull << 55) - 1)) << 12;
}

static void use(long delay)
{
	cpu_set_t own;
	long cpu = lab_number("CPU");
	CPU_ZERO(&own);
	CPU_SET(cpu, &own);
	if (sched_setaffinity(0, sizeof own, &own) != 0)
		lab_die("affinity");
	volatile unsigned long *memory = lab_memory(1 << 20);
	unsigned long long address = physical((void *)memory) + 0x140;
	/* Valid, not corrected, enabled, MISC (the address is good to 64 bytes) and ADDR hold something, context corrupt; a memory controller's read error. */
	unsigned long long status = 0xbe00000000000090ull | lab_number("CHANNEL");
	char line[300];
	/* The page must stay where it is. */
	if (mlock((void *)memory, 1 << 20) != 0)
		lab_die("mlock");
	truth_task("victim", getpid());
	truth_address("resource", "void", address, "physical address of the memory that fails");
	truth_count("cpu", cpu);
	truth_count("bank", lab_number("BANK"));
	snprintf(line, sizeof line, "0x%016llx", status);
	truth_text("status", line);
	if (write((int)lab_number("READY"), "x", 1) != 1)
		lab_die("pipe");
	char byte;
	if (read((int)lab_number("GO"), &byte, 1) != 1)
		lab_die("pipe");
	lab_sleep_ms(delay);
	int port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY);
	if (port < 0 || dprintf(port, "{\"monitor\":\"mce %s%ld %ld 0x%llx 0x%x 0x%llx 0x86\"}\n",
				strcmp(lab_text("WAY"), "broadcast") == 0 ? "-b " : "", cpu, lab_number("BANK"), status,
				/* MCIP and EIPV: it cannot go on where it was. */
				6, address) < 0)
		lab_die("ttyS1");
	close(port);
	for (unsigned long i = 0;; i++)
		memory[i % ((1 << 20) / sizeof *memory)] += i;
}

int main(void)
{
	int ready[2], go[2];
	char text[16], byte;
	lab_comm("systemd");
	lab_company();
	if (pipe(ready) != 0 || pipe(go) != 0)
		lab_die("pipe");
	snprintf(text, sizeof text, "%d", ready[1]);
	setenv("READY", text, 1);
	snprintf(text, sizeof text, "%d", go[0]);
	setenv("GO", text, 1);
	lab_role(lab_text("VICTIM"), use, lab_number("DELAY_MS"));
	if (read(ready[0], &byte, 1) != 1)
		lab_die("pipe");
	lab_ready();
	if (write(go[1], "x", 1) != 1)
		lab_die("pipe");
	lab_forever();
}
