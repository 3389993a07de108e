/* Waits for sockets. */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SOCKET "struct socket"

static int listener;

static void bring_up_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int any = socket(AF_INET, SOCK_DGRAM, 0);
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	must(any >= 0 && ioctl(any, SIOCSIFFLAGS, &request) == 0, "lo");
	close(any);
}

static struct sockaddr_in at_port(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return to;
}

static void listen_at(int port, int backlog)
{
	struct sockaddr_in to = at_port(port);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	must(bind(listener, (void *)&to, sizeof to) == 0 && listen(listener, backlog) == 0, "listen");
}

static int connect_to(int port)
{
	struct sockaddr_in to = at_port(port);
	int own = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(own, (void *)&to, sizeof to) == 0, "connect");
	return own;
}

static void accepts(long number)
{
	int got = accept(listener, NULL, NULL);
	must(got >= 0, "accept");
	close(listener);
	slots[number] = got;
	lab_forever();
}

static void only_listens(long unused)
{
	(void)unused;
	lab_forever();
}

static void receives(long port)
{
	char byte;
	close(listener);
	int own = connect_to(port);
	slots[20] = own;
	recv(own, &byte, 1, 0);
	lab_die("recv");
}

static void sends(long port)
{
	static char bytes[65536];
	close(listener);
	int own = connect_to(port);
	slots[21] = own;
	while (send(own, bytes, sizeof bytes, 0) > 0)
		;
	lab_die("send");
}

static void connects(long port)
{
	close(listener);
	int own = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = at_port(port);
	slots[22] = own;
	connect(own, (void *)&to, sizeof to);
	lab_die("connected");
}

static void fills(long port)
{
	close(listener);
	for (int i = 0; i < 3; i++) {
		struct sockaddr_in to = at_port(port);
		int own = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(own, (void *)&to, sizeof to);
	}
	lab_sleep_ms(300);
	slots[23] = 1;
	lab_forever();
}

static void receives_six(long port)
{
	char byte;
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	close(listener);
	int own = socket(AF_INET6, SOCK_STREAM, 0);
	must(connect(own, (void *)&to, sizeof to) == 0, "connect v6");
	slots[24] = own;
	recv(own, &byte, 1, 0);
	lab_die("recv");
}

static void receives_datagram(long port)
{
	char byte;
	struct sockaddr_in to = at_port(port);
	int own = socket(AF_INET, SOCK_DGRAM, 0);
	must(bind(own, (void *)&to, sizeof to) == 0, "bind udp");
	slots[25] = own;
	recv(own, &byte, 1, 0);
	lab_die("recv");
}

static void receives_netlink(long unused)
{
	char byte;
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int own = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	(void)unused;
	must(bind(own, (void *)&to, sizeof to) == 0, "netlink");
	slots[26] = own;
	recv(own, &byte, 1, 0);
	lab_die("recv");
}

static struct sockaddr_un at_path(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	strcpy(to.sun_path, path);
	return to;
}

/* As programs that log do when nobody reads what they log. */
static void sends_log(long number)
{
	struct sockaddr_un to = at_path("/run/log");
	int own = socket(AF_UNIX, SOCK_DGRAM, 0);
	close(listener);
	must(connect(own, (void *)&to, sizeof to) == 0, "connect log");
	slots[number] = own;
	while (send(own, "x", 1, 0) == 1)
		;
	lab_die("send");
}

static void connects_unix(long number)
{
	struct sockaddr_un to = at_path("/run/service");
	close(listener);
	for (;;) {
		int own = socket(AF_UNIX, SOCK_STREAM, 0);
		slots[number] = own;
		must(connect(own, (void *)&to, sizeof to) == 0, "connect unix");
	}
}

static void wait_for_tcp(void)
{
	pid_t pid, peer;
	bring_up_loopback();
	listen_at(7001, 5);
	peer = lab_role("tcp-server", accepts, 30);
	pid = lab_role("tcp-client", receives, 7001);
	told((struct told){ "TCP recv", "socket", SOCKET, "127.0.0.1:7001", pid, data_of(pid, slot(20)), { peer } });
	close(listener);
	listen_at(7002, 5);
	peer = lab_role("tcp-lazy", accepts, 31);
	pid = lab_role("tcp-sender", sends, 7002);
	told((struct told){ "TCP send", "socket", SOCKET, "127.0.0.1:7002", pid, data_of(pid, slot(21)), { peer } });
	close(listener);
	listen_at(7003, 5);
	pid = lab_role("tcp-accepter", accepts, 32);
	told((struct told){ "TCP accept", "socket", SOCKET, "127.0.0.1:7003", pid, data_of(pid, listener), { 0 } });
	close(listener);
	listen_at(7004, 5);
	peer = lab_role("tcp-listener", only_listens, 0);
	slots[20] = 0;
	pid = lab_role("tcp-unaccepted", receives, 7004);
	told((struct told){ "TCP recv, not accepted", "socket", SOCKET, "127.0.0.1:7004", pid, data_of(pid, slot(20)), { peer } });
	close(listener);
	listen_at(7005, 0);
	peer = lab_role("tcp-full", only_listens, 0);
	lab_role("tcp-filler", fills, 7005);
	slot(23);
	pid = lab_role("tcp-connecter", connects, 7005);
	told((struct told){ "TCP connect", "socket", SOCKET, "127.0.0.1:7005", pid, data_of(pid, slot(22)), { peer } });
	close(listener);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(7006), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	listener = socket(AF_INET6, SOCK_STREAM, 0);
	must(bind(listener, (void *)&six, sizeof six) == 0 && listen(listener, 5) == 0, "listen v6");
	peer = lab_role("tcp6-server", accepts, 33);
	pid = lab_role("tcp6-client", receives_six, 7006);
	told((struct told){ "TCP recv, IPv6", "socket", SOCKET, "[::1]:7006", pid, data_of(pid, slot(24)), { peer } });
	close(listener);
	pid = lab_role("udp-receiver", receives_datagram, 7007);
	told((struct told){ "UDP recv", "socket", SOCKET, "7007", pid, data_of(pid, slot(25)), { 0 } });
	pid = lab_role("netlink", receives_netlink, 0);
	told((struct told){ "netlink recv", "socket", SOCKET, "", pid, data_of(pid, slot(26)), { 0 } });
}

static void wait_for_unix(void)
{
	pid_t pid, peer;
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0, "socketpair");
	pid = lab_role("unix-reader", reads, 0);
	peer = lab_role("unix-writer", owner, 1);
	told((struct told){ "AF_UNIX stream recv", "socket", SOCKET, "", pid, data_of(pid, fd[0]), { peer } });
	close_pair();
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == 0, "socketpair");
	pid = lab_role("unix-dgram", reads, 0);
	peer = lab_role("unix-dgram-peer", owner, 1);
	told((struct told){ "AF_UNIX datagram recv", "socket", SOCKET, "", pid, data_of(pid, fd[0]), { peer } });
	close_pair();
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0, "socketpair");
	pid = lab_role("unix-full", writes, 0);
	peer = lab_role("unix-lazy", owner, 1);
	told((struct told){ "AF_UNIX stream send", "socket", SOCKET, "", pid, data_of(pid, fd[0]), { peer } });
	close_pair();
	struct sockaddr_un log = at_path("/run/log"), service = at_path("/run/service");
	listener = socket(AF_UNIX, SOCK_DGRAM, 0);
	must(bind(listener, (void *)&log, sizeof log) == 0, "bind log");
	peer = lab_role("syslogd", only_listens, 0);
	pid = lab_role("logger", sends_log, 34);
	slot(34);
	told((struct told){ "AF_UNIX datagram send", "socket", SOCKET, "/run/log", pid, data_of(peer, listener), { peer } });
	close(listener);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	must(bind(listener, (void *)&service, sizeof service) == 0 && listen(listener, 1) == 0, "listen unix");
	peer = lab_role("service", only_listens, 0);
	pid = lab_role("unix-connecter", connects_unix, 35);
	slot(35);
	lab_sleep_ms(500);
	told((struct told){ "AF_UNIX connect", "socket", SOCKET, "/run/service", pid, data_of(peer, listener), { peer } });
	close(listener);
	service = at_path("/run/other");
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	must(bind(listener, (void *)&service, sizeof service) == 0 && listen(listener, 1) == 0, "listen unix");
	pid = lab_role("unix-accepter", accepts, 36);
	told((struct told){ "AF_UNIX accept", "socket", SOCKET, "/run/other", pid, data_of(pid, listener), { 0 } });
	close(listener);
}
