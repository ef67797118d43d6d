/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the patched driver uses and the kernel around it may lack. Kbuild includes this
 * before everything else.
 *
 * kernel-patches/6.1 gives struct netlink_ext_ack room for a formatted text. The kernel that
 * this module is loaded into puts the structure without that room on its stack, so here
 * the text goes to the kernel log.
 */
#ifndef _BOND_FLOWPAR_COMPAT_H
#define _BOND_FLOWPAR_COMPAT_H

#include <linux/net.h>
#include <linux/netlink.h>

#ifndef NL_SET_ERR_MSG_FMT
#define NL_SET_ERR_MSG_FMT(extack, fmt, args...) do {			\
	net_info_ratelimited("bonding: " fmt "\n", ##args);		\
	NL_SET_ERR_MSG(extack, "refused; the kernel log says why");	\
} while (0)
#endif

#endif /* _BOND_FLOWPAR_COMPAT_H */
