// SPDX-License-Identifier: GPL-2.0
/* The socket option that tells a server which port its client used.
 *
 * Process context, in the caller's system call; nf_getsockopt() holds the module
 * meanwhile. The socket's lock keeps address and port together; services are read under
 * RCU as the hooks do.
 */
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/socket.h>
#include <linux/uaccess.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <uapi/linux/flowpar_sockopt.h>

#include "nf_flowpar.h"

/* A transparent proxy's socket has another host's address, whose ports are its own. */
static bool flowpar_socket_is_local(struct net *net, struct sock *sk, u8 family,
				    const union nf_inet_addr *address)
{
	const struct net_device *dev = NULL;

	/* As the hooks ask before they rewrite what it sends. */
	if (family == NFPROTO_IPV6 ? flowpar_ipv6_sends_locally(net, sk) :
				     !inet_sk_transparent(sk))
		return true;
	if (sk->sk_bound_dev_if)
		dev = dev_get_by_index_rcu(net, sk->sk_bound_dev_if);
	return flowpar_address_is_local(net, dev ?: net->loopback_dev, family, address);
}

/* 0: none */
static u16 flowpar_public_port(struct net *net, struct sock *sk, u8 family,
			       const union nf_inet_addr *address, bool any)
{
	const struct flowpar_service *service;
	u16 port = 0;

	rcu_read_lock();
	service = flowpar_service_find(net, family, sk->sk_protocol, address,
				       inet_sk(sk)->inet_num);
	if (service && (any || flowpar_socket_is_local(net, sk, family, address)))
		port = service->port;
	rcu_read_unlock();
	return port;
}

static int flowpar_public4(struct sock *sk, struct sockaddr_in *sin)
{
	union nf_inet_addr address = { .ip = inet_sk(sk)->inet_rcv_saddr };
	u16 port;

	port = flowpar_public_port(sock_net(sk), sk, NFPROTO_IPV4, &address, !address.ip);
	if (!port)
		return -ENOENT;
	sin->sin_family = AF_INET;
	sin->sin_port = htons(port);
	sin->sin_addr.s_addr = address.ip;
	return 0;
}

static int flowpar_get4(struct sock *sk, int optval, void __user *user, int *len)
{
	struct sockaddr_in sin = {};
	int err;

	if (sk->sk_family != AF_INET || (!sk_is_tcp(sk) && !sk_is_udp(sk)))
		return -ENOPROTOOPT;
	if (*len < (int)sizeof(sin))
		return -EINVAL;

	lock_sock(sk);
	err = flowpar_public4(sk, &sin);
	release_sock(sk);
	if (err)
		return err;
	*len = sizeof(sin);
	return copy_to_user(user, &sin, sizeof(sin)) ? -EFAULT : 0;
}

#if IS_ENABLED(CONFIG_IPV6)
static int flowpar_public6(struct sock *sk, struct sockaddr_in6 *sin6)
{
	union nf_inet_addr address = { .in6 = sk->sk_v6_rcv_saddr };
	union nf_inet_addr address4 = { .ip = address.in6.s6_addr32[3] };
	bool any = ipv6_addr_any(&address.in6);
	struct net *net = sock_net(sk);
	u16 port = 0;

	if (!ipv6_addr_v4mapped(&address.in6))
		port = flowpar_public_port(net, sk, NFPROTO_IPV6, &address, any);
	if (!port && (ipv6_addr_v4mapped(&address.in6) || (any && !ipv6_only_sock(sk))))
		port = flowpar_public_port(net, sk, NFPROTO_IPV4, &address4, !address4.ip);
	if (!port)
		return -ENOENT;
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	sin6->sin6_addr = address.in6;
	sin6->sin6_scope_id = ipv6_iface_scope_id(&address.in6, sk->sk_bound_dev_if);
	return 0;
}

static int flowpar_get6(struct sock *sk, int optval, void __user *user, int *len)
{
	struct sockaddr_in6 sin6 = {};
	int err;

	if (sk->sk_family != AF_INET6 || (!sk_is_tcp(sk) && !sk_is_udp(sk)))
		return -ENOPROTOOPT;
	if (*len < (int)sizeof(sin6))
		return -EINVAL;

	lock_sock(sk);
	err = flowpar_public6(sk, &sin6);
	release_sock(sk);
	if (err)
		return err;
	*len = sizeof(sin6);
	return copy_to_user(user, &sin6, sizeof(sin6)) ? -EFAULT : 0;
}
#endif

static struct nf_sockopt_ops flowpar_sockopts[] = {
	{
		.pf		= PF_INET,
		.get_optmin	= FLOWPAR_SO_PUBLIC,
		.get_optmax	= FLOWPAR_SO_PUBLIC + 1,
		.get		= flowpar_get4,
		.owner		= THIS_MODULE,
	},
#if IS_ENABLED(CONFIG_IPV6)
	{
		.pf		= PF_INET6,
		.get_optmin	= FLOWPAR_SO_PUBLIC,
		.get_optmax	= FLOWPAR_SO_PUBLIC + 1,
		.get		= flowpar_get6,
		.owner		= THIS_MODULE,
	},
#endif
};

/**
 * flowpar_sockopt_register - let sockets ask for their public port
 *
 * Context: module initialisation.
 * Return: 0; or -EBUSY if another module has the number, and then nothing is registered.
 */
int __init flowpar_sockopt_register(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(flowpar_sockopts); i++) {
		err = nf_register_sockopt(&flowpar_sockopts[i]);
		if (err) {
			while (i--)
				nf_unregister_sockopt(&flowpar_sockopts[i]);
			return err;
		}
	}
	return 0;
}

/**
 * flowpar_sockopt_unregister - undo flowpar_sockopt_register()
 *
 * Whoever is being answered holds the module, so nobody is when it goes.
 */
void flowpar_sockopt_unregister(void)
{
	unsigned int i;

	for (i = ARRAY_SIZE(flowpar_sockopts); i--; )
		nf_unregister_sockopt(&flowpar_sockopts[i]);
}
