/*
 * Tasks wait for a driver's lock, or for its completion. Then the driver sets the lock free, or counts the completion as done,
 * with its own hands, and wakes nobody. The same driver has a mutex and a completion that work.
 */
#include "lab.h"
#include <fcntl.h>

static void ask(const char *word)
{
	int fd = open("/proc/mboxdev", O_WRONLY);
	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		lab_die("mboxdev");
	close(fd);
}

static void play(long word)
{
	ask((const char *)word);
	lab_die("%s came back", (const char *)word);
}

static void innocent(long word)
{
	for (;;)
		ask((const char *)word);
}

int main(void)
{
	char text[200];
	unsigned long long mutex, completion, rwsem;
	const char *mode = lab_text("MODE");
	lab_comm("systemd");
	lab_company();
	lab_insmod("mboxdev");
	if (lab_read("/proc/mboxdev", text, sizeof text) < 0 || sscanf(text, "%llx %llx %llx", &mutex, &completion, &rwsem) != 3)
		lab_die("addresses of mboxdev");
	pid_t quiet = 0;
	for (long i = 0; i < lab_number("QUIET"); i++)
		quiet = lab_role("sensors", innocent, (long)"use");
	truth_decoy("one of a queue on a mutex that moves", quiet);
	truth_decoy("waits for a completion that comes", lab_role("poller", innocent, (long)"tick"));
	int is_mutex = strcmp(mode, "mutex") == 0, is_completion = strcmp(mode, "completion") == 0;
	uint64_t resource = is_mutex ? mutex : is_completion ? completion : rwsem;
	const char *type = is_mutex ? "struct mutex" : is_completion ? "struct completion" : "struct rw_semaphore";
	snprintf(text, sizeof text, "lock %s", mode);
	ask(text);
	pid_t first = 0;
	for (long i = 0; i < lab_number("WAITERS"); i++) {
		pid_t pid = lab_role(lab_text("BEHIND"), play, (long)mode);
		first = first == 0 ? pid : first;
		if (is_completion)
			lab_wait_stack(pid, "mboxdev_write");
		else
			lab_wait_waiters(type + 7, resource, i + 1);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	lab_sleep_ms(1000);
	snprintf(text, sizeof text, "lose %s", mode);
	ask(text);
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	if (!is_completion)
		lab_wait_waiters(type + 7, resource, lab_number("WAITERS"));
	truth_task("first waiter", first);
	truth_address("resource", type, resource, "of the module mboxdev");
	truth_count("waiters", lab_number("WAITERS"));
	truth_text("mode", mode);
	lab_ready();
	lab_forever();
}
