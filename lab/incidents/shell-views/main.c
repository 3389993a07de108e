/*
 * Puts something into every table that the shell shows, and then crashes the machine: task groups inside of groups, one of
 * them out of its quota; real-time tasks that wait for a CPU; neighbours in several states; sockets of each family; a task
 * with a network and an IPC namespace of its own; shared memory, semaphores, a message queue; threads with signals pending.
 */
#include "lab.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* Shared by all: 1 when the fair tasks are to begin, 2 when the real-time ones are. */
static volatile int *begin;

static void stay_on(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static void on_begin(int stage)
{
	while (*begin < stage)
		lab_sleep_ms(10);
}

static void spin(void)
{
	static volatile int done;
	while (!done)
		;
}

static const char *const groups[] = {
	"/sys/fs/cgroup/web",
	"/sys/fs/cgroup/web/api",
	"/sys/fs/cgroup/batch",
	"/sys/fs/cgroup/batch/nightly",
};

/* Number of the group in the low bits, of the CPU above them. */
static void in_group(long which)
{
	char file[200], text[32];
	snprintf(file, sizeof file, "%s/cgroup.procs", groups[which & 15]);
	snprintf(text, sizeof text, "%d", getpid());
	stay_on(which >> 4);
	lab_write(file, text);
	on_begin(1);
	spin();
}

static void realtime(long priority)
{
	struct sched_param parameter = { priority };
	stay_on(1);
	if (sched_setscheduler(0, priority == 20 ? SCHED_RR : SCHED_FIFO, &parameter) != 0)
		lab_die("sched_setscheduler");
	on_begin(2);
	spin();
}

static struct sockaddr_in internet(const char *text, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

static void interface(const char *name, const char *text, const char *mask, short flags)
{
	struct ifreq request = { 0 };
	struct sockaddr_in address = internet(text, 0), bits = internet(mask, 0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	strcpy(request.ifr_name, name);
	memcpy(&request.ifr_addr, &address, sizeof address);
	if (ioctl(fd, SIOCSIFADDR, &request) != 0)
		lab_die("address of %s", name);
	memcpy(&request.ifr_netmask, &bits, sizeof bits);
	if (ioctl(fd, SIOCSIFNETMASK, &request) != 0)
		lab_die("mask of %s", name);
	request.ifr_flags = flags;
	if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		lab_die("flags of %s", name);
	close(fd);
}

static void neighbour(const char *text, unsigned char last, int flags)
{
	struct arpreq request = { .arp_flags = flags, .arp_ha.sa_family = ARPHRD_ETHER };
	struct sockaddr_in address = internet(text, 0);
	unsigned char hardware[6] = { 0x52, 0x54, 0, 0x12, 0x34, last };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	memcpy(&request.arp_pa, &address, sizeof address);
	memcpy(request.arp_ha.sa_data, hardware, sizeof hardware);
	strcpy(request.arp_dev, "dummy0");
	if (ioctl(fd, SIOCSARP, &request) != 0)
		lab_die("neighbour %s", text);
	close(fd);
}

static void send_to(const char *text)
{
	struct sockaddr_in address = internet(text, 9);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof address);
	close(fd);
}

static void network(void)
{
	interface("lo", "127.0.0.1", "255.0.0.0", IFF_UP | IFF_LOOPBACK | IFF_RUNNING);
	/* Without IFF_NOARP, which it has at first, it asks for neighbours, and nobody answers. */
	interface("dummy0", "10.9.0.1", "255.255.255.0", IFF_UP | IFF_BROADCAST | IFF_RUNNING);
	interface("dummy0:1", "10.9.1.1", "255.255.255.0", IFF_UP | IFF_BROADCAST | IFF_RUNNING);
	neighbour("10.9.0.2", 2, ATF_PERM | ATF_COM);
	neighbour("10.9.0.3", 3, ATF_COM);
	send_to("10.9.0.77");
	send_to("127.0.0.1");
}

static void sockets(long unused)
{
	int yes = 1;
	struct sockaddr_in any = internet("0.0.0.0", 8080), peer = internet("127.0.0.1", 8080);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(8443), .sin6_addr = in6addr_loopback };
	struct sockaddr_un local = { .sun_family = AF_UNIX, .sun_path = "/run/views.sock" };
	(void)unused;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	int server6 = socket(AF_INET6, SOCK_STREAM, 0);
	int unix_socket = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&any, sizeof any) != 0 || listen(listener, 5) != 0 ||
	    connect(client, (struct sockaddr *)&peer, sizeof peer) != 0 || accept(listener, NULL, NULL) < 0)
		lab_die("sockets");
	if (server6 >= 0 && bind(server6, (struct sockaddr *)&six, sizeof six) == 0)
		listen(server6, 5);
	bind(unix_socket, (struct sockaddr *)&local, sizeof local);
	socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	socket(AF_INET, SOCK_DGRAM, 0);
	socket(AF_NETLINK, SOCK_RAW, 0);
	socket(AF_PACKET, SOCK_DGRAM, 0);
	lab_forever();
}

static void objects(size_t bytes, key_t key)
{
	struct {
		long type;
		char text[100];
	} message = { 1, "hello" };
	int id = shmget(key, bytes, IPC_CREAT | 0640), queue = msgget(key, IPC_CREAT | 0600);
	char *memory = shmat(id, NULL, 0);
	if (id < 0 || memory == (char *)-1 || queue < 0 || semget(key, 3, IPC_CREAT | 0666) < 0)
		lab_die("System V objects");
	memset(memory, 'x', bytes / 2);
	for (int i = 0; i < 3; i++)
		if (msgsnd(queue, &message, 20 + i, IPC_NOWAIT) != 0)
			lab_die("msgsnd");
}

static void elsewhere(long unused)
{
	(void)unused;
	if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWNS) != 0)
		lab_die("unshare");
	interface("lo", "127.0.0.1", "255.0.0.0", IFF_UP | IFF_LOOPBACK | IFF_RUNNING);
	objects(64 << 10, 0xe15e);
	lab_forever();
}

static void *thread(void *unused)
{
	sigset_t set;
	(void)unused;
	lab_comm("views-thread");
	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	/* Each to this thread alone; real-time signals are queued one by one. */
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	siginfo_t info = { .si_signo = SIGRTMIN, .si_code = SI_QUEUE };
	for (int i = 0; i < 3; i++)
		syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN, &info);
	lab_forever();
}

static void nothing(int signal)
{
	(void)signal;
}

static void signals(long unused)
{
	pthread_t id;
	sigset_t set;
	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART | SA_NODEFER };
	(void)unused;
	sigaction(SIGUSR2, &action, NULL);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	pthread_create(&id, NULL, thread, NULL);
	pthread_create(&id, NULL, thread, NULL);
	sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 7 });
	lab_forever();
}

static void work_groups(void)
{
	lab_write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu");
	for (unsigned i = 0; i < sizeof groups / sizeof *groups; i++) {
		char file[200];
		mkdir(groups[i], 0755);
		if (i % 2 == 0) {
			/* Tasks stand in the upper group too, which only a threaded one may have. */
			snprintf(file, sizeof file, "%s/cgroup.type", groups[i]);
			lab_write(file, "threaded");
			snprintf(file, sizeof file, "%s/cgroup.subtree_control", groups[i]);
			lab_write(file, "+cpu");
		} else {
			snprintf(file, sizeof file, "%s/cgroup.type", groups[i]);
			lab_write(file, "threaded");
		}
	}
	lab_write("/sys/fs/cgroup/batch/cpu.max", "2000 1000000");
	for (int cpu = 0; cpu < 2; cpu++)
		for (int i = 0; i < 4; i++) {
			lab_role(lab_text("NAME"), in_group, cpu << 4 | i);
			lab_role(i % 2 ? "worker" : "cron", in_group, cpu << 4 | i);
		}
}

int main(void)
{
	lab_comm("systemd");
	lab_company();
	begin = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (begin == MAP_FAILED)
		lab_die("mmap");
	network();
	objects(256 << 10, 0x5eed);
	lab_role("elsewhere", elsewhere, 0);
	lab_role("sockets", sockets, 0);
	lab_role("signals", signals, 0);
	work_groups();
	for (long priority = 10; priority <= 30; priority += 10)
		lab_role("audio", realtime, priority);
	lab_write("/proc/irq/4/smp_affinity", "2");
	lab_sleep_ms(1000);
	lab_ready();
	struct sched_param parameter = { 60 };
	int trigger = open("/proc/sysrq-trigger", O_WRONLY);
	stay_on(0);
	sched_setscheduler(0, SCHED_FIFO, &parameter);
	*begin = 1;
	lab_sleep_ms(500);
	*begin = 2;
	lab_sleep_ms(400);
	if (write(trigger, "c", 1) != 1)
		lab_die("sysrq");
	lab_forever();
}
