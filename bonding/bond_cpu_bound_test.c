// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the transmit hash policy "cpu-bound".
 *
 * The policy's source is included, so that its surroundings can be replaced: a
 * packet's hash is its mark, there are four NUMA nodes, and the array update is
 * ours. Bond and slaves are real network devices, as the policy walks the bond's
 * list of slaves; they are never up, and no bonding driver knows of them.
 *
 * A case runs on one CPU, the only one that can learn in it.
 */

#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/topology.h>
#include <net/sock.h>

/* Ours, beside bonding's own if both are built in. */
#define bond_xmit_hash			test_bond_xmit_hash
#define bond_xmit_hash_xdp		test_bond_xmit_hash_xdp
#define bond_update_slave_arr		test_bond_update_slave_arr
#define bond_xmit_cpu_bound		test_bond_xmit_cpu_bound
#define bond_cpu_bound_prepare		test_bond_cpu_bound_prepare
#define bond_cpu_bound_map_size		test_bond_cpu_bound_map_size
#define bond_cpu_bound_map_build	test_bond_cpu_bound_map_build
#define bond_cpu_bound_slave_init	test_bond_cpu_bound_slave_init
#define bond_cpu_bound_learn		test_bond_cpu_bound_learn
#define bond_cpu_bound_learned		test_bond_cpu_bound_learned
#define bond_cpu_bound_stats		test_bond_cpu_bound_stats
#define bond_cpu_bound_cpus_set		test_bond_cpu_bound_cpus_set
#define bond_cpu_bound_cpus_print	test_bond_cpu_bound_cpus_print

static int test_cpu_node;	/* of every CPU */
static unsigned int test_hole;	/* a number below nr_cpu_ids of no CPU */

#undef nr_node_ids
#define nr_node_ids		4U
#undef cpu_to_node
#define cpu_to_node(cpu)	((void)(cpu), test_cpu_node)

static bool test_cpu_possible(unsigned int cpu)
{
	return cpu != test_hole && cpu_possible(cpu);
}

#undef cpu_possible
#define cpu_possible(cpu)	test_cpu_possible(cpu)

#include "bond_cpu_bound.c"

#define SLAVES	4
#define ANY	-1	/* no slave, or none in particular */

static struct bonding *bond;
static struct slave *slaves[SLAVES];
static bool usable[SLAVES];
static int update_error;
static unsigned int here;	/* the CPU that the case runs on */

u32 bond_xmit_hash(struct bonding *of, struct sk_buff *skb)
{
	return skb->mark;
}

u32 bond_xmit_hash_xdp(struct bonding *of, struct xdp_buff *xdp)
{
	return 2;
}

/* As bonding does it: arrays that cannot be had leave the old ones in place. */
int bond_update_slave_arr(struct bonding *of, struct slave *skip)
{
	struct bond_up_slave *new, *old;
	struct list_head *iter;
	struct slave *slave;
	int i;

	if (update_error)
		return update_error;
	if (bond_cpu_bound_prepare(of))
		return -ENOMEM;
	new = kvzalloc(size_add(struct_size(new, arr, of->slave_cnt),
				bond_cpu_bound_map_size(of)), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	bond_for_each_slave(of, slave, iter)
		for (i = 0; i < SLAVES; i++)
			if (slave == slaves[i] && usable[i])
				new->arr[new->count++] = slave;
	bond_cpu_bound_map_build(of, new);
	old = rtnl_dereference(of->usable_slaves);
	rcu_assign_pointer(of->usable_slaves, new);
	kvfree_rcu(old, rcu);

	return 0;
}

static void update(struct kunit *test)
{
	rtnl_lock();
	KUNIT_EXPECT_EQ(test, bond_update_slave_arr(bond, NULL), 0);
	rtnl_unlock();
}

static void set_usable(struct kunit *test, int i, bool is)
{
	usable[i] = is;
	update(test);
}

static void list(struct kunit *test, int i, const char *cpus)
{
	rtnl_lock();
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_cpus_set(slaves[i], cpus, NULL), 0);
	rtnl_unlock();
}

static void nodes(struct kunit *test, int a, int b, int c, int d)
{
	int node[SLAVES] = { a, b, c, d }, i;

	for (i = 0; i < SLAVES; i++)
		set_dev_node(&slaves[i]->dev->dev, node[i]);
	update(test);
}

static void enslave(struct kunit *test, int i)
{
	int err;

	rtnl_lock();
	bond_cpu_bound_slave_init(slaves[i]);
	err = netdev_master_upper_dev_link(slaves[i]->dev, bond->dev, slaves[i],
					   NULL, NULL);
	if (!err)
		bond->slave_cnt++;
	rtnl_unlock();
	/* not while RTNL is held: it ends the thread */
	KUNIT_ASSERT_EQ(test, err, 0);
	set_usable(test, i, true);
}

static void release(struct kunit *test, int i)
{
	rtnl_lock();
	netdev_upper_dev_unlink(slaves[i]->dev, bond->dev);
	rtnl_unlock();
	update(test);
	bond->slave_cnt--;
}

static void hear_type(int i, unsigned char pkt_type)
{
	struct sk_buff skb = { .pkt_type = pkt_type };

	local_bh_disable();
	rcu_read_lock();
	bond_cpu_bound_learn(slaves[i], &skb);
	rcu_read_unlock();
	local_bh_enable();
}

static void hear(int i)
{
	hear_type(i, PACKET_HOST);
}

/* The slave that was learned has been silent for so many jiffies. */
static void silent(unsigned long jiffies_ago)
{
	per_cpu_ptr(bond->cpu_bound, here)->heard = jiffies - jiffies_ago;
}

static int learned(void)
{
	u32 id = per_cpu_ptr(bond->cpu_bound, here)->learned;
	int i;

	for (i = 0; i < SLAVES; i++)
		if (id && slaves[i]->cpu_bound_id == id)
			return i;
	return ANY;
}

/* Which slave is chosen for a packet, or for an XDP frame if it is NULL. */
static int chosen(struct sk_buff *skb, bool sent)
{
	struct bond_up_slave *array;
	struct slave *slave;
	int i;

	local_bh_disable();
	rcu_read_lock();
	array = rcu_dereference(bond->usable_slaves);
	slave = bond_xmit_cpu_bound(bond, array, skb, NULL, sent);
	rcu_read_unlock();
	local_bh_enable();

	for (i = 0; i < SLAVES; i++)
		if (slave == slaves[i])
			return i;
	return ANY;
}

/* Which slave a packet with this hash leaves by, sent from @cpu. */
static int sent_by(unsigned int cpu, u32 hash)
{
	struct sk_buff skb = { .mark = hash };

#ifdef CONFIG_XPS
	skb.sender_cpu = cpu + 1;
#endif
	return chosen(&skb, true);
}

static u64 stat(enum bond_cpu_bound_stat what)
{
	u64 sum[BOND_CPU_BOUND_STATS];

	bond_cpu_bound_stats(bond, sum);

	return sum[what];
}

/* Packets of four hashes leave by these slaves, and are counted as @why. */
static void expect(struct kunit *test, unsigned int cpu,
		   enum bond_cpu_bound_stat why, int a, int b, int c, int d)
{
	int want[] = { a, b, c, d }, i;
	u64 before = stat(why);

	for (i = 0; i < ARRAY_SIZE(want); i++)
		KUNIT_EXPECT_EQ_MSG(test, sent_by(cpu, i), want[i], "CPU %u, hash %d", cpu, i);
	KUNIT_EXPECT_EQ(test, stat(why), before + ARRAY_SIZE(want));
}

static void expect_any(struct kunit *test, unsigned int cpu)
{
	expect(test, cpu, BOND_CPU_BOUND_ANY, 0, 1, 2, 3);
}

static void expect_one(struct kunit *test, unsigned int cpu,
		       enum bond_cpu_bound_stat why, int i)
{
	expect(test, cpu, why, i, i, i, i);
}

/* --- the map ------------------------------------------------------------------ */

static void precedence(struct kunit *test)
{
	char cpus[16];

	snprintf(cpus, sizeof(cpus), "%u", here);
	expect_any(test, here);
	if (IS_ENABLED(CONFIG_NUMA)) {
		nodes(test, 0, 1, 0, 2);
		expect(test, here, BOND_CPU_BOUND_NODE, 0, 2, 0, 2);
		test_cpu_node = 2;
		expect_one(test, here, BOND_CPU_BOUND_NODE, 3);
	}
	hear(0);
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 0);
	list(test, 1, cpus);
	expect_one(test, here, BOND_CPU_BOUND_LISTED, 1);
	list(test, 2, cpus);
	expect(test, here, BOND_CPU_BOUND_SHARED, 1, 2, 1, 2);

	/* and back, as each goes */
	set_usable(test, 1, false);
	expect_one(test, here, BOND_CPU_BOUND_LISTED, 2);
	list(test, 2, "");
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 0);
	set_usable(test, 0, false);
	if (IS_ENABLED(CONFIG_NUMA)) {
		expect_one(test, here, BOND_CPU_BOUND_NODE, 3);
		test_cpu_node = 1;
	}
	expect(test, here, BOND_CPU_BOUND_ANY, 2, 3, 2, 3);
	set_usable(test, 0, true);
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 0);
	set_usable(test, 1, true);
	expect_one(test, here, BOND_CPU_BOUND_LISTED, 1);
}

static void lists(struct kunit *test)
{
	char cpus[32];
	unsigned int cpu, last = nr_cpu_ids - 1;

	if (!cpu_possible(last) || last < 1)
		kunit_skip(test, "wants two CPUs, and that the last number is one");

	/* CPU 0 of two, the last of two others, what lies between of none */
	snprintf(cpus, sizeof(cpus), "0,%u", last);
	list(test, 0, "0");
	list(test, 1, cpus);
	snprintf(cpus, sizeof(cpus), "%u", last);
	list(test, 3, cpus);
	expect(test, 0, BOND_CPU_BOUND_SHARED, 0, 1, 0, 1);
	expect(test, last, BOND_CPU_BOUND_SHARED, 1, 3, 1, 3);
	for (cpu = 1; cpu < last; cpu++)
		expect_any(test, cpu);

	/* a list of all is as good as none, if all have it */
	snprintf(cpus, sizeof(cpus), "%*pbl", cpumask_pr_args(cpu_possible_mask));
	for (cpu = 0; cpu < SLAVES; cpu++)
		list(test, cpu, cpus);
	expect(test, last, BOND_CPU_BOUND_SHARED, 0, 1, 2, 3);

	for (cpu = 0; cpu < SLAVES; cpu++)
		list(test, cpu, "");
	for (cpu = 0; cpu <= last; cpu++)
		expect_any(test, cpu);
}

static void bad_lists(struct kunit *test)
{
	char buf[16], beyond[16];

	list(test, 0, "0");
	snprintf(beyond, sizeof(beyond), "%u", nr_cpu_ids);
	rtnl_lock();
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_cpus_set(slaves[0], "1-", NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_cpus_set(slaves[0], beyond, NULL), -ERANGE);
	update_error = -ENOMEM;
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_cpus_set(slaves[0], "", NULL), -ENOMEM);
	update_error = 0;
	rtnl_unlock();

	KUNIT_EXPECT_EQ(test, bond_cpu_bound_cpus_print(slaves[0], buf, sizeof(buf)), 1);
	KUNIT_EXPECT_STREQ(test, buf, "0");
	expect_one(test, 0, BOND_CPU_BOUND_LISTED, 0);
}

static void node_rows(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_NUMA))
		kunit_skip(test, "wants CONFIG_NUMA");

	/* which say nothing */
	nodes(test, 0, 0, 0, 0);
	expect_any(test, here);
	nodes(test, NUMA_NO_NODE, NUMA_NO_NODE, NUMA_NO_NODE, NUMA_NO_NODE);
	expect_any(test, here);
	test_cpu_node = NUMA_NO_NODE;
	expect_any(test, here);

	/* which do: one slave without a node is no reason to ignore the others */
	nodes(test, NUMA_NO_NODE, 0, 3, 3);
	expect_any(test, here);
	test_cpu_node = 0;
	expect_one(test, here, BOND_CPU_BOUND_NODE, 1);
	test_cpu_node = 3;
	expect(test, here, BOND_CPU_BOUND_NODE, 2, 3, 2, 3);
	test_cpu_node = 2;
	expect_any(test, here);
}

/* A socket may name what lies between the CPUs that can be. */
static void no_such_cpu(struct kunit *test)
{
	nodes(test, 0, 1, 1, 1);
	hear(1);
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 1);
	test_hole = here;
	expect_any(test, here);
}

/* What bond_skip_slave() does when there is no memory for a new array. */
static void shrunk_array(struct kunit *test)
{
	struct bond_up_slave *array;
	char cpus[16];
	int i;

	snprintf(cpus, sizeof(cpus), "%u", here);
	list(test, 3, cpus);
	rtnl_lock();
	array = rtnl_dereference(bond->usable_slaves);
	array->arr[1] = array->arr[3];
	array->count = 3;
	rtnl_unlock();
	/* the index of slave 3 is out of range, though it is at another */
	expect(test, here, BOND_CPU_BOUND_ANY, 0, 3, 2, 0);

	list(test, 3, "");
	list(test, 0, cpus);
	list(test, 3, cpus);
	array = rcu_access_pointer(bond->usable_slaves);
	array->count = 3;
	/* of two candidates the one that is left */
	KUNIT_EXPECT_EQ(test, sent_by(here, 0), 0);
	KUNIT_EXPECT_EQ(test, sent_by(here, 1), 1);

	array->count = 0;
	for (i = 0; i < SLAVES; i++)
		KUNIT_EXPECT_EQ(test, sent_by(here, i), ANY);
}

static void no_map(struct kunit *test)
{
	struct bond_up_slave *array;

	rtnl_lock();
	bond->params.xmit_policy = BOND_XMIT_POLICY_LAYER34;
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_map_size(bond), 0);
	KUNIT_EXPECT_EQ(test, bond_update_slave_arr(bond, NULL), 0);
	array = rtnl_dereference(bond->usable_slaves);
	KUNIT_EXPECT_FALSE(test, bond_cpu_bound_mapped(array));

	bond->params.xmit_policy = BOND_XMIT_POLICY_CPU_BOUND;
	bond->params.mode = BOND_MODE_ROUNDROBIN;
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_map_size(bond), 0);

	bond->params.mode = BOND_MODE_8023AD;
	KUNIT_EXPECT_NE(test, bond_cpu_bound_map_size(bond), 0);
	KUNIT_EXPECT_EQ(test, bond_update_slave_arr(bond, NULL), 0);
	array = rtnl_dereference(bond->usable_slaves);
	KUNIT_EXPECT_TRUE(test, bond_cpu_bound_mapped(array));
	KUNIT_EXPECT_FALSE(test, bond_cpu_bound_mapped(NULL));
	rtnl_unlock();
}

/* --- the CPU of a packet ------------------------------------------------------ */

static void flow_cpu(struct kunit *test)
{
	static const int own_cpu[] = { TCP_ESTABLISHED, TCP_SYN_SENT, TCP_CLOSE_WAIT };
	static const int no_cpu[] = { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_TIME_WAIT };
	struct sk_buff skb = {};
	struct sock *sk;
	int i;

	sk = kunit_kzalloc(test, sizeof(*sk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sk);
	if (!IS_ENABLED(CONFIG_XPS) || nr_cpu_ids < 2)
		kunit_skip(test, "wants CONFIG_XPS and two CPUs");

	sk->sk_family = AF_INET;
	sk->sk_type = SOCK_STREAM;
	sk->sk_protocol = IPPROTO_TCP;
	sk->sk_incoming_cpu = 1;
	skb.sk = sk;
#ifdef CONFIG_XPS
	skb.sender_cpu = 0 + 1;
#endif
	for (i = 0; i < ARRAY_SIZE(own_cpu); i++) {
		sk->sk_state = own_cpu[i];
		KUNIT_EXPECT_EQ(test, bond_cpu_bound_skb_cpu(&skb), 1);
	}
	for (i = 0; i < ARRAY_SIZE(no_cpu); i++) {
		sk->sk_state = no_cpu[i];
		KUNIT_EXPECT_EQ(test, bond_cpu_bound_skb_cpu(&skb), 0);
	}
	sk->sk_state = TCP_ESTABLISHED;
	sk->sk_incoming_cpu = -1;
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_skb_cpu(&skb), 0);
	sk->sk_incoming_cpu = nr_cpu_ids;
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_skb_cpu(&skb), 0);
	sk->sk_incoming_cpu = 1;
	sk->sk_type = SOCK_DGRAM;
	sk->sk_protocol = IPPROTO_UDP;
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_skb_cpu(&skb), 0);

	/* no sender recorded, or a napi_id in its place */
#ifdef CONFIG_XPS
	skb.sk = NULL;
	skb.sender_cpu = 0;
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_skb_cpu(&skb), here);
	skb.sender_cpu = nr_cpu_ids + 1;
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_skb_cpu(&skb), here);
	skb.sender_cpu = nr_cpu_ids;
	KUNIT_EXPECT_EQ(test, bond_cpu_bound_skb_cpu(&skb), nr_cpu_ids - 1);
#endif
}

static void xdp(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, chosen(NULL, true), 2);
	KUNIT_EXPECT_EQ(test, stat(BOND_CPU_BOUND_ANY), 1);
	hear(1);
	KUNIT_EXPECT_EQ(test, chosen(NULL, true), 1);
	KUNIT_EXPECT_EQ(test, stat(BOND_CPU_BOUND_LEARNED), 1);
}

static void only_asked(struct kunit *test)
{
	u64 before[BOND_CPU_BOUND_STATS], after[BOND_CPU_BOUND_STATS];
	struct sk_buff skb = {};

	bond_cpu_bound_stats(bond, before);
	KUNIT_EXPECT_NE(test, chosen(&skb, false), ANY);
	bond_cpu_bound_stats(bond, after);
	KUNIT_EXPECT_EQ(test, memcmp(before, after, sizeof(after)), 0);
}

/* --- learning ----------------------------------------------------------------- */

static void first_heard(struct kunit *test)
{
	cpumask_var_t cpus;
	unsigned int cpu;

	hear_type(2, PACKET_BROADCAST);
	hear_type(2, PACKET_MULTICAST);
	KUNIT_EXPECT_EQ(test, learned(), ANY);
	expect_any(test, here);

	hear_type(2, PACKET_OTHERHOST);
	KUNIT_EXPECT_EQ(test, learned(), 2);
	KUNIT_EXPECT_EQ(test, stat(BOND_CPU_BOUND_RELEARNED), 0);
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 2);
	for_each_possible_cpu(cpu)
		if (cpu != here)
			expect_any(test, cpu);

	KUNIT_ASSERT_TRUE(test, alloc_cpumask_var(&cpus, GFP_KERNEL));
	bond_cpu_bound_learned(slaves[2], cpus);
	KUNIT_EXPECT_TRUE(test, cpumask_equal(cpus, cpumask_of(here)));
	bond_cpu_bound_learned(slaves[1], cpus);
	KUNIT_EXPECT_TRUE(test, cpumask_empty(cpus));
	free_cpumask_var(cpus);
}

static void sticky(struct kunit *test)
{
	int i;

	hear(1);
	for (i = 0; i < 100; i++) {
		hear(3);
		KUNIT_EXPECT_EQ(test, learned(), 1);
		silent(HZ / 2);
		hear(3);
		KUNIT_EXPECT_EQ(test, learned(), 1);
		hear(1);
	}
	KUNIT_EXPECT_EQ(test, stat(BOND_CPU_BOUND_RELEARNED), 0);

	/* silence alone is no reason */
	silent(100 * HZ);
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 1);
	hear_type(3, PACKET_MULTICAST);
	KUNIT_EXPECT_EQ(test, learned(), 1);
}

static void silence(struct kunit *test)
{
	hear(1);
	silent(HZ);
	hear(3);
	KUNIT_EXPECT_EQ(test, learned(), 3);
	KUNIT_EXPECT_EQ(test, stat(BOND_CPU_BOUND_RELEARNED), 1);
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 3);

	/* heard again, it starts anew */
	silent(HZ);
	hear(3);
	hear(1);
	KUNIT_EXPECT_EQ(test, learned(), 3);

	/* so long ago that it looks like the future */
	silent(-(unsigned long)HZ);
	hear(1);
	KUNIT_EXPECT_EQ(test, learned(), 1);
	KUNIT_EXPECT_EQ(test, stat(BOND_CPU_BOUND_RELEARNED), 2);
}

static void unusable(struct kunit *test)
{
	int i;

	hear(1);
	set_usable(test, 1, false);
	KUNIT_EXPECT_EQ(test, learned(), 1);
	expect(test, here, BOND_CPU_BOUND_ANY, 0, 2, 3, 0);
	set_usable(test, 1, true);
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 1);

	/* one that can send takes its place at once, and keeps it */
	set_usable(test, 1, false);
	hear(3);
	KUNIT_EXPECT_EQ(test, learned(), 3);
	hear(1);
	KUNIT_EXPECT_EQ(test, learned(), 3);
	set_usable(test, 1, true);
	hear(1);
	KUNIT_EXPECT_EQ(test, learned(), 3);

	/* neither can: no taking of turns */
	set_usable(test, 1, false);
	set_usable(test, 3, false);
	for (i = 0; i < 100; i++) {
		hear(1);
		hear(3);
	}
	KUNIT_EXPECT_EQ(test, learned(), 3);
	KUNIT_EXPECT_EQ(test, stat(BOND_CPU_BOUND_RELEARNED), 1);
}

static void slave_left(struct kunit *test)
{
	hear(1);
	release(test, 1);
	expect(test, here, BOND_CPU_BOUND_ANY, 0, 2, 3, 0);
	hear(2);
	KUNIT_EXPECT_EQ(test, learned(), 2);
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 2);
}

static void id_used_again(struct kunit *test)
{
	u32 id = slaves[1]->cpu_bound_id;

	KUNIT_EXPECT_EQ(test, slaves[0]->cpu_bound_id, 1);
	KUNIT_EXPECT_EQ(test, slaves[3]->cpu_bound_id, 4);
	hear(1);
	release(test, 1);
	release(test, 3);
	slaves[1]->cpu_bound_id = 0;
	enslave(test, 3);
	KUNIT_EXPECT_EQ(test, slaves[3]->cpu_bound_id, id);
	KUNIT_EXPECT_EQ_MSG(test, learned(), ANY, "the new one was never heard here");
	hear(3);
	KUNIT_EXPECT_EQ(test, learned(), 3);
	enslave(test, 1);
	KUNIT_EXPECT_EQ(test, slaves[1]->cpu_bound_id, 4);
	KUNIT_EXPECT_EQ_MSG(test, learned(), 3, "another id is not touched");
	/* a leaving slave takes the map's last row with it */
	hear(3);
	silent(HZ);
	hear(1);
	KUNIT_EXPECT_EQ(test, learned(), 1);
	release(test, 1);
	expect(test, here, BOND_CPU_BOUND_ANY, 0, 2, 3, 0);
}

/* The rx handler is registered before the arrays have the slave. */
static void newer_than_the_map(struct kunit *test)
{
	release(test, 3);
	update_error = -ENOMEM;
	rtnl_lock();
	bond_cpu_bound_slave_init(slaves[3]);
	rtnl_unlock();
	hear(3);
	KUNIT_EXPECT_EQ(test, learned(), 3);
	expect(test, here, BOND_CPU_BOUND_ANY, 0, 1, 2, 0);
	update_error = 0;
	enslave(test, 3);
	hear(3);
	expect_one(test, here, BOND_CPU_BOUND_LEARNED, 3);
}

/* The rx handler looks at the policy before the first arrays are built. */
static void no_state_yet(struct kunit *test)
{
	struct bond_cpu_bound __percpu *state = bond->cpu_bound;
	u64 sum[BOND_CPU_BOUND_STATS];
	cpumask_var_t cpus;

	bond->cpu_bound = NULL;
	hear(1);
	bond_cpu_bound_stats(bond, sum);
	KUNIT_EXPECT_EQ(test, sum[BOND_CPU_BOUND_ANY], 0);
	KUNIT_ASSERT_TRUE(test, alloc_cpumask_var(&cpus, GFP_KERNEL));
	bond_cpu_bound_learned(slaves[1], cpus);
	KUNIT_EXPECT_TRUE(test, cpumask_empty(cpus));
	free_cpumask_var(cpus);
	bond->cpu_bound = state;
	KUNIT_EXPECT_EQ(test, learned(), ANY);
}

/* --- the bond ----------------------------------------------------------------- */

static const struct net_device_ops test_ops = {};

static struct net_device *test_device(struct kunit *test, size_t size)
{
	struct net_device *dev;
	int err;

	dev = alloc_netdev(size, "kunit%d", NET_NAME_ENUM, ether_setup);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->netdev_ops = &test_ops;
	dev->needs_free_netdev = true;
	eth_hw_addr_random(dev);
	err = register_netdev(dev);
	if (err)
		free_netdev(dev);
	KUNIT_ASSERT_EQ(test, err, 0);

	return dev;
}

static int test_init(struct kunit *test)
{
	struct net_device *dev;
	int i;

	here = cpumask_first(cpu_online_mask);
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(here)), 0);
	test_cpu_node = 0;
	test_hole = nr_cpu_ids;
	update_error = 0;

	dev = test_device(test, sizeof(*bond));
	bond = netdev_priv(dev);
	bond->dev = dev;
	bond->params.mode = BOND_MODE_XOR;
	bond->params.xmit_policy = BOND_XMIT_POLICY_CPU_BOUND;
	for (i = 0; i < SLAVES; i++) {
		dev = test_device(test, sizeof(*slaves[i]));
		set_dev_node(&dev->dev, NUMA_NO_NODE);
		slaves[i] = netdev_priv(dev);
		slaves[i]->dev = dev;
		slaves[i]->bond = bond;
		enslave(test, i);
	}

	return 0;
}

static void test_exit(struct kunit *test)
{
	struct net_device *dev;
	int i;

	if (!bond)
		return;

	update_error = 0;
	for (i = 0; i < SLAVES && slaves[i]; i++) {
		rtnl_lock();
		if (netdev_has_upper_dev(slaves[i]->dev, bond->dev))
			netdev_upper_dev_unlink(slaves[i]->dev, bond->dev);
		kfree(rtnl_dereference(slaves[i]->cpus));
		rtnl_unlock();
		unregister_netdev(slaves[i]->dev);
		slaves[i] = NULL;
		usable[i] = false;
	}
	/* cases leave no reader behind */
	kvfree(rcu_access_pointer(bond->usable_slaves));
	free_percpu(bond->cpu_bound);
	dev = bond->dev;
	bond = NULL;
	unregister_netdev(dev);
}

static struct kunit_case test_cases[] = {
	KUNIT_CASE(precedence),
	KUNIT_CASE(lists),
	KUNIT_CASE(bad_lists),
	KUNIT_CASE(node_rows),
	KUNIT_CASE(no_such_cpu),
	KUNIT_CASE(shrunk_array),
	KUNIT_CASE(no_map),
	KUNIT_CASE(flow_cpu),
	KUNIT_CASE(xdp),
	KUNIT_CASE(only_asked),
	KUNIT_CASE(first_heard),
	KUNIT_CASE(sticky),
	KUNIT_CASE(silence),
	KUNIT_CASE(unusable),
	KUNIT_CASE(slave_left),
	KUNIT_CASE(id_used_again),
	KUNIT_CASE(newer_than_the_map),
	KUNIT_CASE(no_state_yet),
	{}
};

static struct kunit_suite test_suite = {
	.name = "bond_cpu_bound",
	.init = test_init,
	.exit = test_exit,
	.test_cases = test_cases,
};

kunit_test_suite(test_suite);

MODULE_DESCRIPTION("KUnit tests for bonding's transmit hash policy cpu-bound");
MODULE_LICENSE("GPL");
