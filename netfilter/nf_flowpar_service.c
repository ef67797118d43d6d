// SPDX-License-Identifier: GPL-2.0
/* The services of a namespace: life, conflicts, and the scan that packets do.
 *
 * Changes come from netlink in process context under flowpar_net.lock and replace the
 * whole table; packets read it under RCU. A service in a published table is
 * complete and does not change; it is freed a grace period after the table that lost
 * it. Invariant: for any local address, a port belongs to at most one service, as
 * its public port or as one of its per-core ports. Families and protocols are apart:
 * a dual-stack listener may be the per-core port of a service of each family.
 */
#include <linux/cpumask.h>
#include <linux/in.h>
#include <linux/netlink.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "nf_flowpar.h"

/**
 * flowpar_service_alloc - a service for the CPUs of a list, otherwise blank
 * @cpus: not empty, at most U16_MAX CPUs
 *
 * Return: the service, for flowpar_service_add() or flowpar_service_free(); or NULL.
 */
struct flowpar_service *flowpar_service_alloc(const struct cpumask *cpus)
{
	struct flowpar_service *service;
	unsigned int cpu;

	/* A container's services count against the container. */
	service = kvzalloc(struct_size(service, rank, nr_cpu_ids), GFP_KERNEL_ACCOUNT);
	if (!service)
		return NULL;

	service->cpu = alloc_percpu_gfp(struct flowpar_cpu,
					GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	service->cpus = kasprintf(GFP_KERNEL_ACCOUNT, "%*pbl", cpumask_pr_args(cpus));
	if (!service->cpu || !service->cpus) {
		flowpar_service_free(service);
		return NULL;
	}

	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		service->rank[cpu] = FLOWPAR_NO_RANK;
	for_each_cpu(cpu, cpus)
		service->rank[cpu] = service->n_cpus++;
	service->moved_until = jiffies;
	return service;
}

/**
 * flowpar_service_free - free a service that no packet can see
 * @service: the service
 */
void flowpar_service_free(struct flowpar_service *service)
{
	free_percpu(service->cpu);
	kfree(service->cpus);
	kvfree(service);
}

static void flowpar_service_rcu(struct rcu_head *head)
{
	flowpar_service_free(container_of(head, struct flowpar_service, rcu));
}

/**
 * flowpar_service_free_rcu - free a service that packets may still be reading
 * @service: a service that is in no table any more
 */
void flowpar_service_free_rcu(struct flowpar_service *service)
{
	call_rcu(&service->rcu, flowpar_service_rcu);
}

static struct flowpar_table *flowpar_table_alloc(unsigned int count)
{
	struct flowpar_table *table;

	table = kzalloc(struct_size(table, match, count), GFP_KERNEL_ACCOUNT);
	if (table)
		table->count = count;
	return table;
}

static struct flowpar_table *flowpar_table_locked(struct flowpar_net *fn, u8 family)
{
	return rcu_dereference_protected(fn->table[flowpar_family_index(family)],
					 lockdep_is_held(&fn->lock));
}

static void flowpar_table_replace(struct flowpar_net *fn, u8 family,
				  struct flowpar_table *table)
{
	struct flowpar_table *old = flowpar_table_locked(fn, family);

	rcu_assign_pointer(fn->table[flowpar_family_index(family)], table);
	/* 0 would mean "not dumping" to netlink. */
	if (!++fn->seq)
		fn->seq = 1;
	if (old)
		kfree_rcu(old, rcu);
}

/**
 * flowpar_service_is_any - whether a service is at any local address
 * @service: the service, or a key
 */
bool flowpar_service_is_any(const struct flowpar_service *service)
{
	return ipv6_addr_any(&service->address.in6);
}

static bool flowpar_address_equal(const struct flowpar_service *a,
				  const struct flowpar_service *b)
{
	return nf_inet_addr_cmp(&a->address, &b->address);
}

static bool flowpar_key_equal(const struct flowpar_service *a,
			      const struct flowpar_service *b)
{
	return a->family == b->family && a->protocol == b->protocol &&
	       flowpar_address_equal(a, b) && a->port == b->port;
}

static int flowpar_service_conflict(const struct flowpar_service *new,
				    const struct flowpar_service *old,
				    struct netlink_ext_ack *extack)
{
	if (flowpar_key_equal(new, old)) {
		NL_SET_ERR_MSG_FMT(extack, "port %u has a service already; delete it first",
				   old->port);
		return -EEXIST;
	}
	if (new->protocol != old->protocol)
		return 0;
	/* Two addresses share no packet, "any" shares some with each. */
	if (!flowpar_service_is_any(new) && !flowpar_service_is_any(old) &&
	    !flowpar_address_equal(new, old))
		return 0;

	if (new->base <= old->last && old->base <= new->last) {
		NL_SET_ERR_MSG_FMT(extack,
				   "per-core ports %u-%u overlap %u-%u of port %u",
				   new->base, new->last, old->base, old->last, old->port);
		return -EADDRINUSE;
	}
	if ((new->base <= old->port && old->port <= new->last) ||
	    (old->base <= new->port && new->port <= old->last)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "port %u or %u lies within the other's per-core ports",
				   new->port, old->port);
		return -EADDRINUSE;
	}
	return 0;
}

/**
 * flowpar_service_add - publish a service
 * @net: the namespace; its flowpar_net.lock is held
 * @service: complete and valid by itself; ours if this succeeds
 * @extack: gets the reason of a refusal
 *
 * Return: 0; -EEXIST for a duplicate, -EADDRINUSE for ports of another service,
 * -ENOSPC at the limit of services, or what allocation or registration said.
 */
int flowpar_service_add(struct net *net, struct flowpar_service *service,
			struct netlink_ext_ack *extack)
{
	struct flowpar_net *fn = flowpar_net(net);
	struct flowpar_table *old = flowpar_table_locked(fn, service->family);
	unsigned int i, at, count = old ? old->count : 0;
	struct flowpar_table *table;
	int err;

	for (i = 0; i < count; i++) {
		err = flowpar_service_conflict(service, old->match[i].service, extack);
		if (err)
			return err;
	}
	if (count == FLOWPAR_MAX_SERVICES) {
		NL_SET_ERR_MSG_FMT(extack,
				   "this namespace has %u services of this family, no more fit",
				   count);
		return -ENOSPC;
	}

	table = flowpar_table_alloc(count + 1);
	if (!table)
		return -ENOMEM;

	at = flowpar_service_is_any(service) ? count : 0;
	for (i = 0; i < count; i++)
		table->match[i + (i >= at)] = old->match[i];
	table->match[at] = (struct flowpar_match) {
		.address	= service->address,
		.port		= service->port,
		.first		= service->base,
		.last		= service->last,
		.protocol	= service->protocol,
		.service	= service,
	};

	if (!count) {
		err = flowpar_hooks_register(net, service->family);
		if (err) {
			NL_SET_ERR_MSG(extack, "cannot register netfilter hooks");
			kfree(table);
			return err;
		}
	}
	flowpar_table_replace(fn, service->family, table);
	return 0;
}

/**
 * flowpar_service_get - the service of a key
 * @net: the namespace; its flowpar_net.lock is held
 * @key: family, protocol, address and port
 *
 * Return: the service, valid while the lock is held; or NULL.
 */
struct flowpar_service *flowpar_service_get(const struct net *net,
					    const struct flowpar_service *key)
{
	struct flowpar_table *table = flowpar_table_locked(flowpar_net(net), key->family);
	unsigned int i;

	for (i = 0; table && i < table->count; i++)
		if (flowpar_key_equal(table->match[i].service, key))
			return table->match[i].service;
	return NULL;
}

/**
 * flowpar_service_unlink - take a service out of its namespace
 * @net: the namespace; its flowpar_net.lock is held
 * @key: family, protocol, address and port
 *
 * Return: the service, which packets may still be reading: it goes to
 * flowpar_service_free_rcu(). Or ERR_PTR(-ENOENT), ERR_PTR(-ENOMEM).
 */
struct flowpar_service *flowpar_service_unlink(struct net *net,
					       const struct flowpar_service *key)
{
	struct flowpar_service *service = flowpar_service_get(net, key);
	struct flowpar_net *fn = flowpar_net(net);
	struct flowpar_table *old = flowpar_table_locked(fn, key->family);
	struct flowpar_table *table = NULL;
	unsigned int i, n = 0;

	if (!service)
		return ERR_PTR(-ENOENT);

	if (old->count > 1) {
		table = flowpar_table_alloc(old->count - 1);
		if (!table)
			return ERR_PTR(-ENOMEM);
		for (i = 0; i < old->count; i++)
			if (old->match[i].service != service)
				table->match[n++] = old->match[i];
	}
	flowpar_table_replace(fn, key->family, table);
	if (!table)
		flowpar_hooks_unregister(net, key->family);
	return service;
}

/**
 * flowpar_services_release - free the services of a dying namespace
 * @net: the namespace: no hook runs, no request can come
 */
void flowpar_services_release(struct net *net)
{
	struct flowpar_net *fn = flowpar_net(net);
	struct flowpar_table *table;
	unsigned int family, i;

	for (family = 0; family < FLOWPAR_FAMILIES; family++) {
		table = rcu_dereference_protected(fn->table[family], true);
		if (!table)
			continue;
		RCU_INIT_POINTER(fn->table[family], NULL);
		for (i = 0; i < table->count; i++)
			flowpar_service_free(table->match[i].service);
		kfree(table);
	}
}

/**
 * flowpar_service_has_address - whether some service may be at an address
 * @net: the namespace
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @address: local address
 *
 * Context: hooks, under rcu_read_lock().
 */
bool flowpar_service_has_address(const struct net *net, u8 family,
				 const union nf_inet_addr *address)
{
	const struct flowpar_table *table;
	const struct flowpar_match *match;

	table = rcu_dereference(flowpar_net(net)->table[flowpar_family_index(family)]);
	if (!table)
		return false;

	for (match = table->match; match < table->match + table->count; match++)
		if (flowpar_match_address(match, family, address))
			return true;
	return false;
}
