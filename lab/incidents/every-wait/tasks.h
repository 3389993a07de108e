/* Waits for other tasks, for time, for memory words and for what the driver has. */
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/stat.h>

static uint32_t *shared_words;
static uint32_t private_word;

static long futex(uint32_t *word, int what, uint32_t value)
{
	return syscall(SYS_futex, word, what, value, NULL, NULL, 0);
}

static void futexes(long which)
{
	if (which == 0)
		futex(&private_word, FUTEX_WAIT_PRIVATE, 0);
	else if (which == 1)
		futex(shared_words, FUTEX_WAIT, 0);
	else
		futex(shared_words + 1, FUTEX_LOCK_PI, 0);
	if (which != 2)
		lab_die("futex");
	slots[40]++;
	lab_forever();
}

static void sleeps(long which)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (which == 0)
		lab_sleep_ms(10000000);
	else if (which == 1)
		pause();
	else
		sigwaitinfo(&set, NULL);
	lab_die("slept");
}

static void traces(long pid)
{
	must(ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0 && waitpid(pid, NULL, 0) == pid, "ptrace");
	slots[41] = 1;
	lab_forever();
}

static void vforks_for_ever(long unused)
{
	(void)unused;
	if (vfork() == 0) {
		slots[42] = getpid();
		for (;;)
			pause();
	}
	lab_die("vfork");
}

static void waits_for_child(long unused)
{
	(void)unused;
	pid_t child = fork();
	if (child == 0)
		lab_forever();
	slots[43] = child;
	waitpid(child, NULL, 0);
	lab_die("waitpid");
}

static void *crashes(void *unused)
{
	(void)unused;
	slots[44] = syscall(SYS_gettid);
	lab_sleep_ms(300);
	raise(SIGSEGV);
	*(volatile int *)8 = 0;
	return NULL;
}

static void dumps_core(long unused)
{
	pthread_t thread;
	(void)unused;
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	setrlimit(RLIMIT_CORE, &all);
	lab_memory(2 << 20);
	must(pthread_create(&thread, NULL, crashes, NULL) == 0, "thread");
	lab_forever();
}

static void driver(long letter)
{
	char word = letter;
	int own = open("/proc/waitdev", O_WRONLY | O_CLOEXEC);
	if (own < 0 || write(own, &word, 1) != 1)
		lab_die("waitdev");
	lab_die("%c came back", word);
}

/* The first process of a pid namespace ends, and one in the driver does not. */
static void contains(long unused)
{
	(void)unused;
	must(unshare(CLONE_NEWPID) == 0, "unshare");
	pid_t first = fork();
	if (first == 0) {
		lab_comm("pidns-init");
		pid_t inner = fork();
		if (inner == 0) {
			lab_comm("pidns-stuck");
			driver('e');
		}
		lab_sleep_ms(500);
		_exit(0);
	}
	slots[53] = first;
	lab_forever();
}

static void *in_driver(void *unused)
{
	(void)unused;
	slots[45] = syscall(SYS_gettid);
	driver('e');
	return NULL;
}

static void executes(long unused)
{
	pthread_t thread;
	(void)unused;
	must(pthread_create(&thread, NULL, in_driver, NULL) == 0, "thread");
	slot(45);
	lab_sleep_ms(500);
	execl("/bin/sleep", "sleep", "100000", NULL);
	lab_die("exec");
}

static int message_queue, semaphores;
struct message {
	long type;
	char text[1024];
};

static void sends_one(long unused)
{
	struct message one = { 1, "x" };
	(void)unused;
	must(msgsnd(message_queue, &one, sizeof one.text, 0) == 0, "msgsnd");
	slots[46] = 1;
	lab_forever();
}

static void receives_message(long unused)
{
	struct message one;
	(void)unused;
	msgrcv(message_queue, &one, sizeof one.text, 0, 0);
	lab_die("msgrcv");
}

static void sends_messages(long unused)
{
	struct message one = { 1, "x" };
	(void)unused;
	while (msgsnd(message_queue, &one, sizeof one.text, 0) == 0)
		;
	lab_die("msgsnd");
}

static void takes_semaphore(long number)
{
	struct sembuf take = { 1, -1, 0 };
	must(semop(semaphores, &take, 1) == 0, "semop");
	slots[number] = 1;
	lab_forever();
}

static void receives_mq(long unused)
{
	char bytes[64];
	struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 64 };
	mqd_t own = mq_open("/jobs", O_RDONLY | O_CREAT, 0600, &attributes);
	(void)unused;
	must(own >= 0, "mq_open");
	slots[48] = own;
	mq_receive(own, bytes, sizeof bytes, NULL);
	lab_die("mq_receive");
}

static void has_mq(long unused)
{
	(void)unused;
	must(mq_open("/jobs", O_WRONLY) >= 0, "mq_open");
	slots[49] = 1;
	lab_forever();
}

static void faults(long unused)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	(void)unused;
	int own = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)page;
	range.range.len = 4096;
	must(own >= 0 && ioctl(own, UFFDIO_API, &api) == 0 && ioctl(own, UFFDIO_REGISTER, &range) == 0, "userfaultfd");
	slots[50] = own;
	*(volatile char *)page = 1;
	lab_die("the fault was answered");
}

static void asks_supervisor(long unused)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	(void)unused;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	int own = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	must(own >= 0, "seccomp");
	pid_t supervisor = fork();
	if (supervisor == 0) {
		lab_comm("supervisor");
		lab_forever();
	}
	close(own);
	slots[51] = supervisor;
	syscall(SYS_getppid);
	lab_die("getppid");
}

/* The pid of the only process of this name. */
static pid_t process_named(const char *name)
{
	char path[40], comm[40];
	for (int tries = 0; tries < 100; tries++, lab_sleep_ms(50))
		for (pid_t pid = 2; pid < 4000; pid++) {
			snprintf(path, sizeof path, "/proc/%d/comm", pid);
			if (lab_read(path, comm, sizeof comm) <= 0)
				continue;
			comm[strcspn(comm, "\n")] = 0;
			if (strcmp(comm, name) == 0)
				return pid;
		}
	lab_die("no process %s", name);
}

static void wait_for_words(void)
{
	char text[40];
	pid_t pid, peer;
	int memory = syscall(SYS_memfd_create, "shared-words", 0);
	must(memory >= 0 && ftruncate(memory, 8192) == 0, "memfd");
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	must(pages != MAP_FAILED, "mmap");
	shared_words = (uint32_t *)(pages + 4096 + 64);
	pid = lab_role("futex-private", futexes, 0);
	snprintf(text, sizeof text, "0x%lx", (unsigned long)&private_word);
	told((struct told){ "futex, private", "futex", NULL, text, pid, 0, { 0 } });
	pid = lab_role("futex-shared", futexes, 1);
	told((struct told){ "futex, shared", "futex", NULL, "shared-words", pid, 0, { 0 } });
	peer = lab_role("futex-pi-owner", futexes, 2);
	slot(40);
	pid = lab_role("futex-pi", futexes, 2);
	told((struct told){ "futex, priority inheritance", "lock", NULL, "", pid, 0, { peer } });
	munmap(pages, 8192);
	close(memory);
}

static void wait_for_tasks(void)
{
	char text[80];
	pid_t pid, peer;
	pid = lab_role("nanosleep", sleeps, 0);
	told((struct told){ "nanosleep", "timer", NULL, "", pid, 0, { 0 } });
	pid = lab_role("pause", sleeps, 1);
	told((struct told){ "pause", "signal", NULL, "", pid, 0, { 0 } });
	pid = lab_role("sigwaitinfo", sleeps, 2);
	told((struct told){ "sigwaitinfo", "signal", NULL, "", pid, 0, { 0 } });
	pid = lab_role("tracee", sleeps, 1);
	peer = lab_role("tracer", traces, pid);
	slot(41);
	told((struct told){ "ptrace stop", "tracer", NULL, "", pid, 0, { peer } });
	pid = lab_role("stopped", sleeps, 1);
	lab_sleep_ms(100);
	kill(pid, SIGSTOP);
	told((struct told){ "SIGSTOP", "stopped", NULL, "", pid, 0, { 0 } });
	pid = lab_role("vfork", vforks_for_ever, 0);
	told((struct told){ "vfork", "child", NULL, "", pid, 0, { slot(42) } });
	pid = lab_role("waitpid", waits_for_child, 0);
	told((struct told){ "waitpid", "child", NULL, "", pid, 0, { slot(43) } });
	lab_write("/proc/sys/kernel/core_pattern", "|/bin/sleep 100000");
	pid = lab_role("dumps-core", dumps_core, 0);
	peer = process_named("sleep");
	told((struct told){ "core dump, who dumps", "core-dump", NULL, "", slot(44), 0, { peer } });
	told((struct told){ "core dump, another thread", "core-dump", NULL, "", pid, 0, { slot(44) } });
	pid = lab_role("userfault", faults, 0);
	told((struct told){ "userfaultfd fault", "user-fault", "struct userfaultfd_ctx", "", pid, data_of(pid, slot(50)), { 0 } });
	pid = lab_role("supervised", asks_supervisor, 0);
	told((struct told){ "seccomp notification", "permission", NULL, "", pid, 0, { slot(51) } });
	must(mkdir("/sys/fs/cgroup/frost", 0755) == 0, "mkdir frost");
	pid = lab_role("frozen", sleeps, 1);
	snprintf(text, sizeof text, "%d", pid);
	lab_write("/sys/fs/cgroup/frost/cgroup.procs", text);
	lab_write("/sys/fs/cgroup/frost/cgroup.freeze", "1");
	told((struct told){ "cgroup freezer", "frozen", NULL, "/frost", pid, 0, { 0 } });
	mkdir("/run/freezer", 0755);
	if (mount("none", "/run/freezer", "cgroup", 0, "freezer") == 0 && mkdir("/run/freezer/ice", 0755) == 0) {
		pid = lab_role("frozen-v1", sleeps, 1);
		snprintf(text, sizeof text, "%d", pid);
		lab_write("/run/freezer/ice/tasks", text);
		lab_write("/run/freezer/ice/freezer.state", "FROZEN");
		told((struct told){ "cgroup v1 freezer", "frozen", NULL, "", pid, 0, { 0 } });
	}
}

static void wait_for_ipc(void)
{
	char text[40];
	struct message one;
	pid_t pid, peer;
	message_queue = msgget(0x4b57, IPC_CREAT | 0600);
	peer = lab_role("msg-sender", sends_one, 0);
	slot(46);
	must(msgrcv(message_queue, &one, sizeof one.text, 0, 0) > 0, "msgrcv");
	pid = lab_role("msgrcv", receives_message, 0);
	snprintf(text, sizeof text, "message queue %d", message_queue);
	told((struct told){ "SysV msgrcv", "ipc", "struct msg_queue", text, pid, 0, { peer } });
	message_queue = msgget(0x4b58, IPC_CREAT | 0600);
	pid = lab_role("msgsnd", sends_messages, 0);
	snprintf(text, sizeof text, "message queue %d", message_queue);
	told((struct told){ "SysV msgsnd", "ipc", "struct msg_queue", text, pid, 0, { 0 } });
	semaphores = semget(0x4b59, 3, IPC_CREAT | 0600);
	must(semctl(semaphores, 1, SETVAL, 1) == 0, "semctl");
	peer = lab_role("sem-holder", takes_semaphore, 47);
	slot(47);
	pid = lab_role("semop", takes_semaphore, 52);
	snprintf(text, sizeof text, "semaphore 1 of the set %d", semaphores);
	told((struct told){ "SysV semop", "ipc", "struct sem_array", text, pid, 0, { peer } });
	pid = lab_role("mq_receive", receives_mq, 0);
	slot(48);
	peer = lab_role("mq-sender", has_mq, 0);
	slot(49);
	told((struct told){ "POSIX mq_receive", "ipc", NULL, "/jobs", pid, 0, { peer } });
}

static void wait_for_driver(void)
{
	static const char letters[] = "eb" "csvyBP";
	static const char *const names[] = { "wait_event", "wait_on_bit", "completion", "simple wait queue", "wait_var_event",
					     "synchronize_srcu", "buffer head", "page lock" };
	static const char *const kinds[] = { "wait-queue", "bit", "completion", "wait-queue", "bit", "grace-period", "buffer", "page" };
	static const char *const says[] = { "results_ready", "busy_bits", "reset_done", "tick_queue", "users_left", "table_srcu", "4711", "" };
	static const char *const types[] = { "struct wait_queue_head", "unsigned long", "struct completion", "struct swait_queue_head",
					     "void", "struct srcu_struct", "struct buffer_head", "struct folio" };
	unsigned long long at[8];
	char text[300];
	int poller;
	lab_insmod("waitdev");
	if (lab_read("/proc/waitdev", text, sizeof text) < 0 ||
	    sscanf(text, "%llx %llx %llx %llx %llx %llx %llx %llx %d", &at[0], &at[1], &at[2], &at[3], &at[4], &at[5], &at[6],
		   &at[7], &poller) != 9)
		lab_die("addresses of waitdev");
	lab_role("srcu-reader", driver, 'S');
	lab_sleep_ms(200);
	for (int i = 0; letters[i]; i++) {
		pid_t pid = lab_role(names[i], driver, letters[i]);
		told((struct told){ names[i], kinds[i], types[i], says[i], pid, at[i], { 0 } });
	}
	lab_role("container", contains, 0);
	told((struct told){ "pid namespace that ends", "exit", NULL, "", slot(53), 0, { process_named("pidns-stuck") } });
	pid_t pid = lab_role("kthread_stop", driver, 'k');
	told((struct told){ "kthread_stop", "exit", NULL, "", pid, 0, { poller } });
	pid = lab_role("exec", executes, 0);
	told((struct told){ "exec", "exec", NULL, "", pid, 0, { slot(45) } });
}
