// SPDX-License-Identifier: GPL-2.0
/*
 * flowpar_probe - counts locality where the kernel itself announces it.
 *
 * For the lab and the benchmark only; not needed to run flowpar. Attached to
 * the kernel's tracepoints, it answers two questions about the TCP packets and
 * connections of one service (module parameter ports=: the public port and,
 * with per-core ports, those):
 *
 *   own NIC    net:net_dev_queue on a device below a bond: packets by (device,
 *              CPU). Which CPU a device's interrupt is bound to is read
 *              from /proc/irq by whoever reads this.
 *   one core   per connection, the CPUs of its receive softirqs
 *              (net:netif_receive_skb, SYN included), of its socket's state
 *              changes (sock:inet_sock_set_state) and of its accept (return of
 *              inet_csk_accept). A connection is counted when its socket
 *              closes: one core if every one of these ran on the same CPU.
 *
 * Result in /proc/flowpar_probe; writing "reset" there starts anew.
 *
 * Context: tracepoint probes run where the event is, softirq or process. A
 * connection is guarded by its bucket's lock; packet counts are per CPU.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/etherdevice.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jhash.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/tracepoint.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#define MAX_PORTS	256
#define MAX_DEVS	128	/* interface indexes that are counted */
#define BUCKETS		4096

static unsigned short ports[MAX_PORTS];
static int nports;
module_param_array(ports, ushort, &nports, 0444);
MODULE_PARM_DESC(ports, "the service's public port, then its per-core ports");

/* What differed from the CPU of the connection's first packet. */
enum { RECEIVE = BIT(0), STATE = BIT(1), ACCEPT = BIT(2) };

struct conn {
	struct hlist_node node;
	struct in6_addr addr;		/* client; IPv4 as mapped address */
	__be16 port;
	const struct sock *sk;		/* established; compared only */
	int cpu;
	int served;			/* CPU of accept, -1 before */
	u8 differs;
};

struct bucket {
	spinlock_t lock;		/* the list and the connections on it */
	struct hlist_head list;
};

struct percpu_count {
	unsigned long sent[MAX_DEVS];
	unsigned long connections;	/* closed here */
	unsigned long one_core;
	unsigned long receive_differs;
	unsigned long state_differs;
	unsigned long accept_differs;
	unsigned long not_accepted;
	unsigned long served;		/* accepted here */
};

static struct bucket *buckets;
static struct percpu_count __percpu *counts;
static DECLARE_BITMAP(is_service, 65536);

struct tuple {
	struct in6_addr addr;
	__be16 port;
	bool syn;
};

/* Parse the headers at @off of @skb. @out: our packet, else one to us. */
static bool parse(const struct sk_buff *skb, int off, bool out, struct tuple *t)
{
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
	} _ip;
	struct tcphdr _th;
	const struct tcphdr *th;

	if (skb->protocol == htons(ETH_P_IP)) {
		const struct iphdr *ip = skb_header_pointer(skb, off, sizeof(_ip.v4), &_ip);

		if (!ip || ip->protocol != IPPROTO_TCP || ip_is_fragment(ip))
			return false;
		off += ip->ihl * 4;
		ipv6_addr_set_v4mapped(out ? ip->daddr : ip->saddr, &t->addr);
	} else if (skb->protocol == htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip = skb_header_pointer(skb, off, sizeof(_ip.v6), &_ip);

		if (!ip || ip->nexthdr != IPPROTO_TCP)
			return false;
		off += sizeof(*ip);
		t->addr = out ? ip->daddr : ip->saddr;
	} else {
		return false;
	}
	th = skb_header_pointer(skb, off, sizeof(_th), &_th);
	if (!th || !test_bit(ntohs(out ? th->source : th->dest), is_service))
		return false;
	t->port = out ? th->dest : th->source;
	t->syn = th->syn && !th->ack;
	return true;
}

static struct bucket *bucket_of(const struct in6_addr *addr, __be16 port)
{
	u32 hash = jhash2((const u32 *)addr, 4, (__force u32)port);

	return &buckets[hash & (BUCKETS - 1)];
}

/* The caller holds the bucket's lock. */
static struct conn *find(struct bucket *b, const struct in6_addr *addr, __be16 port)
{
	struct conn *c;

	hlist_for_each_entry(c, &b->list, node)
		if (c->port == port && ipv6_addr_equal(&c->addr, addr))
			return c;
	return NULL;
}

static bool tuple_of(const struct sock *sk, struct tuple *t)
{
	const struct inet_sock *inet = inet_sk(sk);

	/* inet_num is already 0 when a socket closes, inet_sport is not. */
	if (!inet->inet_dport || !test_bit(ntohs(inet->inet_sport), is_service))
		return false;
	t->port = inet->inet_dport;
	if (sk->sk_family == AF_INET)
		ipv6_addr_set_v4mapped(inet->inet_daddr, &t->addr);
#if IS_ENABLED(CONFIG_IPV6)
	else if (sk->sk_family == AF_INET6)
		t->addr = sk->sk_v6_daddr;
#endif
	else
		return false;
	return true;
}

static void on_queue(void *ignore, struct sk_buff *skb)
{
	const struct net_device *dev = skb->dev;
	struct tuple t;

	if (netif_is_lag_master(dev) || !netif_is_lag_port(dev) ||
	    dev->ifindex >= MAX_DEVS)
		return;
	if (parse(skb, skb_network_offset(skb), true, &t))
		this_cpu_inc(counts->sent[dev->ifindex]);
}

static void on_receive(void *ignore, struct sk_buff *skb)
{
	struct bucket *b;
	unsigned long flags;
	struct conn *c;
	struct tuple t;

	if (!parse(skb, 0, false, &t))
		return;
	b = bucket_of(&t.addr, t.port);
	spin_lock_irqsave(&b->lock, flags);
	c = find(b, &t.addr, t.port);
	if (c && c->cpu != smp_processor_id())
		c->differs |= RECEIVE;
	if (!c && t.syn) {
		c = kzalloc(sizeof(*c), GFP_ATOMIC);
		if (c) {
			c->addr = t.addr;
			c->port = t.port;
			c->cpu = smp_processor_id();
			c->served = -1;
			hlist_add_head(&c->node, &b->list);
		}
	}
	spin_unlock_irqrestore(&b->lock, flags);
}

static void count_closed(const struct conn *c)
{
	this_cpu_inc(counts->connections);
	if (c->served < 0)
		this_cpu_inc(counts->not_accepted);
	else if (!c->differs)
		this_cpu_inc(counts->one_core);
	if (c->differs & RECEIVE)
		this_cpu_inc(counts->receive_differs);
	if (c->differs & STATE)
		this_cpu_inc(counts->state_differs);
	if (c->differs & ACCEPT)
		this_cpu_inc(counts->accept_differs);
}

static void on_state(void *ignore, const struct sock *sk, const int oldstate, const int newstate)
{
	struct bucket *b;
	unsigned long flags;
	struct conn *c;
	struct tuple t;

	if (sk->sk_protocol != IPPROTO_TCP || !tuple_of(sk, &t))
		return;
	b = bucket_of(&t.addr, t.port);
	spin_lock_irqsave(&b->lock, flags);
	c = find(b, &t.addr, t.port);
	if (c && c->cpu != smp_processor_id())
		c->differs |= STATE;
	if (c && newstate == TCP_ESTABLISHED)
		c->sk = sk;
	/* Of an ACK and a segment in one batch both may have been matched to the
	 * request before the first made a socket of it; what the second makes is
	 * closed at once, which is not this connection's end.
	 */
	if (c && newstate == TCP_CLOSE && c->sk == sk) {
		hlist_del(&c->node);
		count_closed(c);
		kfree(c);
	}
	spin_unlock_irqrestore(&b->lock, flags);
}

static int on_accept(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct sock *sk = (struct sock *)regs_return_value(regs);
	struct bucket *b;
	unsigned long flags;
	struct conn *c;
	struct tuple t;

	if (IS_ERR_OR_NULL(sk) || !tuple_of(sk, &t))
		return 0;
	this_cpu_inc(counts->served);
	b = bucket_of(&t.addr, t.port);
	spin_lock_irqsave(&b->lock, flags);
	c = find(b, &t.addr, t.port);
	if (c) {
		c->served = smp_processor_id();
		if (c->cpu != c->served)
			c->differs |= ACCEPT;
	}
	spin_unlock_irqrestore(&b->lock, flags);
	return 0;
}

static struct kretprobe accept_probe = {
	.kp.symbol_name = "inet_csk_accept",
	.handler = on_accept,
	.maxactive = 512,	/* one per task that sleeps in accept() */
};

/* Tracepoints are not exported to modules by name; they can be looked up. */
static struct probe {
	const char *name;
	void *fn;
	struct tracepoint *tp;
} probes[] = {
	{ "net_dev_queue", on_queue },
	{ "netif_receive_skb", on_receive },
	{ "inet_sock_set_state", on_state },
};

static void look_up(struct tracepoint *tp, void *ignore)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(tp->name, probes[i].name))
			probes[i].tp = tp;
}

static int show(struct seq_file *m, void *v)
{
	struct percpu_count sum = {}, *c;
	struct net_device *dev;
	int cpu;

	rcu_read_lock();
	for_each_netdev_rcu(&init_net, dev) {
		if (!netif_is_lag_port(dev) || dev->ifindex >= MAX_DEVS)
			continue;
		for_each_online_cpu(cpu)
			seq_printf(m, "sent %s %d %lu\n", dev->name, cpu,
				   per_cpu_ptr(counts, cpu)->sent[dev->ifindex]);
	}
	rcu_read_unlock();
	for_each_possible_cpu(cpu) {
		c = per_cpu_ptr(counts, cpu);
		if (cpu_online(cpu))
			seq_printf(m, "served %d %lu\n", cpu, c->served);
		sum.connections += c->connections;
		sum.one_core += c->one_core;
		sum.receive_differs += c->receive_differs;
		sum.state_differs += c->state_differs;
		sum.accept_differs += c->accept_differs;
		sum.not_accepted += c->not_accepted;
	}
	seq_printf(m, "connections %lu\none_core %lu\nreceive_differs %lu\nstate_differs %lu\naccept_differs %lu\nnot_accepted %lu\nmissed_accepts %d\n",
		   sum.connections, sum.one_core, sum.receive_differs, sum.state_differs,
		   sum.accept_differs, sum.not_accepted, accept_probe.nmissed);
	return 0;
}

static void forget_connections(void)
{
	struct hlist_node *next;
	unsigned long flags;
	struct conn *c;
	int i;

	for (i = 0; i < BUCKETS; i++) {
		spin_lock_irqsave(&buckets[i].lock, flags);
		hlist_for_each_entry_safe(c, next, &buckets[i].list, node) {
			hlist_del(&c->node);
			kfree(c);
		}
		spin_unlock_irqrestore(&buckets[i].lock, flags);
	}
}

static ssize_t reset(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char word[8] = "";
	int cpu;

	if (len >= sizeof(word) || copy_from_user(word, buf, len))
		return -EINVAL;
	if (strcmp(strim(word), "reset"))
		return -EINVAL;
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(counts, cpu), 0, sizeof(*counts));
	forget_connections();
	return len;
}

static int open(struct inode *inode, struct file *file)
{
	return single_open(file, show, NULL);
}

static const struct proc_ops proc_ops = {
	.proc_open = open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = reset,
};

static int __init probe_init(void)
{
	int i, err;

	if (!nports) {
		pr_err("ports=: none given; name the service's public port and its per-core ports\n");
		return -EINVAL;
	}
	for (i = 0; i < nports; i++)
		set_bit(ports[i], is_service);

	buckets = kvcalloc(BUCKETS, sizeof(*buckets), GFP_KERNEL);
	counts = alloc_percpu(struct percpu_count);
	err = -ENOMEM;
	if (!buckets || !counts)
		goto free;
	for (i = 0; i < BUCKETS; i++)
		spin_lock_init(&buckets[i].lock);

	for_each_kernel_tracepoint(look_up, NULL);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		err = -ENOENT;
		if (!probes[i].tp) {
			pr_err("%s: this kernel has no such tracepoint\n", probes[i].name);
			goto unregister;
		}
		err = tracepoint_probe_register(probes[i].tp, probes[i].fn, NULL);
		if (err)
			goto unregister;
	}
	err = register_kretprobe(&accept_probe);
	if (err) {
		pr_err("%s: kretprobe: %d\n", accept_probe.kp.symbol_name, err);
		goto unregister;
	}
	err = -ENOMEM;
	if (!proc_create("flowpar_probe", 0644, NULL, &proc_ops))
		goto unregister_accept;
	return 0;

unregister_accept:
	unregister_kretprobe(&accept_probe);
unregister:
	while (--i >= 0)
		tracepoint_probe_unregister(probes[i].tp, probes[i].fn, NULL);
	tracepoint_synchronize_unregister();
	forget_connections();
free:
	free_percpu(counts);
	kvfree(buckets);
	return err;
}

static void __exit probe_exit(void)
{
	int i;

	remove_proc_entry("flowpar_probe", NULL);
	unregister_kretprobe(&accept_probe);
	for (i = ARRAY_SIZE(probes) - 1; i >= 0; i--)
		tracepoint_probe_unregister(probes[i].tp, probes[i].fn, NULL);
	tracepoint_synchronize_unregister();
	forget_connections();
	free_percpu(counts);
	kvfree(buckets);
}

module_init(probe_init);
module_exit(probe_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("flowpar: counts which CPU queues, receives, accepts");
