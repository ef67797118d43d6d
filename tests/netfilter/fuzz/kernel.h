/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as nf_flowpar's packet path calls, in user space. Included before
 * the module's own files, whose #include <...> are taken out: see Makefile.
 *
 * A packet is in two pieces of memory, each exactly as large as it is, so that the
 * sanitizer sees every byte read beside it; making one writable moves it, so that it sees
 * pointers kept from before. What the module finds (sockets, addresses) is in kernel.c.
 */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/tcp.h>
#include <linux/udp.h>

/* --- language and types --- */
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define __rcu
#define __percpu
#define __force
#define __read_mostly
#define noinline __attribute__((noinline))
#define __uninitialized
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define fallthrough __attribute__((fallthrough))
#define IS_ENABLED(option) 1
#define CONFIG_IPV6 1
#define CONFIG_SYN_COOKIES 1
#define HZ 100
#define U16_MAX 0xffff
#define U32_MAX 0xffffffffU
#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define offsetofend(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define struct_size(p, member, n) (sizeof(*(p)) + (n) * sizeof(*(p)->member))
#define min(a, b) ({ __typeof__(a) __a = (a); __typeof__(b) __b = (b); __a < __b ? __a : __b; })
#define max(a, b) ({ __typeof__(a) __a = (a); __typeof__(b) __b = (b); __a > __b ? __a : __b; })
#define min_t(type, a, b) min((type)(a), (type)(b))
#define swap(a, b) do { __typeof__(a) __t = (a); (a) = (b); (b) = __t; } while (0)
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define EXPORT_SYMBOL(x)
#define DIV_ROUND_UP_ULL(a, b) (((unsigned long long)(a) + (b) - 1) / (b))
#define BUILD_BUG_ON(x) _Static_assert(!(x), #x)

static inline u16 swab16(u16 x) { return __builtin_bswap16(x); }
static inline u32 swab32(u32 x) { return __builtin_bswap32(x); }
#define htons swab16
#define ntohs swab16
#define htonl swab32
#define ntohl swab32
#define cpu_to_be16 swab16
#define be16_to_cpu swab16

static inline u64 div_u64(u64 a, u32 b) { return a / b; }
static inline u32 reciprocal_scale(u32 value, u32 range) { return (u64)value * range >> 32; }

/* --- contexts: one thread is every CPU in turn --- */
#define FUZZ_CPUS 4
extern unsigned int nr_cpu_ids, fuzz_cpu, fuzz_bh, fuzz_softirq;
extern unsigned long jiffies;

#define time_in_range_open(a, b, c) ((long)((a) - (b)) >= 0 && (long)((a) - (c)) < 0)
#define time_before(a, b) ((long)((a) - (b)) < 0)
#define time_after(a, b) time_before(b, a)
#define smp_processor_id() fuzz_cpu
#define raw_smp_processor_id() fuzz_cpu
#define in_softirq() (fuzz_softirq || fuzz_bh)
static inline void local_bh_disable(void) { fuzz_bh++; }
static inline void local_bh_enable(void) { fuzz_bh--; }
/* The per-CPU part of a search must stay with one CPU. */
#define this_cpu_ptr(p) (fuzz_assert(in_softirq()), &(p)[fuzz_cpu])
#define raw_cpu_ptr(p) (&(p)[fuzz_cpu])
#define per_cpu_ptr(p, cpu) (&(p)[cpu])
/* p->a.b is an lvalue of CPU 0's; its CPU's is as many structures further on. */
#define this_cpu_inc(x) fuzz_count((unsigned long *)&(x))
#define this_cpu_add(x, n) (void)(x)
#define alloc_percpu_gfp(type, gfp) ((type *)calloc(FUZZ_CPUS, sizeof(type)))
#define free_percpu free
#define rcu_read_lock() do { } while (0)
#define rcu_read_unlock() do { } while (0)
#define rcu_dereference(p) (p)
#define rcu_access_pointer(p) (p)
#define rcu_dereference_protected(p, c) (p)
#define rcu_assign_pointer(p, v) ((p) = (v))
#define RCU_INIT_POINTER(p, v) ((p) = (v))
#define lockdep_is_held(l) 1
#define kfree_rcu(p, field) free(p)
struct rcu_head { char unused; };
struct mutex { char unused; };

void fuzz_count(unsigned long *counter);
_Noreturn void fuzz_failed(const char *file, int line, const char *what);
#define fuzz_assert(x) ((x) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #x))

static inline void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *)) { func(head); }

/* --- memory, errors, CPU masks: what the module's services need --- */
#define GFP_KERNEL_ACCOUNT 0
#define __GFP_ZERO 0
#define kvzalloc(size, gfp) calloc(1, size)
#define kzalloc(size, gfp) calloc(1, size)
#define kfree(p) free((void *)(p))
#define kvfree(p) free(p)
#define IS_ERR(p) ((unsigned long)(p) >= -4095UL)
#define PTR_ERR(p) ((long)(p))
#define ERR_PTR(e) ((void *)(long)(e))
struct cpumask { unsigned long bits; };
#define cpumask_pr_args(m) (m)
static inline char *fuzz_text(void) { return strdup("0-3"); }
#define kasprintf(gfp, format, args) ((void)(args), fuzz_text())
#define for_each_cpu(cpu, mask) \
	for ((cpu) = 0; (cpu) < nr_cpu_ids; (cpu)++) if ((mask)->bits >> (cpu) & 1)
struct netlink_ext_ack { char unused; };
#define NL_SET_ERR_MSG(extack, message) ((void)(extack))
#define NL_SET_ERR_MSG_FMT(extack, format, args...) ((void)(extack))

/* --- devices, routes, sockets --- */
struct net_device { unsigned int flags; int ifindex; bool l3_slave; };
#define netif_is_l3_slave(dev) ((dev)->l3_slave)
#define netif_is_l3_master(dev) 0
struct dst_entry { struct net_device *dev; };
struct rtable { struct dst_entry dst; unsigned int rt_flags; };
#define RTCF_LOCAL 0x80000000
#define RTCF_BROADCAST 0x10000000
#define RTCF_MULTICAST 0x20000000
struct udp_table { char unused; };
struct inet_hashinfo { char unused; };
struct flowpar_net;
struct sk_buff;
struct nf_hook_state { struct net *net; };
typedef unsigned int nf_hookfn(void *priv, struct sk_buff *skb, const struct nf_hook_state *state);
struct nf_hook_entries {
	u16 num_hook_entries;
	struct { nf_hookfn *hook; } hooks[2];
};
struct net {
	struct {
		const struct nf_hook_entries *hooks_ipv4[1], *hooks_ipv6[1];
	} nf;
	struct {
		struct { struct inet_hashinfo *hashinfo; } tcp_death_row;
		struct udp_table *udp_table;
		u8 sysctl_ip_early_demux;
		u8 sysctl_tcp_early_demux;
	} ipv4;
	struct flowpar_net *flowpar;
};
#define net_generic(net, id) ((net)->flowpar)

enum { TCP_ESTABLISHED = 1, TCP_TIME_WAIT = 6, TCP_LISTEN = 10, TCP_NEW_SYN_RECV = 12 };
struct tcp_request_sock { u32 rcv_isn, snt_isn, rcv_nxt; };
struct tcp_timewait_sock { u32 tw_rcv_nxt; };
struct sock {
	int sk_state;
	bool transparent;
	u8 protocol;
	bool sk_reuseport;
	u32 sk_ack_backlog, sk_max_ack_backlog;
	struct dst_entry *sk_rx_dst;
	u32 sk_rx_dst_cookie;
	int sk_rx_dst_ifindex;
	struct tcp_request_sock request;
	struct tcp_timewait_sock timewait;
};
#define inet_sk(sk) (sk)
#define tcp_sk(sk) (sk)
#define inet_reqsk(sk) (sk)
static inline struct tcp_request_sock *tcp_rsk(struct sock *sk) { return &sk->request; }
static inline struct tcp_timewait_sock *tcp_twsk(struct sock *sk) { return &sk->timewait; }
static inline bool inet_sk_transparent(const struct sock *sk) { return sk->transparent; }
static inline bool sk_fullsock(const struct sock *sk)
{
	return sk->sk_state != TCP_TIME_WAIT && sk->sk_state != TCP_NEW_SYN_RECV;
}
static inline bool sk_is_refcounted(const struct sock *sk) { return sk->sk_state != TCP_LISTEN; }
static inline bool sk_is_tcp(const struct sock *sk) { return sk->protocol == IPPROTO_TCP; }
static inline bool sk_is_udp(const struct sock *sk) { return sk->protocol == IPPROTO_UDP; }
struct sock *__inet_lookup_established(const struct net *net, struct inet_hashinfo *hashinfo,
				       __be32 saddr, __be16 sport, __be32 daddr, u16 hnum,
				       int dif, int sdif);
struct sock *__inet_lookup_listener(const struct net *net, struct inet_hashinfo *hashinfo,
				    void *skb, int doff, __be32 saddr, __be16 sport,
				    __be32 daddr, u16 hnum, int dif, int sdif);
struct sock *__udp4_lib_lookup(const struct net *net, __be32 saddr, __be16 sport,
			       __be32 daddr, __be16 dport, int dif, int sdif,
			       struct udp_table *table, void *skb);
void sock_gen_put(struct sock *sk);
bool tcp_synq_no_recent_overflow(const struct sock *sk);
int __cookie_v4_check(const struct iphdr *iph, const struct tcphdr *th);

/* --- packets --- */
enum { CHECKSUM_NONE, CHECKSUM_UNNECESSARY, CHECKSUM_COMPLETE, CHECKSUM_PARTIAL };
struct sk_buff {
	u8 *data;		/* the linear part */
	unsigned int len;	/* of both parts */
	unsigned int data_len;	/* of the rest */
	u8 *rest;
	bool cloned;
	u8 ip_summed;
	u8 pkt_type;
	int skb_iif;
	u32 hash;
	bool pkt_otherhost;	/* of the bridge's information */
	struct sock *sk;
	void (*destructor)(struct sk_buff *skb);
	struct net_device *dev;
	struct dst_entry *dst;
	struct net *net;
	struct nf_conn *ct;
};
struct nf_conn {
	unsigned long status;
	struct { struct { struct { struct { __be16 all; } u; } src; } tuple; } tuplehash[2];
};
#define CTINFO2DIR(info) ((info) >= IP_CT_IS_REPLY)
#define NF_DROP_ERR(x) (((-x) << 16) | NF_DROP)

static inline int skb_network_offset(const struct sk_buff *skb) { (void)skb; return 0; }
static inline struct iphdr *ip_hdr(const struct sk_buff *skb) { return (struct iphdr *)skb->data; }
static inline struct ipv6hdr *ipv6_hdr(const struct sk_buff *skb) { return (struct ipv6hdr *)skb->data; }
static inline unsigned int ip_hdrlen(const struct sk_buff *skb) { return ip_hdr(skb)->ihl * 4; }
static inline struct dst_entry *skb_dst(const struct sk_buff *skb) { return skb->dst; }
static inline struct rtable *skb_rtable(const struct sk_buff *skb) { return (struct rtable *)skb->dst; }
static inline void skb_dst_set_noref(struct sk_buff *skb, struct dst_entry *dst) { skb->dst = dst; }
static inline struct dst_entry *dst_check(struct dst_entry *dst, u32 cookie) { return cookie ? dst : NULL; }
static inline bool skb_valid_dst(const struct sk_buff *skb) { return skb->dst; }
#define IP6CB(skb) (&(struct { int iif; }){ (skb)->dst->dev->ifindex })
static inline int inet_iif(const struct sk_buff *skb) { return skb->dst->dev->ifindex; }
#define nf_bridge_info_get(skb) (skb)
static inline bool nf_bridge_info_exists(const struct sk_buff *skb) { return skb->pkt_type == PACKET_HOST && skb->hash == 1; }
void sock_edemux(struct sk_buff *skb);
void sock_pfree(struct sk_buff *skb);
int inet_sdif(const struct sk_buff *skb);
int inet6_sdif(const struct sk_buff *skb);
void *skb_header_pointer(const struct sk_buff *skb, int offset, int len, void *buffer);
bool pskb_may_pull(struct sk_buff *skb, unsigned int len);
int skb_ensure_writable(struct sk_buff *skb, unsigned int write_len);
static inline struct nf_conn *skb_nfct(const struct sk_buff *skb) { return skb->ct; }
struct nf_ct_hook { int (*confirm)(struct sk_buff *skb); };
extern const struct nf_ct_hook *nf_ct_hook;
static inline bool nf_ct_is_template(const struct nf_conn *ct) { return ct->status & IPS_TEMPLATE; }
static inline bool nf_ct_is_confirmed(const struct nf_conn *ct) { return ct->status & IPS_CONFIRMED; }
static inline void nf_reset_ct(struct sk_buff *skb) { skb->ct = NULL; }
static inline struct nf_conn *nf_ct_get(const struct sk_buff *skb, enum ip_conntrack_info *info)
{
	*info = IP_CT_ESTABLISHED_REPLY;
	return skb->ct;
}
static inline unsigned int skb_headlen(const struct sk_buff *skb) { return skb->len - skb->data_len; }
static inline bool skb_cloned(const struct sk_buff *skb) { return skb->cloned; }
static inline bool skb_clone_writable(const struct sk_buff *skb, unsigned int len)
{
	return !skb->cloned && len <= skb_headlen(skb);
}
int ip_defrag(struct net *net, struct sk_buff *skb, u32 user);
#define IP_DEFRAG_LOCAL_DELIVER 0

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff
static inline bool ip_is_fragment(const struct iphdr *iph)
{
	return iph->frag_off & htons(IP_MF | IP_OFFSET);
}
static inline bool icmp_is_err(int type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}
static inline bool icmpv6_is_err(int type) { return !(type & 128); }

/* --- IPv6's headers; net/ipv6/exthdrs_core.c itself is compiled from the kernel's source --- */
#define NEXTHDR_HOP 0
#define NEXTHDR_ROUTING 43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_AUTH 51
#define NEXTHDR_NONE 59
#define NEXTHDR_DEST 60
#define IP6_OFFSET 0xfff8
#define IP6_MF 1
#define IP6_FH_F_FRAG 1
#define IP6_FH_F_AUTH 2
#define IP6_FH_F_SKIP_RH 4
#define ipv6_optlen(p) (((p)->hdrlen + 1) << 3)
#define ipv6_authlen(p) (((p)->hdrlen + 2) << 2)
#define net_dbg_ratelimited(...) do { } while (0)
#define skb_network_header(skb) ((const unsigned char *)(skb)->data)
#define skb_tail_pointer(skb) ((skb)->data + (skb)->len - (skb)->data_len)
struct frag_hdr { u8 nexthdr, reserved; __be16 frag_off; __be32 identification; };
bool ipv6_ext_hdr(u8 nexthdr);
int ipv6_skip_exthdr(const struct sk_buff *skb, int start, u8 *nexthdrp, __be16 *frag_offp);
int ipv6_find_tlv(const struct sk_buff *skb, int offset, int type);
int ipv6_find_hdr(const struct sk_buff *skb, unsigned int *offset, int target,
		  unsigned short *fragoff, int *fragflg);

static inline bool ipv6_addr_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}
static inline bool ipv6_addr_any(const struct in6_addr *a)
{
	return !(a->s6_addr32[0] | a->s6_addr32[1] | a->s6_addr32[2] | a->s6_addr32[3]);
}
static inline bool ipv6_addr_loopback(const struct in6_addr *a)
{
	return !(a->s6_addr32[0] | a->s6_addr32[1] | a->s6_addr32[2]) && a->s6_addr32[3] == htonl(1);
}
static inline bool ipv4_is_loopback(__be32 address) { return (ntohl(address) >> 24) == 127; }
static inline bool nf_inet_addr_cmp(const union nf_inet_addr *a, const union nf_inet_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}
static inline u32 fuzz_hash(u32 a, u32 b, u32 c, u32 d)
{
	u32 h = (a ^ 0x9e3779b9) * 0x85ebca6b;

	h = (h ^ b ^ h >> 15) * 0xc2b2ae35;
	h = (h ^ c ^ h >> 13) * 0x27d4eb2f;
	h = (h ^ d ^ h >> 16) * 0x165667b1;
	return h ^ h >> 15;
}
#define jhash_3words fuzz_hash
static inline u32 __ipv6_addr_jhash(const struct in6_addr *a, u32 seed)
{
	return fuzz_hash(a->s6_addr32[0] ^ a->s6_addr32[1], a->s6_addr32[2], a->s6_addr32[3], seed);
}

/* --- checksums, as the kernel's do, in the packet's byte order --- */
#define CSUM_MANGLED_0 ((__sum16)0xffff)
static inline __sum16 csum_fold(u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}
/* No packet of the fuzzer's is to be segmented. */
#define SKB_GSO_FRAGLIST	(1 << 18)
struct skb_shared_info { unsigned int gso_type; };

static inline bool skb_is_gso(const struct sk_buff *skb)
{
	(void)skb;
	return false;
}

static inline struct skb_shared_info *skb_shinfo(const struct sk_buff *skb)
{
	static struct skb_shared_info none;

	(void)skb;
	return &none;
}

static inline void csum_replace2(__sum16 *sum, __be16 old, __be16 new)
{
	*sum = csum_fold((u32)(u16)~*sum + (u16)~old + new);
}
static inline void inet_proto_csum_replace2(__sum16 *sum, struct sk_buff *skb, __be16 from,
					    __be16 to, bool pseudohdr)
{
	fuzz_assert(!pseudohdr);
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		csum_replace2(sum, from, to);
}

#endif
