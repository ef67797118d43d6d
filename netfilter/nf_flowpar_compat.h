/* SPDX-License-Identifier: GPL-2.0 */
/* What Linux 6.1 lacks of the interfaces that nf_flowpar uses, in their names.
 *
 * Kbuild includes this before everything else, on 6.1 only, so that no other file
 * needs to know. To be deleted with kernel-patches/6.1.
 */
#ifndef _NF_FLOWPAR_COMPAT_H
#define _NF_FLOWPAR_COMPAT_H

#include <linux/netlink.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/netlink.h>
#include <net/tcp.h>
#include <net/udp.h>

extern struct genl_family flowpar_nl_family;

#ifndef __counted_by
#define __counted_by(...)
#endif

/* kernel-patches/6.1 adds these two. A distribution's 6.1, which the module can be built
 * for as well, has no place for a text that is not a constant.
 */
#ifndef NL_SET_ERR_MSG_FMT
#define NL_SET_ERR_MSG_FMT(extack, fmt, args...) do {			\
	net_info_ratelimited("nf_flowpar: " fmt "\n", ##args);		\
	NL_SET_ERR_MSG(extack, "refused; the kernel log says why");	\
} while (0)
#define NL_SET_ERR_MSG_ATTR_FMT(extack, attr, fmt, args...) do {	\
	struct netlink_ext_ack *__attr_extack = (extack);		\
									\
	NL_SET_ERR_MSG_FMT(__attr_extack, fmt, ##args);			\
	NL_SET_BAD_ATTR(__attr_extack, attr);				\
} while (0)
#endif

#define NL_ASSERT_DUMP_CTX_FITS(type)					\
	BUILD_BUG_ON(sizeof(type) > sizeof_field(struct netlink_callback, ctx))

static inline int nla_put_uint(struct sk_buff *skb, int type, u64 value)
{
	return value > U32_MAX ? nla_put(skb, type, sizeof(value), &value) :
				 nla_put_u32(skb, type, value);
}

/* What these only read was not yet const, and a cookie was not yet taken from the header. */
static inline struct sock *
flowpar_compat_lookup(const struct net *net, struct inet_hashinfo *hashinfo,
		      __be32 saddr, __be16 sport, __be32 daddr, u16 dport,
		      int dif, int sdif)
{
	return __inet_lookup_established((struct net *)net, hashinfo, saddr, sport,
					 daddr, dport, dif, sdif);
}

#define __inet_lookup_established flowpar_compat_lookup

static inline struct sock *
flowpar_compat_lookup_listener(const struct net *net, struct inet_hashinfo *hashinfo,
			       struct sk_buff *skb, int doff, __be32 saddr, __be16 sport,
			       __be32 daddr, u16 dport, int dif, int sdif)
{
	return __inet_lookup_listener((struct net *)net, hashinfo, skb, doff, saddr, sport,
				      daddr, dport, dif, sdif);
}

#define __inet_lookup_listener flowpar_compat_lookup_listener

static inline struct sock *
flowpar_compat_lookup_udp(const struct net *net, __be32 saddr, __be16 sport,
			  __be32 daddr, __be16 dport, int dif, int sdif,
			  struct udp_table *table, struct sk_buff *skb)
{
	return __udp4_lib_lookup((struct net *)net, saddr, sport, daddr, dport, dif, sdif,
				 table, skb);
}

#define __udp4_lib_lookup flowpar_compat_lookup_udp

/* One for all namespaces. */
#define flowpar_udp_table(net) ((void)(net), &udp_table)

#ifdef CONFIG_SYN_COOKIES
static inline int flowpar_compat_cookie(const struct iphdr *iph, const struct tcphdr *th)
{
	return __cookie_v4_check(iph, th, ntohl(th->ack_seq) - 1);
}

#define __cookie_v4_check flowpar_compat_cookie
#endif

#if IS_ENABLED(CONFIG_IPV6)
static inline struct sock *
flowpar_compat_lookup6(const struct net *net, struct inet_hashinfo *hashinfo,
		       const struct in6_addr *saddr, __be16 sport,
		       const struct in6_addr *daddr, u16 dport, int dif, int sdif)
{
	return __inet6_lookup_established((struct net *)net, hashinfo, saddr, sport,
					  daddr, dport, dif, sdif);
}

#define __inet6_lookup_established flowpar_compat_lookup6

static inline struct sock *
flowpar_compat_lookup6_listener(const struct net *net, struct inet_hashinfo *hashinfo,
				struct sk_buff *skb, int doff,
				const struct in6_addr *saddr, __be16 sport,
				const struct in6_addr *daddr, u16 dport,
				int dif, int sdif)
{
	return inet6_lookup_listener((struct net *)net, hashinfo, skb, doff, saddr, sport,
				     daddr, dport, dif, sdif);
}

#define inet6_lookup_listener flowpar_compat_lookup6_listener

static inline struct sock *
flowpar_compat_lookup6_udp(const struct net *net, const struct in6_addr *saddr,
			   __be16 sport, const struct in6_addr *daddr, __be16 dport,
			   int dif, int sdif, struct udp_table *table,
			   struct sk_buff *skb)
{
	return __udp6_lib_lookup((struct net *)net, saddr, sport, daddr, dport, dif, sdif,
				 table, skb);
}

#define __udp6_lib_lookup flowpar_compat_lookup6_udp

#ifdef CONFIG_SYN_COOKIES
static inline int flowpar_compat_cookie6(const struct ipv6hdr *iph,
					 const struct tcphdr *th)
{
	return __cookie_v6_check(iph, th, ntohl(th->ack_seq) - 1);
}

#define __cookie_v6_check flowpar_compat_cookie6
#endif
#endif

#undef GENL_REQ_ATTR_CHECK
#define GENL_REQ_ATTR_CHECK(info, attr) ({				\
	const struct genl_info *__info = (info);			\
									\
	NL_REQ_ATTR_CHECK(__info->extack, NULL, __info->attrs, attr);	\
})

/* A request's genl_info names no family, and a dump has none. */
static inline void *genlmsg_iput(struct sk_buff *skb, const struct genl_info *info)
{
	return genlmsg_put(skb, info->snd_portid, info->snd_seq, &flowpar_nl_family, 0,
			   info->genlhdr->cmd);
}

static inline struct genl_info flowpar_compat_dump_info(struct netlink_callback *cb)
{
	return (struct genl_info) {
		.snd_portid	= NETLINK_CB(cb->skb).portid,
		.snd_seq	= cb->nlh->nlmsg_seq,
		.genlhdr	= nlmsg_data(cb->nlh),
	};
}

#define genl_info_dump(cb) ((const struct genl_info[]) { flowpar_compat_dump_info(cb) })

static inline void genl_info_init_ntf(struct genl_info *info,
				      const struct genl_family *family, u8 cmd)
{
	struct genlmsghdr *hdr = (struct genlmsghdr *)info->user_ptr;

	memset(info, 0, sizeof(*info));
	hdr->cmd = cmd;
	info->genlhdr = hdr;
}

/* A split operation is either do or dump. Here a command has one entry for both, which
 * holds all that a split one does.
 */
#define genl_split_ops	genl_ops
#define split_ops	ops
#define n_split_ops	n_ops

/* The entry's policy is that of the do: a dump knows no attribute. */
static inline int flowpar_compat_dump_start(struct netlink_callback *cb)
{
	const struct genl_dumpit_info *info = genl_dumpit_info(cb);
	unsigned int i;

	for (i = 0; i <= info->op.maxattr; i++) {
		if (info->attrs[i]) {
			NL_SET_ERR_MSG_ATTR(cb->extack, info->attrs[i],
					    "Unknown attribute type");
			return -EINVAL;
		}
	}
	return 0;
}

static inline int flowpar_compat_register_family(struct genl_family *family)
{
	static struct genl_ops merged[16];
	unsigned int i, n = 0;

	if (WARN_ON(family->n_ops > ARRAY_SIZE(merged)))
		return -EINVAL;

	/* The generator writes do and dump of a command one after the other. */
	for (i = 0; i < family->n_ops; i++) {
		const struct genl_ops *op = &family->ops[i];

		if (n && op->dumpit && merged[n - 1].cmd == op->cmd) {
			merged[n - 1].start = flowpar_compat_dump_start;
			merged[n - 1].dumpit = op->dumpit;
			merged[n - 1].done = op->done;
			merged[n - 1].flags |= op->flags;
		} else {
			merged[n++] = *op;
		}
	}
	family->ops = merged;
	family->n_ops = n;
	return genl_register_family(family);
}

#define genl_register_family flowpar_compat_register_family

#endif /* _NF_FLOWPAR_COMPAT_H */
