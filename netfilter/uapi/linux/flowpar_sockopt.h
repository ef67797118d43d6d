/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
#ifndef _UAPI_LINUX_FLOWPAR_SOCKOPT_H
#define _UAPI_LINUX_FLOWPAR_SOCKOPT_H

/* FLOWPAR_SO_PUBLIC - which address and port did the client use?
 *
 * getsockname() of a connection that nf_flowpar steered tells the port of its core.
 * getsockopt() at this number, which no other user of the kernel's has, tells what is on
 * the wire; there is no setsockopt():
 *
 *	AF_INET sockets		SOL_IP		struct sockaddr_in
 *	AF_INET6 sockets	SOL_IPV6	struct sockaddr_in6; with the IPv4-mapped
 *						address if the client speaks IPv4
 *
 * For TCP, connected or listening, and for UDP. The address is the socket's own, so that
 * of a listener or of a UDP socket is as it was bound: if to any, only the port says
 * something, and only services of any address are looked at. A socket on a service's
 * public port is told that port. What is answered is the service as it is now, in the
 * network namespace of the socket. Needs no privilege.
 *
 * Errors: ENOPROTOOPT	nf_flowpar is not loaded, or the socket is neither TCP's nor UDP's
 *	   ENOENT	no service has this local address and port: they are what the
 *			client used, if there is one
 *	   EINVAL	*optlen is less than the structure's size
 *	   EFAULT	optval or optlen cannot be accessed
 */
#define FLOWPAR_SO_PUBLIC	26220

#endif /* _UAPI_LINUX_FLOWPAR_SOCKOPT_H */
