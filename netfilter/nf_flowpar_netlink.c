// SPDX-License-Identifier: GPL-2.0
/* The generic netlink family: requests into services, services into messages.
 *
 * Process context. What a service must fulfil by itself is checked here, conflicts with
 * others in nf_flowpar_service.c; both under flowpar_net.lock, so that what is
 * announced is what is. The policies and the family itself are generated from
 * flowpar.yaml. Privilege: the spec asks for CAP_NET_ADMIN in the user namespace of
 * the network namespace on every change.
 */
#include <linux/cpumask.h>
#include <linux/in.h>
#include <linux/netlink.h>
#include <linux/socket.h>
#include <net/genetlink.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netlink.h>

#include "nf_flowpar.h"
#include "nf_flowpar_nl.h"

static bool flowpar_address_is_unicast(u8 family, const union nf_inet_addr *address)
{
	if (family == AF_INET6)
		return !ipv6_addr_any(&address->in6) && !ipv6_addr_is_multicast(&address->in6);
	return !ipv4_is_zeronet(address->ip) && !ipv4_is_multicast(address->ip) &&
	       !ipv4_is_lbcast(address->ip);
}

static int flowpar_address_parse(const struct genl_info *info, struct flowpar_service *key)
{
	struct nlattr *attr = info->attrs[FLOWPAR_A_SERVICE_ADDRESS];
	bool ipv6 = key->family == AF_INET6;
	int len = ipv6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);

	if (!attr)
		return 0;
	if (nla_len(attr) != len) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr, "an %s address has %d bytes",
					ipv6 ? "IPv6" : "IPv4", len);
		return -EINVAL;
	}
	nla_memcpy(&key->address, attr, len);
	if (!flowpar_address_is_unicast(key->family, &key->address)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "not a unicast address; leave it out for any");
		return -EINVAL;
	}
	if (ipv6 && ipv6_addr_v4mapped(&key->address.in6)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "an IPv4 address; give it as one: packets have it so");
		return -EINVAL;
	}
	return 0;
}

static int flowpar_key_parse(const struct genl_info *info, struct flowpar_service *key)
{
	struct nlattr *family = info->attrs[FLOWPAR_A_SERVICE_FAMILY];
	struct nlattr *protocol = info->attrs[FLOWPAR_A_SERVICE_PROTOCOL];
	struct nlattr *port = info->attrs[FLOWPAR_A_SERVICE_PORT];

	if (GENL_REQ_ATTR_CHECK(info, FLOWPAR_A_SERVICE_FAMILY) ||
	    GENL_REQ_ATTR_CHECK(info, FLOWPAR_A_SERVICE_PROTOCOL) ||
	    GENL_REQ_ATTR_CHECK(info, FLOWPAR_A_SERVICE_PORT))
		return -EINVAL;

	key->family = nla_get_u8(family);
	if (key->family != AF_INET && key->family != AF_INET6) {
		NL_SET_ERR_MSG_ATTR(info->extack, family, "only IPv4 and IPv6 are supported");
		return -EAFNOSUPPORT;
	}
	if (key->family == AF_INET6 && !ipv6_mod_enabled()) {
		NL_SET_ERR_MSG_ATTR(info->extack, family, "this kernel runs without IPv6");
		return -EAFNOSUPPORT;
	}
	key->protocol = nla_get_u8(protocol);
	if (key->protocol != IPPROTO_TCP && key->protocol != IPPROTO_UDP) {
		NL_SET_ERR_MSG_ATTR(info->extack, protocol, "only TCP and UDP are supported");
		return -EPROTONOSUPPORT;
	}
	key->port = nla_get_u16(port);
	return flowpar_address_parse(info, key);
}

static struct flowpar_service *flowpar_cpus_parse(const struct genl_info *info)
{
	struct nlattr *attr = info->attrs[FLOWPAR_A_SERVICE_CPUS];
	struct flowpar_service *service;
	cpumask_var_t cpus;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, FLOWPAR_A_SERVICE_CPUS))
		return ERR_PTR(-EINVAL);
	if (!alloc_cpumask_var(&cpus, GFP_KERNEL))
		return ERR_PTR(-ENOMEM);

	err = cpulist_parse(nla_data(attr), cpus);
	if (err) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"not a list of CPUs from 0 to %u", nr_cpu_ids - 1);
		service = ERR_PTR(err);
	} else if (cpumask_empty(cpus)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "the CPU list is empty");
		service = ERR_PTR(-EINVAL);
	} else if (!cpumask_subset(cpus, cpu_possible_mask)) {
		cpumask_andnot(cpus, cpus, cpu_possible_mask);
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr, "CPU %u does not exist",
					cpumask_first(cpus));
		service = ERR_PTR(-EINVAL);
	} else {
		service = flowpar_service_alloc(cpus) ?: ERR_PTR(-ENOMEM);
	}
	free_cpumask_var(cpus);
	return service;
}

/* A client socket of this host that got one of our ports as its own would have its
 * packets rewritten.
 */
static bool flowpar_port_is_ephemeral(struct net *net, u16 port)
{
	int low, high;

	inet_get_local_port_range(net, &low, &high);
	return port >= low && port <= high && !inet_is_local_reserved_port(net, port);
}

static int flowpar_ephemeral_check(struct net *net, const struct genl_info *info,
				   const struct flowpar_service *service)
{
	unsigned int rank, instance;
	struct nlattr *attr;
	u16 port;

	attr = info->attrs[FLOWPAR_A_SERVICE_PORT];
	port = service->port;
	if (flowpar_port_is_ephemeral(net, port))
		goto refuse;

	attr = info->attrs[FLOWPAR_A_SERVICE_BASE_PORT];
	for (rank = 0; rank < service->n_cpus; rank++)
		for (instance = 0; instance < service->per_core; instance++) {
			port = service->base + rank * service->stride + instance;
			if (flowpar_port_is_ephemeral(net, port))
				goto refuse;
		}
	return 0;

refuse:
	NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
				"port %u is ephemeral: reserve it in ip_local_reserved_ports",
				port);
	return -EADDRINUSE;
}

static int flowpar_ports_parse(struct net *net, const struct genl_info *info,
			       struct flowpar_service *service)
{
	struct nlattr *base = info->attrs[FLOWPAR_A_SERVICE_BASE_PORT];
	struct nlattr *stride = info->attrs[FLOWPAR_A_SERVICE_STRIDE];
	struct nlattr *per_core = info->attrs[FLOWPAR_A_SERVICE_PER_CORE];
	unsigned int last;

	if (GENL_REQ_ATTR_CHECK(info, FLOWPAR_A_SERVICE_BASE_PORT))
		return -EINVAL;
	service->base = nla_get_u16(base);
	service->stride = stride ? nla_get_u16(stride) : FLOWPAR_DEFAULT_STRIDE;
	service->per_core = per_core ? nla_get_u16(per_core) : 1;

	if (service->per_core > service->stride) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, per_core ?: stride,
					"%u instances per core do not fit a stride of %u",
					service->per_core, service->stride);
		return -EINVAL;
	}

	/* One search may look at them all. */
	if (service->n_cpus * service->per_core > FLOWPAR_MAX_PORTS) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, per_core ?: base,
					"%u per-core ports, more than %u",
					service->n_cpus * service->per_core,
					FLOWPAR_MAX_PORTS);
		return -ERANGE;
	}

	last = service->base + (service->n_cpus - 1) * service->stride +
	       service->per_core - 1;
	if (last > U16_MAX) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, base,
					"per-core ports would end at %u, past 65535", last);
		return -ERANGE;
	}
	service->last = last;

	if (service->port >= service->base && service->port <= last) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, base,
					"public port %u lies within its per-core ports %u-%u",
					service->port, service->base, last);
		return -EINVAL;
	}
	return flowpar_ephemeral_check(net, info, service);
}

static int flowpar_spill_parse(const struct genl_info *info, struct flowpar_service *service)
{
	struct nlattr *spill = info->attrs[FLOWPAR_A_SERVICE_SPILL];

	service->spill = spill ? nla_get_u8(spill) : 0;
	if (service->spill && service->protocol != IPPROTO_TCP) {
		NL_SET_ERR_MSG_ATTR(info->extack, spill,
				    "datagrams have no accept queue; only TCP spills");
		return -EINVAL;
	}
	return 0;
}

static int flowpar_signed_check(struct net *net, const struct genl_info *info,
				const struct flowpar_service *service)
{
	u16 port;

	if (service->protocol != IPPROTO_TCP)
		return 0;
	port = flowpar_listener_signed(net, service);
	if (!port)
		return 0;
	NL_SET_ERR_MSG_ATTR_FMT(info->extack, info->attrs[FLOWPAR_A_SERVICE_BASE_PORT],
				"the listener on port %u has TCP-MD5 or TCP-AO keys, which sign the ports",
				port);
	return -EOPNOTSUPP;
}

static int flowpar_key_put(struct sk_buff *skb, const struct flowpar_service *service)
{
	if (nla_put_u8(skb, FLOWPAR_A_SERVICE_FAMILY, service->family) ||
	    nla_put_u8(skb, FLOWPAR_A_SERVICE_PROTOCOL, service->protocol) ||
	    (!flowpar_service_is_any(service) &&
	     nla_put(skb, FLOWPAR_A_SERVICE_ADDRESS, service->family == AF_INET6 ?
		     sizeof(service->address.in6) : sizeof(service->address.in),
		     &service->address)) ||
	    nla_put_u16(skb, FLOWPAR_A_SERVICE_PORT, service->port))
		return -EMSGSIZE;
	return 0;
}

/* @cb: the dump that this is part of, or NULL */
static int flowpar_service_put(struct sk_buff *skb, const struct flowpar_service *service,
			       const struct genl_info *info, struct netlink_callback *cb)
{
	void *hdr = genlmsg_iput(skb, info);

	if (!hdr)
		return -EMSGSIZE;

	if (cb)
		genl_dump_check_consistent(cb, hdr);

	if (flowpar_key_put(skb, service) ||
	    nla_put_u16(skb, FLOWPAR_A_SERVICE_BASE_PORT, service->base) ||
	    nla_put_u16(skb, FLOWPAR_A_SERVICE_STRIDE, service->stride) ||
	    nla_put_u16(skb, FLOWPAR_A_SERVICE_PER_CORE, service->per_core) ||
	    nla_put_string(skb, FLOWPAR_A_SERVICE_CPUS, service->cpus) ||
	    nla_put_u8(skb, FLOWPAR_A_SERVICE_SPILL, service->spill)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/* The fixed attributes take less than 100 bytes; the CPU list can be any length. */
static struct sk_buff *flowpar_service_message(const struct flowpar_service *service)
{
	return genlmsg_new(100 + nla_total_size(strlen(service->cpus) + 1), GFP_KERNEL);
}

static void flowpar_service_notify(struct net *net, const struct flowpar_service *service,
				   u8 cmd)
{
	struct genl_info info;
	struct sk_buff *skb;

	if (!genl_has_listeners(&flowpar_nl_family, net, FLOWPAR_NLGRP_SERVICES))
		return;

	genl_info_init_ntf(&info, &flowpar_nl_family, cmd);
	skb = flowpar_service_message(service);
	if (!skb)
		return;
	if (flowpar_service_put(skb, service, &info, NULL)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_multicast_netns(&flowpar_nl_family, net, skb, 0, FLOWPAR_NLGRP_SERVICES,
				GFP_KERNEL);
}

int flowpar_nl_service_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct flowpar_net *fn = flowpar_net(net);
	struct flowpar_service *service;
	int err;

	service = flowpar_cpus_parse(info);
	if (IS_ERR(service))
		return PTR_ERR(service);

	err = flowpar_key_parse(info, service);
	if (!err)
		err = flowpar_ports_parse(net, info, service);
	if (!err)
		err = flowpar_spill_parse(info, service);
	if (!err)
		err = flowpar_signed_check(net, info, service);
	if (err)
		goto free;

	mutex_lock(&fn->lock);
	err = flowpar_service_add(net, service, info->extack);
	if (!err)
		flowpar_service_notify(net, service, FLOWPAR_CMD_SERVICE_ADD_NTF);
	mutex_unlock(&fn->lock);
	if (!err)
		return 0;

	if (err == -EEXIST)
		NL_SET_BAD_ATTR(info->extack, info->attrs[FLOWPAR_A_SERVICE_PORT]);
	else if (err == -EADDRINUSE)
		NL_SET_BAD_ATTR(info->extack, info->attrs[FLOWPAR_A_SERVICE_BASE_PORT]);
free:
	flowpar_service_free(service);
	return err;
}

static int flowpar_no_service(const struct genl_info *info, u16 port)
{
	NL_SET_ERR_MSG_ATTR_FMT(info->extack, info->attrs[FLOWPAR_A_SERVICE_PORT],
				"no service of this address has port %u", port);
	return -ENOENT;
}

int flowpar_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct flowpar_net *fn = flowpar_net(net);
	struct flowpar_service key = {}, *service;
	int err;

	err = flowpar_key_parse(info, &key);
	if (err)
		return err;

	mutex_lock(&fn->lock);
	service = flowpar_service_unlink(net, &key);
	if (!IS_ERR(service))
		flowpar_service_notify(net, service, FLOWPAR_CMD_SERVICE_DEL_NTF);
	mutex_unlock(&fn->lock);

	if (IS_ERR(service))
		return PTR_ERR(service) == -ENOENT ? flowpar_no_service(info, key.port) :
						     PTR_ERR(service);
	flowpar_service_free_rcu(service);
	return 0;
}

int flowpar_nl_service_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct flowpar_net *fn = flowpar_net(net);
	struct flowpar_service key = {}, *service;
	struct sk_buff *reply = NULL;
	int err;

	err = flowpar_key_parse(info, &key);
	if (err)
		return err;

	mutex_lock(&fn->lock);
	service = flowpar_service_get(net, &key);
	if (!service) {
		err = flowpar_no_service(info, key.port);
	} else {
		reply = flowpar_service_message(service);
		err = reply ? flowpar_service_put(reply, service, info, NULL) : -ENOMEM;
	}
	mutex_unlock(&fn->lock);

	if (err) {
		nlmsg_free(reply);
		return err;
	}
	return genlmsg_reply(reply, info);
}

/* Where a dump goes on, in netlink_callback.ctx. */
struct flowpar_dump {
	unsigned int family;
	unsigned int service;
	unsigned int cpu;
};

static struct flowpar_dump *flowpar_dump(struct netlink_callback *cb)
{
	NL_ASSERT_DUMP_CTX_FITS(struct flowpar_dump);
	return (struct flowpar_dump *)cb->ctx;
}

/* The service that a dump is at, or NULL at its end. */
static const struct flowpar_service *flowpar_dump_service(struct flowpar_net *fn,
							  struct flowpar_dump *at)
{
	const struct flowpar_table *table;

	for (; at->family < FLOWPAR_FAMILIES; at->family++) {
		table = rcu_dereference_protected(fn->table[at->family],
						  lockdep_is_held(&fn->lock));
		if (table && at->service < table->count)
			return table->match[at->service].service;
		at->service = 0;
	}
	return NULL;
}

/* Before Linux 6.9 a message that is full ends the dump, unless its length is returned. */
static int flowpar_dump_end(const struct sk_buff *skb, int err)
{
	return err == -EMSGSIZE && skb->len ? (int)skb->len : err;
}

int flowpar_nl_service_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct flowpar_net *fn = flowpar_net(sock_net(skb->sk));
	struct flowpar_dump *at = flowpar_dump(cb);
	const struct flowpar_service *service;
	int err = 0;

	mutex_lock(&fn->lock);
	cb->seq = fn->seq;
	for (; (service = flowpar_dump_service(fn, at)); at->service++) {
		err = flowpar_service_put(skb, service, genl_info_dump(cb), cb);
		if (err)
			break;
	}
	mutex_unlock(&fn->lock);
	return flowpar_dump_end(skb, err);
}

static int flowpar_stats_put(struct sk_buff *skb, const struct flowpar_service *service,
			     unsigned int cpu, struct netlink_callback *cb)
{
	static const int attributes[FLOWPAR_COUNTERS] = {
		[FLOWPAR_IN]		= FLOWPAR_A_STATS_IN,
		[FLOWPAR_OUT]		= FLOWPAR_A_STATS_OUT,
		[FLOWPAR_ATTACHED]	= FLOWPAR_A_STATS_ATTACHED,
		[FLOWPAR_MOVED]		= FLOWPAR_A_STATS_MOVED,
		[FLOWPAR_MISSED]	= FLOWPAR_A_STATS_MISSED,
		[FLOWPAR_THROTTLED]	= FLOWPAR_A_STATS_THROTTLED,
		[FLOWPAR_CLOSED]	= FLOWPAR_A_STATS_CLOSED,
		[FLOWPAR_FOREIGN_CPU]	= FLOWPAR_A_STATS_FOREIGN_CPU,
		[FLOWPAR_ERROR]		= FLOWPAR_A_STATS_ERROR,
		[FLOWPAR_ICMP]		= FLOWPAR_A_STATS_ICMP,
		[FLOWPAR_SPILLED]	= FLOWPAR_A_STATS_SPILLED,
	};
	const struct flowpar_cpu *counted = per_cpu_ptr(service->cpu, cpu);
	unsigned long counter[FLOWPAR_COUNTERS], any = 0;
	struct nlattr *nest;
	unsigned int i;
	void *hdr;

	for (i = 0; i < FLOWPAR_COUNTERS; i++)
		any |= counter[i] = READ_ONCE(counted->counter[i]);
	if (service->rank[cpu] == FLOWPAR_NO_RANK && !any)
		return 0;

	hdr = genlmsg_iput(skb, genl_info_dump(cb));
	if (!hdr)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, hdr);
	nest = nla_nest_start(skb, FLOWPAR_A_STATS_SERVICE);
	if (!nest || flowpar_key_put(skb, service))
		goto cancel;
	nla_nest_end(skb, nest);
	if (nla_put_u32(skb, FLOWPAR_A_STATS_CPU, cpu))
		goto cancel;
	for (i = 0; i < FLOWPAR_COUNTERS; i++)
		if (nla_put_uint(skb, attributes[i], counter[i]))
			goto cancel;
	genlmsg_end(skb, hdr);
	return 0;

cancel:
	genlmsg_cancel(skb, hdr);
	return -EMSGSIZE;
}

int flowpar_nl_stats_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct flowpar_net *fn = flowpar_net(sock_net(skb->sk));
	struct flowpar_dump *at = flowpar_dump(cb);
	const struct flowpar_service *service;
	int err = 0;

	mutex_lock(&fn->lock);
	cb->seq = fn->seq;
	for (; (service = flowpar_dump_service(fn, at)); at->service++) {
		for (; at->cpu < nr_cpu_ids; at->cpu++) {
			if (!cpu_possible(at->cpu))
				continue;
			err = flowpar_stats_put(skb, service, at->cpu, cb);
			if (err)
				goto unlock;
		}
		at->cpu = 0;
	}
unlock:
	mutex_unlock(&fn->lock);
	return flowpar_dump_end(skb, err);
}
