// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz-send: changed packets of the corpus, and trains of fragments, as raw frames.
 *
 *   fuzz-send CORPUS DEVICE MAC CLIENT4 CLIENT6 SEED COUNT
 *
 * DEVICE sends to MAC as CLIENT4 and CLIENT6, so that what the server answers arrives. A
 * question by ARP every WINDOW frames keeps the queues on the way from overflowing, and
 * ends the program with status 1 when the server does not answer it any more.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "corpus.h"

enum { WINDOW = 192, BATCH = 64, MTU = 1500, HEAD = 14, MOST_PARTS = 8 };

static struct frame {
	size_t len;
	uint8_t data[HEAD + 4 + INPUT_MAX];
} frames[BATCH];

static unsigned int filled, since_question;
static uint64_t sent;
static int out, arp;
static uint8_t own_mac[6], server_mac[6], client4[4], client6[16];
static const uint8_t server4[4] = { 10, 77, 0, 1 };

/* Broadcast: what the server's NICs have been told of their own address is no matter. */
static void question(void)
{
	uint8_t frame[60] = { 0 }, reply[128];
	int attempt;

	memset(frame, 0xff, 6);
	memcpy(frame + 6, own_mac, 6);
	memcpy(frame + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(frame + 22, own_mac, 6);
	memcpy(frame + 28, client4, 4);
	memcpy(frame + 38, server4, 4);
	for (attempt = 0; attempt < 60; attempt++) {
		if (send(arp, frame, sizeof(frame), 0) < 0 && errno != ENOBUFS)
			die("arp", "cannot be sent: %s", strerror(errno));
		while (recv(arp, reply, sizeof(reply), 0) >= 42)
			if (reply[21] == 2 && !memcmp(reply + 28, server4, 4))
				return;
	}
	fprintf(stderr, "fuzz-send: the server is silent after %" PRIu64 " frames\n", sent);
	exit(1);
}

static void flush(void)
{
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];
	unsigned int i, done = 0;
	int n;

	for (i = 0; i < filled; i++) {
		parts[i] = (struct iovec){ frames[i].data, frames[i].len };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (done < filled) {
		n = sendmmsg(out, messages + done, filled - done, 0);
		if (n < 0 && errno == ENOBUFS)
			question();
		else if (n < 0)
			die("frame", "cannot be sent: %s", strerror(errno));
		else
			done += n;
	}
	sent += filled;
	since_question += filled;
	filled = 0;
	if (since_question >= WINDOW) {
		question();
		since_question = 0;
	}
}

static void frame_add(struct rng *rng, const struct input *packet, bool ipv6)
{
	struct frame *frame = &frames[filled];
	size_t len = packet->len < MTU ? packet->len : MTU;
	uint8_t *at = frame->data;

	if (one_in(rng, 64))
		memset(at, 0xff, 6);
	else
		memcpy(at, server_mac, 6);
	memcpy(at + 6, own_mac, 6);
	at += 12;
	if (one_in(rng, 64)) {
		put16(at, 0x8100);
		put16(at + 2, below(rng, 3));
		at += 4;
	}
	put16(at, ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	memcpy(at + 2, packet->data, len);
	frame->len = at + 2 + len - frame->data;
	if (++filled == BATCH)
		flush();
}

/* Parts of a packet, in any order, that overlap, leave gaps, repeat or end too late. */
static void fragments_add(struct rng *rng, const struct input *packet, bool ipv6)
{
	size_t head = ipv6 ? 40 : (packet->data[0] & 15) * 4, size, from, to, payload;
	unsigned int n, i, parts = 2 + below(rng, MOST_PARTS - 1);
	struct input all[MOST_PARTS];
	uint16_t ident = rng_next(rng);
	bool clean = one_in(rng, 2);
	uint8_t *data;

	if (packet->len < head + 16 || head < 20 || packet->len > MTU) {
		frame_add(rng, packet, ipv6);
		return;
	}
	payload = packet->len - head;
	size = (payload / parts + 7) & ~7UL;
	for (n = 0; n < parts && n * size < payload; n++) {
		from = n * size;
		to = from + size;
		if (!clean && one_in(rng, 3))
			from = from > 8 ? from - 8 * (1 + below(rng, from / 8)) : 0;
		if (!clean && one_in(rng, 3))
			to += 8 * below(rng, 4);
		if (to > payload || (!clean && one_in(rng, 8)))
			to = payload;
		if (from > to)
			from = to & ~7UL;
		all[n].len = head + (ipv6 ? 8 : 0) + to - from;
		data = all[n].data;
		memcpy(data, packet->data, head);
		if (ipv6) {
			data[40] = data[6];
			data[6] = 44;
			data[41] = 0;
			put16(data + 42, from | (to < payload));
			put16(data + 44, 0);
			put16(data + 46, ident);
			memcpy(data + 48, packet->data + head + from, to - from);
			put16(data + 4, all[n].len - 40);
		} else {
			put16(data + 4, ident);
			put16(data + 6, from / 8 | (to < payload) << 13);
			memcpy(data + head, packet->data + head + from, to - from);
			put16(data + 2, all[n].len);
			put16(data + 10, 0);
			put16(data + 10, ~sum_of(data, head, 0));
		}
		if (!clean && one_in(rng, 16))
			data[ipv6 ? 43 : 7] ^= 1 << below(rng, 8);
	}
	for (i = 0; i < n; i++) {
		unsigned int other = one_in(rng, 2) ? i : below(rng, n);
		struct input part = all[i];

		all[i] = all[other];
		all[other] = part;
	}
	for (i = 0; i < n; i++)
		if (clean || !one_in(rng, 8))
			frame_add(rng, &all[i], ipv6);
}

/* The corpus has clients of its own. */
static void readdress(struct input *input)
{
	static const uint8_t old4[4] = { 10, 77, 0, 9 }, old6[16] = { 0xfd, 0x77, [15] = 9 };
	size_t i;

	for (i = 0; i + 4 <= input->len; i++) {
		if (!memcmp(input->data + i, old4, 4))
			memcpy(input->data + i, client4, 4);
		else if (i + 16 <= input->len && !memcmp(input->data + i, old6, 16))
			memcpy(input->data + i, client6, 16);
	}
	if (!strstr(input->name, "unsummed"))
		repair_checksums(input);
}

static void link_open(const char *device, const char *mac)
{
	struct sockaddr_ll link = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(device) };
	struct timeval second = { .tv_sec = 1 };
	socklen_t size = sizeof(link);

	if (!link.sll_ifindex)
		die(device, "is no device");
	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &server_mac[0], &server_mac[1],
		   &server_mac[2], &server_mac[3], &server_mac[4], &server_mac[5]) != 6)
		die(mac, "is no MAC address");
	out = socket(AF_PACKET, SOCK_RAW, 0);
	arp = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ARP));
	if (out < 0 || arp < 0 || bind(out, (struct sockaddr *)&link, sizeof(link)))
		die(device, "cannot be used: %s", strerror(errno));
	link.sll_protocol = htons(ETH_P_ARP);
	if (bind(arp, (struct sockaddr *)&link, sizeof(link)) ||
	    setsockopt(arp, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) ||
	    getsockname(arp, (struct sockaddr *)&link, &size))
		die(device, "cannot be used: %s", strerror(errno));
	memcpy(own_mac, link.sll_addr, 6);
}

int main(int argc, char **argv)
{
	struct input *corpus, packet;
	uint64_t seed, want, i;
	size_t count, n = 0;
	struct rng rng;
	bool ipv6;

	if (argc != 8)
		die("usage", "fuzz-send CORPUS DEVICE MAC CLIENT4 CLIENT6 SEED COUNT");
	corpus = corpus_load(argv[1], &count);
	if (inet_pton(AF_INET, argv[4], client4) != 1 || inet_pton(AF_INET6, argv[5], client6) != 1)
		die("client", "%s and %s: want an IPv4 and an IPv6 address", argv[4], argv[5]);
	link_open(argv[2], argv[3]);
	seed = strtoull(argv[6], NULL, 0);
	want = strtoull(argv[7], NULL, 0);

	/* What the server sends is for the other fuzzer. */
	for (i = 0; i < count; i++)
		if (!strstr(corpus[i].name, "-out-"))
			corpus[n++] = corpus[i];
	for (i = 0; i < n; i++)
		readdress(&corpus[i]);

	question();
	for (i = 0; sent + filled < want; i++) {
		rng = rng_of(seed, i);
		packet = corpus[below(&rng, n)];
		ipv6 = packet.data[0] >> 4 == 6;
		if (!one_in(&rng, 8))
			mutate_packet(&rng, &packet, corpus, n);
		if (one_in(&rng, 8))
			fragments_add(&rng, &packet, ipv6);
		else
			frame_add(&rng, &packet, ipv6);
	}
	flush();
	question();
	printf("%" PRIu64 "\n", sent);
	return 0;
}
