// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz-packets: changed packets through the module's own packet path, under sanitizers.
 *
 *   fuzz-packets CORPUS [SEED [COUNT [FIRST]]]
 *
 * What each packet may become is worked out here a second time, from its bytes: a flow of
 * a service changes in one port and one checksum, an ICMP error in one port and two; the
 * sums of what the checksums cover stay; everything else stays as it is, to the byte.
 * References to sockets are all put or attached. The first packet that breaks a rule is
 * printed with the arguments that make it again.
 */
#include <inttypes.h>

#include "world.h"
#include "corpus.h"

static const u8 server4[] = { 10, 77, 0, 1 };
static const u8 server6[] = { 0xfd, 0x77, [15] = 1 };

static struct net net;
/* Ours, and another that may or may not come after it. */
static struct nf_hook_entries chains[2] = {
	{ .hooks = { { flowpar_in_hook4 } } },
	{ .hooks = { { flowpar_in_hook6 } } },
};
static struct flowpar_net flowpar;
static struct flowpar_service *services[4];
/* Of the TCP services, per core: with one, the port follows from the CPU alone. */
static unsigned int instances = 2;

static struct {
	uint64_t seed, index;
	const char *what, *name;
	struct input before;
} now;

/* Local: in, by loopback. */
enum hook { HOOK_IN, HOOK_LOCAL, HOOK_OUT };

/* What a packet is to the services, as far as its bytes say. */
enum kind { NOTHING, FRAGMENT, FLOW_PUBLIC, FLOW_CORE, ERROR_PUBLIC, ERROR_CORE };

static unsigned long seen[3][6], refused, rewritten, attached, listeners, dropped, untied, closed_here;

_Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
	size_t i;

	fprintf(stderr, "%s:%d: not so: %s\nhook %s, from %s, again by: SEED %" PRIu64 " COUNT 1 FIRST %" PRIu64 "\n",
		file, line, what, now.what, now.name, now.seed, now.index);
	for (i = 0; i < now.before.len; i++)
		fprintf(stderr, "%02x%c", now.before.data[i], i % 16 == 15 ? '\n' : ' ');
	fputc('\n', stderr);
	abort();
}

bool is_local(bool ipv6, const u8 *address)
{
	return !memcmp(address, ipv6 ? server6 : server4, ipv6 ? 16 : 4);
}

static void skb_empty(struct sk_buff *skb)
{
	free(skb->data);
	free(skb->rest);
}

void skb_fill(struct sk_buff *skb, const u8 *data, unsigned int len, unsigned int head)
{
	if (skb->cloned)
		fuzz_assert(!world.shared), world.shared = NULL;
	skb_empty(skb);
	skb->len = len;
	skb->data_len = len - head;
	skb->data = malloc(head ?: 1);
	skb->rest = malloc(skb->data_len ?: 1);
	memcpy(skb->data, data, head);
	memcpy(skb->rest, data + head, skb->data_len);
}

static struct flowpar_service *service_add(u8 family, u8 protocol, u16 port, u16 base, u8 spill)
{
	const struct cpumask cpus = { .bits = 0x7 };	/* not the last CPU */
	struct flowpar_service *service = flowpar_service_alloc(&cpus);

	service->family = family;
	service->protocol = protocol;
	service->port = port;
	service->base = base;
	service->stride = 8;
	service->per_core = protocol == IPPROTO_TCP ? 2 : 1;
	service->last = base + 2 * 8 + service->per_core - 1;
	service->spill = spill;
	if (flowpar_service_add(&net, service, NULL))
		die("services", "one is refused");
	return service;
}

static u16 base_of(u8 protocol)
{
	return protocol == IPPROTO_TCP ? BASE_TCP : BASE_UDP;
}

static bool is_core_port(u8 protocol, u16 port)
{
	unsigned int rank = (port - base_of(protocol)) / 8, instance = (port - base_of(protocol)) % 8;

	return port >= base_of(protocol) && rank < 3 && instance < (protocol == IPPROTO_TCP ? instances : 1);
}

static bool is_public_port(u8 protocol, u16 port)
{
	return port == (protocol == IPPROTO_TCP ? PORT_TCP : PORT_UDP);
}

static unsigned int header_of(u8 protocol)
{
	return protocol == IPPROTO_TCP ? 20 : 8;
}

static unsigned int check_of(u8 protocol)
{
	return protocol == IPPROTO_TCP ? 16 : 6;
}

/* Where a packet may change: the port, its checksum, and around it an error's. */
struct part {
	enum kind kind;
	u8 protocol;
	bool syn, unsure;
	size_t transport, port, check, outer;
};

static bool address_is_local(const u8 *packet, bool source)
{
	bool ipv6 = packet[0] >> 4 == 6;

	return is_local(ipv6, packet + (ipv6 ? source ? 8 : 24 : source ? 12 : 16));
}

/* The part of the packet at @data that is a service's; @ours: the end that is this host. */
static struct part part_of(const u8 *data, size_t len, bool ipv6, bool source, bool sent)
{
	struct part part = { .kind = NOTHING };
	struct where where;
	const u8 *transport, *quoted;
	size_t at;
	u16 port;

	/* The hook is the family's, whatever the version says. */
	if (data[0] >> 4 != (ipv6 ? 6 : 4)) {
		part.unsure = true;
		return part;
	}
	where = transport_of(data, len);
	/* The kernel's walk looks at the last fragment header, not at all of them. */
	part.unsure = where.fragments > 1;
	if (where.fragment) {
		part.kind = FRAGMENT;
		/* A first fragment has all that an error's rewriting needs, sent from here. */
		part.unsure |= where.found && where.protocol == IPPROTO_ICMPV6;
		return part;
	}
	if (!where.found || where.authenticated ||
	    (where.elsewhere && !sent && where.protocol != IPPROTO_ICMPV6))
		return part;
	transport = data + where.offset;
	part.transport = where.offset;
	part.protocol = where.protocol;

	if (where.protocol == IPPROTO_TCP || where.protocol == IPPROTO_UDP) {
		if (where.offset + header_of(where.protocol) > len ||
		    (where.protocol == IPPROTO_TCP && transport[12] >> 4 < 5))
			return part;
		part.port = where.offset + (source ? 0 : 2);
		part.check = where.offset + check_of(where.protocol);
		part.syn = where.protocol == IPPROTO_TCP && (transport[13] & 0x12) == 0x02;
		port = get16(data + part.port);
		if (!address_is_local(data, source))
			return part;
		if (is_public_port(where.protocol, port))
			part.kind = FLOW_PUBLIC;
		else if (is_core_port(where.protocol, port))
			part.kind = FLOW_CORE;
		return part;
	}

	if (where.protocol != (ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) || where.offset + 8 > len)
		return part;
	if (ipv6 ? transport[0] & 128 : !icmp_is_err(transport[0]))
		return part;
	at = where.offset + 8;
	if (at + (ipv6 ? 40 : 20) > len)
		return part;
	quoted = data + at;
	if (quoted[0] >> 4 != (ipv6 ? 6 : 4))
		return part;
	if (!ipv6 && (get16(quoted + 6) & 0x1fff))
		return part;
	where = transport_of(quoted, len - at);
	if (!where.found || (ipv6 && where.fragment && where.fragments > 1))
		return part;
	if (where.protocol != IPPROTO_TCP && where.protocol != IPPROTO_UDP)
		return part;
	if (at + where.offset + 8 > len)
		return part;
	/* The quoted packet went the other way. */
	if (!address_is_local(quoted, !source))
		return part;
	if (!source && memcmp(quoted + (ipv6 ? 8 : 12), data + (ipv6 ? 24 : 16), ipv6 ? 16 : 4))
		return part;
	part.outer = part.transport + 2;
	part.transport = at + where.offset;
	part.protocol = where.protocol;
	part.port = part.transport + (source ? 2 : 0);
	part.check = part.transport + check_of(where.protocol);
	if (part.check + 2 > len)
		part.check = 0;
	port = get16(data + part.port);
	if (is_public_port(where.protocol, port))
		part.kind = ERROR_PUBLIC;
	else if (is_core_port(where.protocol, port))
		part.kind = ERROR_CORE;
	return part;
}

static bool may_differ(const struct part *part, size_t i)
{
	return i - part->port < 2 || (part->check && i - part->check < 2) ||
	       (part->outer && i - part->outer < 2);
}

static void check_same(const u8 *before, const u8 *after, size_t len)
{
	fuzz_assert(!memcmp(before, after, len));
}

/* Only the allowed bytes differ, and no sum does. */
static void check_rewritten(const struct part *part, const u8 *before, const u8 *after,
			    size_t len, u8 ip_summed)
{
	u16 check_before = part->check ? get16(before + part->check) : 0;
	u16 check_after = part->check ? get16(after + part->check) : 0;
	bool unsummed = part->protocol == IPPROTO_UDP && !check_before;
	size_t i;

	for (i = 0; i < len; i++)
		fuzz_assert(before[i] == after[i] || may_differ(part, i));
	if (part->outer) {
		/* With everything that an error quotes under its checksum. */
		fuzz_assert(sum_of(before + part->outer - 2, len - part->outer + 2, 0) % 0xffff ==
			    sum_of(after + part->outer - 2, len - part->outer + 2, 0) % 0xffff ||
			    ip_summed == CHECKSUM_PARTIAL);
		if (ip_summed == CHECKSUM_PARTIAL)
			fuzz_assert(get16(before + part->outer) == get16(after + part->outer));
	}
	if (!part->check)
		return;
	if (!part->outer && ip_summed == CHECKSUM_PARTIAL) {
		fuzz_assert(check_before == check_after);
		return;
	}
	if (unsummed) {
		fuzz_assert(!check_after);
		return;
	}
	fuzz_assert(part->protocol != IPPROTO_UDP || check_after);
	fuzz_assert((get16(before + part->port) + check_before) % 0xffff ==
		    (get16(after + part->port) + check_after) % 0xffff);
}

static u8 flat[2][INPUT_MAX];

static const u8 *flatten(const struct sk_buff *skb, u8 *to)
{
	unsigned int head = skb->len - skb->data_len;

	memcpy(to, skb->data, head);
	memcpy(to + head, skb->rest, skb->data_len);
	return to;
}

static unsigned int call(enum hook hook, bool ipv6, struct sk_buff *skb)
{
	static const struct {
		nf_hookfn *hook4, *hook6;
	} hooks[] = {
		[HOOK_IN] = { flowpar_in_hook4, flowpar_in_hook6 },
		[HOOK_LOCAL] = { flowpar_in_hook4, flowpar_in_hook6 },
		[HOOK_OUT] = { flowpar_out_hook4, flowpar_out_hook6 },
	};
	const struct nf_hook_state state = { .net = &net };

	return (ipv6 ? hooks[hook].hook6 : hooks[hook].hook4)(NULL, skb, &state);
}

static unsigned long counted(enum flowpar_counter counter)
{
	unsigned long sum = 0;
	unsigned int i, cpu;

	for (i = 0; i < ARRAY_SIZE(services); i++)
		for (cpu = 0; cpu < FUZZ_CPUS; cpu++)
			sum += services[i]->cpu[cpu].counter[counter];
	return sum;
}

/* A segment that is given to no socket has none: the search looks at every instance. */
static void check_searched(const struct part *part, const u8 *packet, u16 port)
{
	const u8 *ports = packet + part->transport;
	unsigned int rank, instance, instances = 1;

	for (rank = 0; rank < ARRAY_SIZE(services); rank++)
		if (services[rank]->protocol == IPPROTO_TCP)
			instances = services[rank]->per_core;
	if (part->protocol != IPPROTO_TCP || part->syn || flow_is_at(packet, ports, port, false))
		return;
	fuzz_assert(!flow_is_at(packet, ports, PORT_TCP, true));
	for (rank = 0; rank < 3; rank++)
		for (instance = 0; instance < instances; instance++)
			fuzz_assert(!flow_is_at(packet, ports, BASE_TCP + 8 * rank + instance, true));
}

/* What became of it, against what its bytes allow.
 * @closed: it goes to a per-core port of this host, and is no answer
 */
static void judge(enum hook hook, const struct part *part, struct sk_buff *skb,
		  unsigned int verdict, const u8 *before, size_t len, bool ours, bool closed)
{
	const bool out = hook == HOOK_OUT;
	const u8 *after;
	u16 port;

	if ((verdict & NF_VERDICT_MASK) == NF_STOLEN || part->kind == FRAGMENT)
		return;
	after = flatten(skb, flat[1]);
	fuzz_assert(skb->len == len);
	if ((verdict & NF_VERDICT_MASK) == NF_DROP)
		dropped++;
	if (closed && part->kind != FLOW_CORE) {
		fuzz_assert(verdict == NF_DROP_ERR(-ECONNREFUSED));
		check_same(before, after, len);
		closed_here++;
		return;
	}
	if (!ours || part->kind == NOTHING) {
		fuzz_assert(verdict == NF_ACCEPT);
		check_same(before, after, len);
		return;
	}
	port = get16(after + part->port);

	switch (part->kind) {
	case FLOW_CORE:
	case ERROR_CORE:
		if (out) {	/* becomes public */
			fuzz_assert(verdict == NF_ACCEPT);
			fuzz_assert(is_public_port(part->protocol, port));
			check_rewritten(part, before, after, len, skb->ip_summed);
			rewritten++;
			break;
		}
		check_same(before, after, len);
		/* From this host only what NAT has sent there still comes here. */
		fuzz_assert(verdict == (hook == HOOK_LOCAL ? NF_ACCEPT : NF_DROP));
		break;
	case FLOW_PUBLIC:
		if (out) {	/* the service's own port: a flow older than it */
			fuzz_assert(verdict == NF_ACCEPT);
			check_same(before, after, len);
			break;
		}
		if (verdict != NF_ACCEPT) {	/* throttled, which no SYN and no datagram is */
			fuzz_assert(part->protocol == IPPROTO_TCP && !part->syn);
			check_same(before, after, len);
			break;
		}
		if (world.at_public_port && is_public_port(part->protocol, port)) {
			check_same(before, after, len);
			break;
		}
		fuzz_assert(is_core_port(part->protocol, port));
		check_rewritten(part, before, after, len, skb->ip_summed);
		check_searched(part, before, port);
		rewritten++;
		break;
	case ERROR_PUBLIC:
		fuzz_assert(verdict == NF_ACCEPT);
		if (out || is_public_port(part->protocol, port)) {
			/* Of no flow that is known, or of an older one: for UDP the port says enough. */
			fuzz_assert(out || part->protocol == IPPROTO_TCP);
			if (out || !world.at_public_port)
				check_same(before, after, len);
			else
				check_rewritten(part, before, after, len, skb->ip_summed);
			break;
		}
		fuzz_assert(is_core_port(part->protocol, port));
		check_rewritten(part, before, after, len, skb->ip_summed);
		rewritten++;
		break;
	default:
		break;
	}
}

/* What the stack has made sure of before it calls the hook: else it has dropped it. */
static bool passes(enum hook hook, bool ipv6, struct input *input, unsigned int *linear)
{
	u8 *data = input->data;
	unsigned int size;

	if (input->len < (ipv6 ? 40 : 20))
		return false;
	*linear = ipv6 ? 40 : 20;
	if (hook == HOOK_OUT) {		/* a raw socket; the kernel fills in the length */
		size = (data[0] & 15) * 4;
		if (!ipv6 && size > input->len)
			return false;
		if (!ipv6)
			*linear = max(size, 20u);
		return true;
	}
	if (data[0] >> 4 != (ipv6 ? 6 : 4))
		return false;
	if (ipv6) {
		size = get16(data + 4) + 40;
		if (get16(data + 4) || data[6]) {
			if (size > input->len)
				return false;
			input->len = size;
		}
		return true;
	}
	size = (data[0] & 15) * 4;
	if (size < 20 || size > input->len || get16(data + 2) < size || get16(data + 2) > input->len)
		return false;
	*linear = size;
	input->len = get16(data + 2);
	return true;
}

static bool is_ipv6_packet(const struct input *input)
{
	return input->len && input->data[0] >> 4 == 6;
}

static void one(const struct input *corpus, size_t count, uint64_t seed, uint64_t index)
{
	static const char *const names[] = { "in", "in by loopback", "out" };
	struct rng rng = rng_of(seed, index);
	const struct input *base = &corpus[below(&rng, count)];
	struct input *input = &now.before, datagram;
	unsigned int linear, verdict, slot, i, before, after;
	bool ipv6 = is_ipv6_packet(base), ours, closed, answer;
	struct part part, other;
	struct nf_conn ct;
	struct sk_buff skb = { 0 };
	enum hook hook;
	u16 hint;

	now.seed = seed;
	now.index = index;
	now.name = base->name;
	*input = *base;
	hook = address_is_local(base->data, true) ? HOOK_OUT :
	       !one_in(&rng, 4) ? HOOK_IN : one_in(&rng, 4) ? HOOK_OUT : HOOK_LOCAL;
	if (one_in(&rng, 16))
		hook = below(&rng, 3);
	/* This host's answers to itself. */
	if (hook == HOOK_OUT && one_in(&rng, 8)) {
		hook = HOOK_LOCAL;
		memcpy(input->data + (ipv6 ? 24 : 16), input->data + (ipv6 ? 8 : 12), ipv6 ? 16 : 4);
		if (one_in(&rng, 2) && part_of(input->data, input->len, ipv6, true, true).kind == FLOW_CORE) {
			part = part_of(input->data, input->len, ipv6, true, true);
			input->data[part.port] = 0;
			input->data[part.port + 1] = part.protocol == IPPROTO_TCP ? PORT_TCP : PORT_UDP;
		}
	}
	now.what = names[hook];
	/* Some as they are: what must be rewritten is often enough. */
	if (!one_in(&rng, 8))
		mutate_packet(&rng, input, corpus, count);
	if (!passes(hook, ipv6, input, &linear)) {
		refused++;
		return;
	}

	/* State is made anew, so that each packet can be repeated alone. */
	jiffies = 1000000 + below(&rng, 1000);
	fuzz_cpu = below(&rng, FUZZ_CPUS);
	fuzz_softirq = hook != HOOK_OUT && !one_in(&rng, 32);
	fuzz_bh = 0;
	world.luck = rng_next(&rng);
	world.expect = get16(input->data + 24) ^ one_in(&rng, 2);
	world.references = 0;
	world.at_public_port = false;
	world.defragmented = 0;
	world.bad_fragment = one_in(&rng, 4);
	world.shared = NULL;
	world.datagram_len = 0;
	instances = 1 + one_in(&rng, 2);
	for (i = 0; i < ARRAY_SIZE(services); i++) {
		struct flowpar_cpu *this = &services[i]->cpu[fuzz_cpu];

		if (services[i]->protocol == IPPROTO_TCP)
			services[i]->per_core = instances;
		memset(this, 0, sizeof(*this));
		this->budget_jiffy = jiffies;
		this->budget = one_in(&rng, 4) ? 0 : 100;
		this->spilling = one_in(&rng, 2);
		hint = one_in(&rng, 8) ? services[i]->port : services[i]->base + 8 * below(&rng, 3);
		if (one_in(&rng, 2))
			hint = 0;
		for (slot = 0; slot < FLOWPAR_HINTS; slot++)
			this->hint[slot] = hint;
		services[i]->moved_until = one_in(&rng, 2) ? jiffies : jiffies + 100;
	}
	do
		datagram = corpus[below(&rng, count)];
	while (is_ipv6_packet(&datagram) != ipv6);
	if (one_in(&rng, 2)) {
		unsigned int ignored;

		mutate_packet(&rng, &datagram, corpus, count);
		if (passes(HOOK_IN, ipv6, &datagram, &ignored) && datagram.data[0] >> 4 == (ipv6 ? 6 : 4)) {
			world.datagram = datagram.data;
			world.datagram_len = datagram.len;
			world.datagram_head = ignored + below(&rng, datagram.len - ignored + 1);
		}
	}

	chains[ipv6].num_hook_entries = one_in(&rng, 4) ? 2 : 1;
	skb.net = &net;
	skb_fill(&skb, input->data, input->len,
		 one_in(&rng, 3) ? linear : linear + below(&rng, input->len - linear + 1));
	skb.cloned = one_in(&rng, 3);
	skb.ip_summed = below(&rng, 4);
	skb.pkt_type = one_in(&rng, 16) ? PACKET_OTHERHOST : PACKET_HOST;
	skb.hash = one_in(&rng, 16);	/* bridged: see nf_bridge_info_exists() */
	skb.dev = one_in(&rng, 32) ? &world.loopback : &world.bond;
	world.bond.l3_slave = one_in(&rng, 32);
	skb.skb_iif = hook == HOOK_OUT ? one_in(&rng, 16) : 2;
	skb.pkt_otherhost = hook == HOOK_IN && skb.hash == 1 && one_in(&rng, 2);
	if (hook == HOOK_LOCAL && skb.pkt_type == PACKET_HOST) {
		/* A VRF is its own loopback. */
		skb.pkt_type = one_in(&rng, 8) ? PACKET_LOOPBACK : PACKET_HOST;
		skb.dev = skb.pkt_type == PACKET_HOST ? &world.loopback : &world.bond;
	}
	ct.status = (one_in(&rng, 8) ? IPS_DST_NAT : 0) | (one_in(&rng, 2) ? IPS_CONFIRMED : 0) |
		    (one_in(&rng, 16) ? IPS_TEMPLATE : 0);
	world.confirmed = 0;
	skb.ct = one_in(&rng, 2) ? &ct : NULL;
	if (hook != HOOK_IN) {
		skb.dst = is_local(ipv6, input->data + (ipv6 ? 24 : 16)) ? &world.local.dst : &world.remote.dst;
		if (one_in(&rng, hook == HOOK_OUT ? 3 : 32)) {
			world.sender.sk_state = 1;
			world.sender.protocol = (const u8[]){ IPPROTO_TCP, IPPROTO_UDP, 255 }[below(&rng, 3)];
			world.sender.transparent = one_in(&rng, 2);
			skb.sk = &world.sender;
		}
	}
	ours = hook == HOOK_IN ? skb.pkt_type == PACKET_HOST && skb.dev != &world.loopback && !skb.dev->l3_slave &&
	       !(nf_bridge_info_exists(&skb) && skb.pkt_otherhost) :
	       hook == HOOK_OUT ? !skb.skb_iif :
	       skb.dst == &world.local.dst && !skb.sk && !skb.dev->l3_slave &&
	       (skb.pkt_type == PACKET_LOOPBACK || (skb.pkt_type == PACKET_HOST && skb.dev == &world.loopback));

	memcpy(flat[0], input->data, input->len);
	part = part_of(flat[0], input->len, ipv6, hook == HOOK_OUT, hook == HOOK_OUT);
	other = part_of(flat[0], input->len, ipv6, hook != HOOK_OUT, hook == HOOK_OUT);
	ct.tuplehash[1].tuple.src.u.all = htons(get16(flat[0] + (other.port ?: 0)));
	answer = other.kind == FLOW_PUBLIC && one_in(&rng, 2);
	if (answer)
		ct.tuplehash[1].tuple.src.u.all = htons(base_of(other.protocol) + 8);
	closed = hook == HOOK_OUT && ours && other.kind == FLOW_CORE && !(skb.ct && ct.status & IPS_DST_NAT);
	seen[hook][part.kind]++;
	/* What a request waits for, or a closing flow. */
	if (part.kind == FLOW_PUBLIC && part.protocol == IPPROTO_TCP && one_in(&rng, 2)) {
		memcpy(&world.expect, flat[0] + part.transport + (one_in(&rng, 2) ? 4 : 8), 4);
		world.expect = ntohl(world.expect) - one_in(&rng, 2);
	}
	/* A socket whose sender is not transparent proves that the address is local. */
	if (hook == HOOK_OUT && skb.sk && skb.sk->protocol != 255 && !skb.sk->transparent &&
	    !address_is_local(flat[0], true))
		part.unsure = true;
	struct sk_buff was = skb;

	before = counted(FLOWPAR_IN) + counted(FLOWPAR_OUT) + counted(FLOWPAR_ICMP) + counted(FLOWPAR_CLOSED);
	verdict = call(hook, ipv6, &skb);
	after = counted(FLOWPAR_IN) + counted(FLOWPAR_OUT) + counted(FLOWPAR_ICMP) + counted(FLOWPAR_CLOSED);

	/* Whatever it was: */
	fuzz_assert(!counted(FLOWPAR_ERROR));
	fuzz_assert(after - before <= 1);
	fuzz_assert(!fuzz_bh);
	fuzz_assert(hook == HOOK_IN || skb.sk == was.sk);
	fuzz_assert(skb.sk == was.sk || (hook == HOOK_IN &&
					 (verdict & NF_VERDICT_MASK) == NF_ACCEPT && skb.hash != 1));
	/* A request comes with a segment without payload only: IP's length is the packet's. */
	fuzz_assert(skb.sk == was.sk || skb.sk->sk_state != TCP_NEW_SYN_RECV || part.unsure ||
		    world.defragmented ||
		    input->len == part.transport + 4 * (flat[0][part.transport + 12] >> 4));
	/* A SYN that goes nowhere else may bring a listener, all else an own reference. */
	fuzz_assert(skb.sk == was.sk || skb.destructor ==
		    (skb.sk->sk_state == TCP_LISTEN ? sock_pfree : sock_edemux));
	fuzz_assert(skb.sk == was.sk || skb.sk->sk_state != TCP_LISTEN ||
		    ((part.syn || part.unsure || world.defragmented) && !skb.sk->sk_reuseport &&
		     chains[ipv6].num_hook_entries == 1));
	/* What conntrack has seen on the sender's side is not what it is to see on the other. */
	if (!world.defragmented && !part.unsure && was.ct) {
		bool flow = part.kind == FLOW_PUBLIC && verdict == NF_ACCEPT && !world.at_public_port;
		if (part.kind != FLOW_PUBLIC || !world.at_public_port)
			fuzz_assert(!skb.ct == (hook == HOOK_LOCAL && ours && (flow || (answer && part.kind != FLOW_PUBLIC && part.kind != FLOW_CORE))));
		untied += !skb.ct;
		/* Not lost: none but it would know the packets that answer. */
		fuzz_assert(world.confirmed == (!skb.ct && !(was.ct->status & (IPS_CONFIRMED | IPS_TEMPLATE))));
	}
	fuzz_assert(skb.ip_summed == was.ip_summed && skb.hash == was.hash && skb.dev == was.dev);
	if (skb.sk != was.sk) {
		attached++;
		listeners += skb.sk->sk_state == TCP_LISTEN;
		skb.destructor(&skb);
	}
	fuzz_assert(!world.references);
	if (world.shared) {
		fuzz_assert(!memcmp(world.shared, flat[0], world.shared_len) || world.defragmented);
		free(world.shared);
	}
	if (part.kind == FRAGMENT) {
		fuzz_assert(hook != HOOK_OUT || !world.defragmented);
		if (hook != HOOK_OUT && !part.unsure)
			fuzz_assert(world.defragmented == (ours && address_is_local(flat[0], false)));
		if (!world.defragmented && !part.unsure)
			check_same(flat[0], flatten(&skb, flat[1]), input->len);
	} else if (!part.unsure) {
		fuzz_assert(!world.defragmented);
		judge(hook, &part, &skb, verdict, flat[0], input->len, ours, closed);
	}
	if (was.cloned && !world.shared && skb.data == was.data)
		check_same(flat[0], skb.data, skb.len - skb.data_len);
	skb_empty(&skb);
}

/* The corpus is right by the rules that repairs go by: lengths and checksums stay. */
static void corpus_check(const struct input *corpus, size_t count)
{
	struct input repaired;
	size_t i;

	for (i = 0; i < count; i++) {
		repaired = corpus[i];
		repair_lengths(&repaired);
		if (strstr(corpus[i].name, "unsummed"))
			continue;
		repair_checksums(&repaired);
		if (memcmp(&repaired, &corpus[i], sizeof(repaired)))
			die(corpus[i].name, "its lengths or checksums are wrong");
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	uint64_t n = argc > 3 ? strtoull(argv[3], NULL, 0) : 1000000;
	uint64_t i = argc > 4 ? strtoull(argv[4], NULL, 0) : 0;
	struct input *corpus;
	unsigned int hook, kind;
	size_t count;

	if (argc < 2 || argc > 5)
		die("usage", "fuzz-packets CORPUS [SEED [COUNT [FIRST]]]");
	corpus = corpus_load(argv[1], &count);
	corpus_check(corpus, count);
	net.flowpar = &flowpar;
	net.nf.hooks_ipv4[NF_INET_PRE_ROUTING] = &chains[0];
	net.nf.hooks_ipv6[NF_INET_PRE_ROUTING] = &chains[1];
	net.ipv4.sysctl_ip_early_demux = 1;
	net.ipv4.sysctl_tcp_early_demux = 1;
	flowpar.secret = 0x5eed;
	world.bond.ifindex = 2;
	world.loopback = (struct net_device){ .flags = IFF_LOOPBACK, .ifindex = 1 };
	world.local = (struct rtable){ .dst.dev = &world.loopback, .rt_flags = RTCF_LOCAL };
	world.remote.dst.dev = &world.bond;
	services[0] = service_add(NFPROTO_IPV4, IPPROTO_TCP, PORT_TCP, BASE_TCP, 50);
	services[1] = service_add(NFPROTO_IPV4, IPPROTO_UDP, PORT_UDP, BASE_UDP, 0);
	services[2] = service_add(NFPROTO_IPV6, IPPROTO_TCP, PORT_TCP, BASE_TCP, 0);
	services[3] = service_add(NFPROTO_IPV6, IPPROTO_UDP, PORT_UDP, BASE_UDP, 0);

	for (n += i; i < n; i++)
		one(corpus, count, seed, i);

	for (hook = 0; hook < 3; hook++)
		for (kind = 0; kind < 6; kind++)
			printf("%s %s %lu\n", (const char *[]){ "in", "loopback", "out" }[hook],
			       (const char *[]){ "nothing", "fragment", "public", "core", "error-public", "error-core" }[kind],
			       seen[hook][kind]);
	printf("refused %lu\nrewritten %lu\nattached %lu\nlisteners %lu\ndropped %lu\nuntied %lu\nclosed-here %lu\n",
	       refused, rewritten, attached, listeners, dropped, untied, closed_here);
	return 0;
}
