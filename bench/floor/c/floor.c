// The least that a TCP check can cost: connect and close, one thread, one epoll set.
//
//	floor rst|close IN_FLIGHT SECONDS ADDRESSES PORTS FIRST_PORT
//
// It goes round the listeners of bench/target and prints connections, its processor
// time and the time that passed, in nanoseconds.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int rst, addresses, ports, first_port, epoll;

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void start(long i) {
	i %= (long)addresses * ports;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(first_port + i / addresses)};
	to.sin_addr.s_addr = htonl(0x7f000101 + i % addresses);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) die("socket");
	if (rst) {
		struct linger now = {.l_onoff = 1, .l_linger = 0};
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) die("connect");
	struct epoll_event e = {.events = EPOLLOUT, .data.fd = fd};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0) die("epoll_ctl");
}

int main(int argc, char **argv) {
	if (argc != 7) return 2;
	rst = !strcmp(argv[1], "rst");
	int in_flight = atoi(argv[2]);
	double seconds = atof(argv[3]);
	addresses = atoi(argv[4]), ports = atoi(argv[5]), first_port = atoi(argv[6]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	long long begin = now(CLOCK_MONOTONIC), used = now(CLOCK_PROCESS_CPUTIME_ID), end = begin + (long long)(seconds * 1e9);
	long started = 0, done = 0;
	struct epoll_event events[64];
	while (started < in_flight) start(started++);
	while (done < started) {
		int n = epoll_wait(epoll, events, 64, 5000);
		if (n == 0) die("nothing answers");
		int more = now(CLOCK_MONOTONIC) < end;
		for (int i = 0; i < n; i++, done++) {
			int error = 0;
			socklen_t size = sizeof error;
			getsockopt(events[i].data.fd, SOL_SOCKET, SO_ERROR, &error, &size);
			if (error) errno = error, die("connect");
			close(events[i].data.fd);
			if (more) start(started++);
		}
	}
	printf("%ld %lld %lld\n", done, now(CLOCK_PROCESS_CPUTIME_ID) - used, now(CLOCK_MONOTONIC) - begin);
	return 0;
}
