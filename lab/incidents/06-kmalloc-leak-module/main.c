/*
 * The driver leaks one kmalloc cache until the wanted amount is left available. Beside it: many dentries, which are slab
 * too but can be reclaimed.
 */
#include "lab.h"
#include <sys/stat.h>

static long available_kb(void)
{
	char text[8192];
	lab_read("/proc/meminfo", text, sizeof text);
	return strtol(strstr(text, "MemAvailable:") + 13, NULL, 10);
}

int main(void)
{
	char path[100], text[64];
	long bytes = lab_number("BYTES");
	struct stat buffer;
	lab_comm("systemd");
	lab_company();
	snprintf(text, sizeof text, "bytes=%ld", bytes);
	lab_insmod_with("netacct", text);
	/* Names that do not exist: dentries that can be reclaimed. */
	for (long i = 0; i < lab_number("DENTRIES"); i++) {
		snprintf(path, sizeof path, "/sys/no-%ld", i);
		stat(path, &buffer);
	}
	snprintf(text, sizeof text, "%ld", (1l << 20) / bytes);
	while (available_kb() > lab_number("LEAVE_MB") << 10)
		lab_write("/proc/netacct", text);
	lab_read("/sys/module/netacct/parameters/records", text, sizeof text);
	truth_count("records leaked", strtol(text, NULL, 10));
	truth_count("bytes of a record", bytes);
	truth_count("kB available", available_kb());
	snprintf(path, sizeof path, bytes == 1024 ? "kmalloc-1k" : "kmalloc-%ld", bytes);
	truth_text("cache", path);
	truth_address("resource", "struct kmem_cache", probe_cache(path), path);
	lab_ready();
	lab_forever();
}
