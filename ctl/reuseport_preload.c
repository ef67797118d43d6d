// SPDX-License-Identifier: GPL-2.0
/*
 * For servers of flowparctl run --listen reuseport: sets SO_REUSEPORT on a socket
 * that is bound to the public port, so that each instance can have its own.
 *
 * Where it runs: in the server, at bind(), by LD_PRELOAD. The port is read from
 * FLOWPAR_PORT when the program starts, before it can have written over its environment.
 * Everything else about the socket is the server's; a socket that has the option already
 * is left as it is. The dynamic linker ignores LD_PRELOAD for set-user-id programs and
 * those with file capabilities, and static ones have none: flowparctl sees, and says,
 * that the option is missing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

static int (*next_bind)(int fd, const struct sockaddr *address, socklen_t len);
static unsigned long port;

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("FLOWPAR_PORT");

	if (text)
		port = strtoul(text, NULL, 10);
}

static unsigned int port_of(const struct sockaddr *address, socklen_t len)
{
	if (address && len >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)address)->sin_port);
	/* The scope id came later: without it an address is still one. */
	if (address && len >= offsetof(struct sockaddr_in6, sin6_scope_id) && address->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
	return 0;
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	int on = 1, before = errno;

	if (!next_bind)
		next_bind = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
	/* Refused: then bind() fails, as it would have, and the server says so. */
	if (port && port_of(address, len) == port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	errno = before;
	return next_bind(fd, address, len);
}
