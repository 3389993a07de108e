/*
 * A machine at work, with nothing wrong: processes that compute, write and delete files, talk over pipes, start others
 * and sleep. Short waits for one another come and go.
 */
#include "lab.h"
#include <fcntl.h>
#include <sys/wait.h>

static void compute(long seed)
{
	volatile unsigned long sum = seed;
	for (;;)
		sum = sum * 6364136223846793005ul + 1;
}

static void write_files(long number)
{
	static char block[65536];
	char path[64];
	for (long i = 0;; i++) {
		snprintf(path, sizeof path, "/tmp/work.%ld.%ld", number, i % 8);
		int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
		for (int n = 0; n < 8; n++)
			if (write(fd, block, sizeof block) < 0)
				break;
		close(fd);
		if (i % 8 == 7)
			unlink(path);
		lab_sleep_ms(10);
	}
}

/* Two workers that pass a byte to and fro. */
static void talk(long unused)
{
	int there[2], back[2];
	char byte = 1;
	(void)unused;
	if (pipe(there) != 0 || pipe(back) != 0)
		lab_die("pipe");
	if (fork() == 0)
		for (;;)
			if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
				_exit(1);
	for (;;) {
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			_exit(1);
		lab_sleep_ms(2);
	}
}

static void start_others(long unused)
{
	(void)unused;
	for (;;) {
		pid_t pid = fork();
		if (pid == 0) {
			lab_sleep_ms(5);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		lab_sleep_ms(10);
	}
}

static void idle(long unused)
{
	(void)unused;
	for (;;)
		lab_sleep_ms(700);
}

static void start(const char *name, const char *comm, void (*play)(long), const char *count)
{
	for (long i = 0; i < lab_number(count); i++)
		lab_role(comm, play, i);
	truth_count(name, lab_number(count));
}

int main(void)
{
	lab_comm("systemd");
	lab_company();
	start("computing", lab_text("SPINNER"), compute, "SPINNERS");
	start("writing", lab_text("WRITER"), write_files, "WRITERS");
	start("talking in pairs", lab_text("WORKER"), talk, "PIPES");
	start("starting others", "bash", start_others, "FORKERS");
	start("sleeping", "sleep", idle, "IDLE");
	lab_sleep_ms(4000);
	lab_ready();
	lab_forever();
}
