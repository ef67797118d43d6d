// SPDX-License-Identifier: GPL-2.0
/*
 * Which TCP ports of this network namespace are taken, and which are listened on.
 */
#include "ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "report.h"

struct tcp_socket {
	char address[INET6_ADDRSTRLEN + 2];
	unsigned int port;
	unsigned int state;
	unsigned int uid;
};

typedef void (*tcp_socket_fn)(const struct tcp_socket *sk, void *data);

/*
 * One line is "sl: ADDRESS:PORT ADDRESS:PORT STATE tx:rx tr:when retrnsmt uid ...", in
 * hex, the address as 32-bit words in host byte order.
 */
static bool tcp_socket_parse(struct tcp_socket *sk, const char *line)
{
	char hex[33], ip[INET6_ADDRSTRLEN];
	uint32_t word[4];
	size_t i, words;

	if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %u",
		   hex, &sk->port, &sk->state, &sk->uid) != 4)
		return false;	/* the heading */
	words = strlen(hex) / 8;
	for (i = 0; i < words; i++) {
		char digits[9] = "";

		memcpy(digits, hex + 8 * i, 8);
		word[i] = (uint32_t)strtoul(digits, NULL, 16);
	}
	if (!inet_ntop(words == 1 ? AF_INET : AF_INET6, word, ip, sizeof(ip)))
		return false;
	snprintf(sk->address, sizeof(sk->address), words == 1 ? "%s" : "[%s]", ip);
	return sk->port < 65536;
}

static bool tcp_sockets(tcp_socket_fn fn, void *data)
{
	static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6" };
	bool read_one = false;
	struct tcp_socket sk;
	char line[512];
	size_t i;
	FILE *f;

	for (i = 0; i < 2; i++) {
		f = fopen(tables[i], "re");
		if (!f)
			continue;	/* a kernel without IPv6 */
		read_one = true;
		while (fgets(line, sizeof(line), f))
			if (tcp_socket_parse(&sk, line))
				fn(&sk, data);
		fclose(f);
	}
	return read_one;
}

static void mark_listening(const struct tcp_socket *sk, void *data)
{
	bool *listening = data;

	if (sk->state == TCP_LISTEN)
		listening[sk->port] = true;
}

bool ports_listening(bool *listening)
{
	memset(listening, 0, 65536 * sizeof(*listening));
	return tcp_sockets(mark_listening, listening);
}

struct holder {
	struct tcp_socket sk;
	bool found;
};

static void find_holder(const struct tcp_socket *sk, void *data)
{
	struct holder *holder = data;

	if (sk->port != holder->sk.port)
		return;
	if (!holder->found || sk->state == TCP_LISTEN)
		holder->sk = *sk;
	holder->found = true;
}

/* bind() as a server does, with SO_REUSEADDR: connections in TIME_WAIT are no obstacle. */
static int bind_errno(int family, unsigned int port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd, on = 1, err = 0;

	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (family == AF_INET ? bind(fd, (struct sockaddr *)&in, sizeof(in)) :
				bind(fd, (struct sockaddr *)&in6, sizeof(in6)))
		err = errno;
	close(fd);
	/* IPv6 compiled in but disabled: no address, nothing that could hold the port */
	return family == AF_INET6 && err == EADDRNOTAVAIL ? 0 : err;
}

bool port_check(unsigned int port)
{
	struct holder holder = { .sk.port = port };
	char object[32];
	int err;

	err = bind_errno(AF_INET, port);
	if (!err)
		err = bind_errno(AF_INET6, port);
	if (!err)
		return true;

	snprintf(object, sizeof(object), "port %u", port);
	if (err == EACCES) {
		report(object, "may not be bound without CAP_NET_BIND_SERVICE; choose a --port-base above net.ipv4.ip_unprivileged_port_start or run as root");
		return false;
	}
	if (err != EADDRINUSE) {
		report(object, "cannot be bound: %s", strerror(err));
		return false;
	}
	tcp_sockets(find_holder, &holder);
	if (!holder.found)
		report(object, "in use by a bound socket that is not connected; find it with ss -tanp or choose another --port-base");
	else
		report(object, "in use by a %s socket on %s, user id %u; stop it (ss -tanp sport = :%u) or choose another --port-base",
		       holder.sk.state == TCP_LISTEN ? "listening" : "connected", holder.sk.address,
		       holder.sk.uid, port);
	return false;
}

bool port_check_public(unsigned int port, const char *why)
{
	struct holder holder = { .sk.port = port };
	char object[32];

	tcp_sockets(find_holder, &holder);
	if (!holder.found || holder.sk.state != TCP_LISTEN)
		return true;
	snprintf(object, sizeof(object), "port %u", port);
	report(object, "a socket of user id %u listens on it already, on %s; stop it (ss -tlnp sport = :%u)%s",
	       holder.sk.uid, holder.sk.address, port, why);
	return false;
}
