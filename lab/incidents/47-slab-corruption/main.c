/*
 * One process of several that use the driver has it damage an object of its slab cache; another one is there when that is
 * found, or when the kernel falls over it. HOW decides: `overflow` writes beyond the object, `stale` into it after it was
 * freed, `twice` frees it twice, `neighbour` writes as far as into the next object, `chain` over the allocator's own pointer
 * in a free object.
 */
#include "lab.h"
#include <fcntl.h>
#include <sched.h>

static int to_writer[2], to_victim[2];
static unsigned long long one, neighbour, cache;

static void send(const char *words, size_t length)
{
	int fd = open("/proc/packetdev", O_WRONLY);
	if (fd < 0 || write(fd, words, length) < 0)
		lab_die("packetdev");
	close(fd);
}

static int is(const char *what)
{
	return strcmp(lab_text("WAY"), what) == 0;
}

/* A text that long, of one letter. */
static void text(size_t length)
{
	static char words[4000];
	memset(words, lab_text("LETTER")[0], sizeof words);
	words[0] = 'T';
	send(words, 1 + length);
}

static void await(int fd)
{
	char byte;
	if (read(fd, &byte, 1) != 1)
		lab_die("pipe");
}

static void innocent(long unused)
{
	(void)unused;
	for (;;) {
		send("use", 3);
		lab_sleep_ms(70);
	}
}

/* Does the damage, which nothing notices yet. */
static void write_there(long delay)
{
	await(to_writer[0]);
	lab_sleep_ms(delay);
	if (!is("overflow") && !is("neighbour"))
		send("F", 1);
	if (is("overflow"))
		text(48 + 8);
	else if (is("neighbour"))
		text(48 + (neighbour - one - 64) + 16);
	else if (!is("twice"))
		text(40);
	lab_sleep_ms(200);
	if (write(to_victim[1], "x", 1) != 1)
		lab_die("pipe");
	lab_forever();
}

static void be_there(long unused)
{
	(void)unused;
	await(to_victim[0]);
	if (is("neighbour"))
		send("U", 1);
	else if (is("overflow") || is("twice"))
		send("F", 1);
	else
		for (int i = 0; i < 40; i++)
			send("A", 1);
	lab_die("nothing came of it");
}

int main(void)
{
	char line[200];
	cpu_set_t first;
	lab_comm("systemd");
	lab_company();
	/* What is freed on a CPU is what it gets next. */
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (sched_setaffinity(0, sizeof first, &first) != 0)
		lab_die("affinity");
	lab_insmod("packetdev");
	if (lab_read("/proc/packetdev", line, sizeof line) < 0 || sscanf(line, "%llx %llx %llx", &one, &neighbour, &cache) != 3 ||
	    pipe(to_writer) != 0 || pipe(to_victim) != 0)
		lab_die("addresses of packetdev");
	truth_decoy("uses the same driver and is fine", lab_role("collectd", innocent, 0));
	truth_task("writer", lab_role(lab_text("WRITER"), write_there, lab_number("DELAY_MS")));
	truth_decoy("is there when it is found", lab_role(lab_text("VICTIM"), be_there, 0));
	lab_sleep_ms(500);
	truth_address(is("chain") ? "object" : "resource", "struct packet", one, "the packet that is damaged");
	truth_address("neighbour", "struct packet", neighbour, "the packet behind it");
	truth_address(is("chain") ? "resource" : "cache", "struct kmem_cache", cache, "the slab cache");
	truth_text("module", "packetdev");
	lab_ready();
	if (write(to_writer[1], "x", 1) != 1)
		lab_die("pipe");
	lab_forever();
}
