/* Waits for pipes, events, terminals and other files. */
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

#define PIPE "struct pipe_inode_info"

static void reads(long mine)
{
	char bytes[8];
	keep(mine);
	if (read(fd[mine], bytes, sizeof bytes) < 0)
		lab_die("read");
	lab_die("there was something to read");
}

static void writes(long mine)
{
	static char page[4096];
	keep(mine);
	while (write(fd[mine], page, sizeof page) > 0)
		;
	lab_die("write");
}

static void polls(long unused)
{
	struct pollfd one = { fd[0], POLLIN, 0 };
	(void)unused;
	keep(0);
	poll(&one, 1, -1);
	lab_die("poll");
}

static void selects(long unused)
{
	fd_set set;
	(void)unused;
	keep(0);
	FD_ZERO(&set);
	FD_SET(fd[0], &set);
	select(fd[0] + 1, &set, NULL, NULL, NULL);
	lab_die("select");
}

static void epolls(long unused)
{
	struct epoll_event event = { .events = EPOLLIN }, got;
	int instance = epoll_create1(0);
	(void)unused;
	keep(0);
	must(epoll_ctl(instance, EPOLL_CTL_ADD, fd[0], &event) == 0, "epoll_ctl");
	slots[0] = instance;
	epoll_wait(instance, &got, 1, -1);
	lab_die("epoll_wait");
}

static void epolls_two(long unused)
{
	struct epoll_event event = { .events = EPOLLIN }, got;
	int instance = epoll_create1(0), counter = eventfd(0, 0);
	(void)unused;
	keep(0);
	must(epoll_ctl(instance, EPOLL_CTL_ADD, fd[0], &event) == 0, "epoll_ctl");
	must(epoll_ctl(instance, EPOLL_CTL_ADD, counter, &event) == 0, "epoll_ctl");
	slots[1] = instance;
	epoll_wait(instance, &got, 1, -1);
	lab_die("epoll_wait");
}

static void timer(long unused)
{
	struct itimerspec time = { .it_value = { 5000, 0 } };
	uint64_t count;
	int own = timerfd_create(CLOCK_MONOTONIC, 0);
	(void)unused;
	timerfd_settime(own, 0, &time, NULL);
	slots[2] = own;
	must(read(own, &count, 8) == 8, "timerfd");
}

static void signals(long unused)
{
	struct signalfd_siginfo info;
	sigset_t set;
	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	must(read(signalfd(-1, &set, 0), &info, sizeof info) > 0, "signalfd");
}

static void watches(long unused)
{
	char bytes[512];
	int own = inotify_init1(0);
	(void)unused;
	inotify_add_watch(own, "/run", IN_DELETE_SELF);
	slots[3] = own;
	must(read(own, bytes, sizeof bytes) > 0, "inotify");
}

static void ring(long unused)
{
	struct io_uring_params params = { 0 };
	int own = syscall(SYS_io_uring_setup, 8, &params);
	(void)unused;
	keep(0);
	must(own >= 0, "io_uring_setup");
	size_t size = params.sq_off.array + params.sq_entries * 4;
	char *queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, own, IORING_OFF_SQ_RING);
	struct io_uring_sqe *entries = mmap(NULL, params.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_POPULATE, own, IORING_OFF_SQES);
	must(queue != MAP_FAILED && entries != MAP_FAILED, "mmap of io_uring");
	static char byte;
	entries[0] = (struct io_uring_sqe){ .opcode = IORING_OP_READ, .fd = fd[0], .addr = (uintptr_t)&byte, .len = 1 };
	*(unsigned *)(queue + params.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(queue + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	slots[4] = own;
	syscall(SYS_io_uring_enter, own, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	lab_die("io_uring_enter");
}

static void open_guarded(long unused)
{
	(void)unused;
	open("/run/guarded", O_RDONLY);
	lab_die("opened the guarded file");
}

static void guard(long unused)
{
	int own = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
	(void)unused;
	must(own >= 0 && fanotify_mark(own, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "/run/guarded") == 0, "fanotify");
	slots[5] = own;
	lab_forever();
}

static void opens_fifo(long unused)
{
	(void)unused;
	open("/run/fifo", O_RDONLY);
	lab_die("opened the fifo");
}

/* flock, fcntl, a lease: first the holder, then the one that wants it. */
static void locks(long what)
{
	static const char *const names[] = { "/run/flock", "/run/posix", "/run/ofd", "/run/lease" };
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int kind = what / 2, second = what % 2;
	if (kind == 3 && second) {
		open(names[3], O_WRONLY);
		lab_die("the lease was broken");
	}
	signal(SIGIO, SIG_IGN);
	int own = open(names[kind], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int done = kind == 0 ? flock(own, LOCK_EX)
		   : kind == 1 ? fcntl(own, F_SETLKW, &whole)
		   : kind == 2 ? fcntl(own, F_OFD_SETLKW, &whole)
			       : fcntl(own, F_SETLEASE, F_WRLCK);
	must(!second && done == 0, names[kind]);
	slots[6 + kind] = 1;
	lab_forever();
}

static void pipe_pair(void)
{
	must(pipe(fd) == 0, "pipe");
}

static void wait_for_files(void)
{
	pid_t pid, peer;
	pipe_pair();
	pid = lab_role("pipe-reader", reads, 0);
	peer = lab_role("pipe-writer", owner, 1);
	told((struct told){ "pipe read", "pipe", PIPE, "", pid, data_of(pid, fd[0]), { peer } });
	close_pair();
	pipe_pair();
	pid = lab_role("pipe-full", writes, 1);
	peer = lab_role("pipe-lazy", owner, 0);
	told((struct told){ "pipe write", "pipe", PIPE, "", pid, data_of(pid, fd[1]), { peer } });
	close_pair();
	pipe_pair();
	pid = lab_role("poller", polls, 0);
	peer = lab_role("polled", owner, 1);
	told((struct told){ "poll of a pipe", "poll", PIPE, "", pid, data_of(pid, fd[0]), { peer } });
	close_pair();
	pipe_pair();
	pid = lab_role("selecter", selects, 0);
	peer = lab_role("selected", owner, 1);
	told((struct told){ "select of a pipe", "poll", PIPE, "", pid, data_of(pid, fd[0]), { peer } });
	close_pair();
	pipe_pair();
	pid = lab_role("epoller", epolls, 0);
	peer = lab_role("epolled", owner, 1);
	told((struct told){ "epoll of a pipe", "events", "struct eventpoll", "pipe:", pid, data_of(pid, slot(0)), { peer } });
	close_pair();
	pipe_pair();
	pid = lab_role("epoller-two", epolls_two, 0);
	lab_role("epolled-two", owner, 1);
	told((struct told){ "epoll of two files", "events", "struct eventpoll", "2 files", pid, data_of(pid, slot(1)), { 0 } });
	close_pair();
	fd[0] = eventfd(0, 0);
	fd[1] = dup(fd[0]);
	pid = lab_role("eventfd-reader", reads, 0);
	peer = lab_role("eventfd-writer", owner, 1);
	told((struct told){ "eventfd read", "events", "struct eventfd_ctx", "", pid, data_of(pid, fd[0]), { peer } });
	close_pair();
	pid = lab_role("timerfd", timer, 0);
	told((struct told){ "timerfd read", "timer", "struct timerfd_ctx", "", pid, data_of(pid, slot(2)), { 0 } });
	pid = lab_role("signalfd", signals, 0);
	told((struct told){ "signalfd read", "signal", NULL, "signalfd", pid, 0, { 0 } });
	pid = lab_role("inotify", watches, 0);
	told((struct told){ "inotify read", "events", "struct fsnotify_group", "", pid, data_of(pid, slot(3)), { 0 } });
	pipe_pair();
	pid = lab_role("io_uring", ring, 0);
	lab_role("io_uring-peer", owner, 1);
	told((struct told){ "io_uring", "events", "struct io_ring_ctx", "", pid, data_of(pid, slot(4)), { 0 } });
	close_pair();
	must(mkfifo("/run/fifo", 0600) == 0, "mkfifo");
	pid = lab_role("fifo-opener", opens_fifo, 0);
	told((struct told){ "open of a fifo", "pipe", NULL, "/run/fifo", pid, 0, { 0 } });
	lab_write("/run/guarded", "secret");
	peer = lab_role("scanner", guard, 0);
	slot(5);
	pid = lab_role("scanned", open_guarded, 0);
	told((struct told){ "fanotify permission", "permission", "struct fsnotify_group", "/run/guarded", pid, data_of(peer, slot(5)), { peer } });
	lab_write("/run/lease", "x");
	lab_write("/proc/sys/fs/lease-break-time", "1000000");
	static const char *const names[] = { "flock", "fcntl", "fcntl OFD", "lease" };
	for (int i = 0; i < 4; i++) {
		peer = lab_role("has-file-lock", locks, 2 * i);
		slot(6 + i);
		pid = lab_role("wants-file-lock", locks, 2 * i + 1);
		told((struct told){ names[i], "file-lock", NULL, "", pid, 0, { peer } });
	}
}

static void wait_for_terminals(void)
{
	pid_t pid, peer;
	for (int master = 0; master < 2; master++) {
		fd[1] = posix_openpt(O_RDWR | O_NOCTTY);
		must(fd[1] >= 0 && grantpt(fd[1]) == 0 && unlockpt(fd[1]) == 0, "ptmx");
		fd[0] = open(ptsname(fd[1]), O_RDWR | O_NOCTTY);
		must(fd[0] >= 0, "pts");
		pid = lab_role(master ? "pty-master" : "pty-slave", reads, master);
		peer = lab_role("pty-other", owner, 1 - master);
		told((struct told){ master ? "pty master read" : "pty slave read", "terminal", NULL, "", pid, 0, { peer } });
		close_pair();
	}
}
