// SPDX-License-Identifier: GPL-2.0
/*
 * Which new TCP flows come by which slave: packet sockets with a filter for SYNs.
 */
#include "syns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "machine.h"

#define SNAP		78	/* Ethernet, IPv6 and TCP up to its flags, and some */
#define BUFFER		(4 * 1024 * 1024)

/* A SYN without ACK, in an IPv4 packet that is no later fragment, or right behind an IPv6 header. */
static struct sock_filter code[] = {
	/*  0 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	/*  1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 6),
	/*  2 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
	/*  3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 12),
	/*  4 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
	/*  5 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 10, 0),
	/*  6 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
	/*  7 */ BPF_JUMP(BPF_JMP | BPF_JA, 4, 0, 0),
	/*  8 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 7),
	/*  9 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
	/* 10 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 5),
	/* 11 */ BPF_STMT(BPF_LDX | BPF_IMM, 40),
	/* 12 */ BPF_STMT(BPF_LD | BPF_B | BPF_IND, 14 + 13),
	/* 13 */ BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
	/* 14 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
	/* 15 */ BPF_STMT(BPF_RET | BPF_K, SNAP),
	/* 16 */ BPF_STMT(BPF_RET | BPF_K, 0),
};

static int open_on(const char *name)
{
	struct sock_fprog filter = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd, size = BUFFER, err;

	/* Protocol 0: nothing comes before filter and device are set. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	at.sll_ifindex = (int)if_nametoindex(name);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (at.sll_ifindex && !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) &&
	    !bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

void syns_open(struct syns *s, const struct machine *m)
{
	size_t i, k;
	int fd;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < m->n; i++)
		for (k = 0; k < m->bond[i].n; k++) {
			fd = open_on(m->bond[i].nic[k].name);
			if (fd < 0) {
				s->err = errno;
				return;
			}
			s->fd = realloc(s->fd, (s->n_fds + 1) * sizeof(*s->fd));
			if (!s->fd)
				abort();
			s->fd[s->n_fds++] = fd;
		}
	s->known = true;
}

static void collect(struct syns *s, int fd, size_t bond, size_t slave)
{
	struct sockaddr_ll from;
	unsigned char p[SNAP];
	struct syn *syn;
	socklen_t len;
	size_t tcp;
	ssize_t n;

	for (;;) {
		len = sizeof(from);
		n = recvfrom(fd, p, sizeof(p), 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			return;
		if (from.sll_pkttype == PACKET_OUTGOING || n < 54)
			continue;
		s->syn = realloc(s->syn, (s->n + 1) * sizeof(*s->syn));
		if (!s->syn)
			abort();
		syn = &s->syn[s->n++];
		memset(syn, 0, sizeof(*syn));
		syn->bond = bond;
		syn->slave = slave;
		memcpy(syn->mac, p + 6, 6);
		if (p[12] == 0x08) {
			memcpy(syn->address, p + 26, 4);
			memcpy(syn->to, p + 30, 4);
			tcp = 14 + (p[14] & 15) * 4u;
		} else {
			memcpy(syn->address, p + 22, 16);
			memcpy(syn->to, p + 38, 16);
			tcp = 54;
		}
		if (tcp + 4 <= (size_t)n)
			memcpy(syn->ports, p + tcp, 4);
	}
}

void syns_close(struct syns *s, const struct machine *m)
{
	size_t i, k, fd = 0;

	for (i = 0; i < m->n; i++)
		for (k = 0; k < m->bond[i].n && fd < s->n_fds; k++, fd++) {
			collect(s, s->fd[fd], i, k);
			close(s->fd[fd]);
		}
	free(s->fd);
	s->fd = NULL;
	s->n_fds = 0;
}

void syns_free(struct syns *s)
{
	free(s->syn);
	memset(s, 0, sizeof(*s));
}
