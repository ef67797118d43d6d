// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz-netlink: changed requests to the flowpar family, and what became of them.
 *
 *   fuzz-netlink CORPUS SEED COUNT [nothing]
 *
 * Each request that is acknowledged is read a second time here, by the rules of netlink
 * and of flowpar.yaml: it must be one that may be accepted, and the services that it and
 * its predecessors leave are those that dumps show and announcements tell of, which are
 * looked at on the way and at the end. With "nothing" no change may be accepted: for who
 * lacks the privilege. Leaves no service behind.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/flowpar.h>

#include "corpus.h"

enum { MAX_SERVICES = 128, LOOK_EVERY = 1000, SYNC = 0x5eed0000 };

/* Zeroed as a whole before use: compared as memory. */
struct service {
	uint8_t family, protocol, spill;
	uint8_t address[16];
	uint16_t port, base, stride, per_core;
	char cpus[32];
};

static struct service model[MAX_SERVICES];
static size_t n_model;
static struct input request;		/* since the generic netlink header */
static struct {
	uint64_t seed, index;
} now;

static int sock, ears;
static uint16_t family_id;
static uint32_t group;
static unsigned long accepted[FLOWPAR_CMD_MAX + 1], refused, dumps, silent;

/* One message of more than any other. */
static uint8_t buffer[1 << 18];

_Noreturn static void wrong(const char *what)
{
	size_t i;

	fprintf(stderr, "fuzz-netlink: %s; request %" PRIu64 " of seed %" PRIu64 ":\n", what, now.index, now.seed);
	for (i = 0; i < request.len; i++)
		fprintf(stderr, "%02x%c", request.data[i], i % 16 == 15 ? '\n' : ' ');
	fputc('\n', stderr);
	exit(1);
}

static const struct nlattr *attr_find(const uint8_t *data, size_t len, unsigned int type)
{
	const struct nlattr *attr, *found = NULL;

	/* The last one of a kind counts. */
	while (len >= NLA_HDRLEN) {
		attr = (const struct nlattr *)data;
		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > len)
			break;
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			found = attr;
		if ((size_t)NLA_ALIGN(attr->nla_len) > len)
			break;
		data += NLA_ALIGN(attr->nla_len);
		len -= NLA_ALIGN(attr->nla_len);
	}
	return found;
}

static const void *attr_data(const struct nlattr *attr)
{
	return (const uint8_t *)attr + NLA_HDRLEN;
}

static unsigned int attr_number(const uint8_t *data, size_t len, unsigned int type,
				unsigned int size, int missing)
{
	const struct nlattr *attr = attr_find(data, len, type);
	uint16_t wide;

	if (!attr && missing >= 0)
		return missing;
	if (!attr || attr->nla_len != NLA_HDRLEN + size)
		wrong("accepted, though an attribute is missing or of another size");
	if (size == 1)
		return *(const uint8_t *)attr_data(attr);
	memcpy(&wide, attr_data(attr), sizeof(wide));
	return wide;
}

/* "0-1" of any list of the two CPUs that there are; no list of others may come here. */
static unsigned int cpu_read(const char *text, const char **end)
{
	unsigned int cpu;

	if (*text == 'N') {	/* the last one */
		*end = text + 1;
		return 1;
	}
	cpu = strtoul(text, (char **)end, 10);
	if (*end == text)
		wrong("accepted, though its CPU list is none");
	return cpu;
}

static void cpus_read(const char *list, char *canonical)
{
	unsigned int seen = 0, from, to, step, size;
	const char *end;

	while (*list) {
		/* What the kernel takes for a space. */
		if (*list == ',' || isspace(*list) || *list == '\xa0') {
			list++;
			continue;
		}
		if (!strncasecmp(list, "all", 3)) {
			from = 0;
			to = 1;
			end = list + 3;
		} else {
			from = cpu_read(list, &end);
			to = from;
			if (*end == '-')
				to = cpu_read(end + 1, &end);
		}
		step = size = 1;
		if (*end == ':') {
			size = strtoul(end + 1, (char **)&end, 10);
			if (*end == '/')
				step = strtoul(end + 1, (char **)&end, 10);
		} else if (*end == '\n') {	/* ends the list, elsewhere a space */
			end = "";
		}
		for (; from <= to && step; from += step)
			for (unsigned int i = 0; i < size && from + i <= to; i++)
				seen |= from + i < 2 ? 1 << (from + i) : 4;
		list = end;
	}
	if (!seen || seen & 4)
		wrong("accepted, though its CPUs are none or do not exist");
	strcpy(canonical, (const char *[]){ "", "0", "1", "0-1" }[seen]);
}

static void key_read(const uint8_t *data, size_t len, struct service *service)
{
	const struct nlattr *address = attr_find(data, len, FLOWPAR_A_SERVICE_ADDRESS);

	memset(service, 0, sizeof(*service));
	service->family = attr_number(data, len, FLOWPAR_A_SERVICE_FAMILY, 1, -1);
	service->protocol = attr_number(data, len, FLOWPAR_A_SERVICE_PROTOCOL, 1, -1);
	service->port = attr_number(data, len, FLOWPAR_A_SERVICE_PORT, 2, -1);
	if (service->family != AF_INET && service->family != AF_INET6)
		wrong("accepted, though of another family");
	if (service->protocol != 6 && service->protocol != 17)
		wrong("accepted, though of another protocol");
	if (!service->port)
		wrong("accepted, though of port 0");
	if (!address)
		return;
	if (address->nla_len != NLA_HDRLEN + (service->family == AF_INET ? 4 : 16))
		wrong("accepted, though its address is of another family");
	memcpy(service->address, attr_data(address), address->nla_len - NLA_HDRLEN);
}

static void service_read(const uint8_t *data, size_t len, struct service *service)
{
	const struct nlattr *cpus = attr_find(data, len, FLOWPAR_A_SERVICE_CPUS);
	char list[256];
	unsigned int i;

	key_read(data, len, service);
	service->base = attr_number(data, len, FLOWPAR_A_SERVICE_BASE_PORT, 2, -1);
	service->stride = attr_number(data, len, FLOWPAR_A_SERVICE_STRIDE, 2, 8);
	service->per_core = attr_number(data, len, FLOWPAR_A_SERVICE_PER_CORE, 2, 1);
	service->spill = attr_number(data, len, FLOWPAR_A_SERVICE_SPILL, 1, 0);
	if (!cpus || cpus->nla_len == NLA_HDRLEN || cpus->nla_len - NLA_HDRLEN > (int)sizeof(list))
		wrong("accepted, though without a CPU list");
	memcpy(list, attr_data(cpus), cpus->nla_len - NLA_HDRLEN);
	for (i = 0; i < cpus->nla_len - (unsigned int)NLA_HDRLEN && list[i]; i++)
		;
	if (i == cpus->nla_len - (unsigned int)NLA_HDRLEN)
		wrong("accepted, though its CPU list does not end");
	cpus_read(list, service->cpus);
}

static unsigned int last_port(const struct service *service)
{
	return service->base + (strlen(service->cpus) > 1) * service->stride + service->per_core - 1;
}

static bool is_any(const struct service *service)
{
	static const uint8_t any[16];

	return !memcmp(service->address, any, sizeof(any));
}

static bool same_key(const struct service *a, const struct service *b)
{
	return a->family == b->family && a->protocol == b->protocol && a->port == b->port &&
	       !memcmp(a->address, b->address, sizeof(a->address));
}

static struct service *model_find(const struct service *key)
{
	size_t i;

	for (i = 0; i < n_model; i++)
		if (same_key(&model[i], key))
			return &model[i];
	return NULL;
}

/* What README and flowpar.yaml promise of any two services and of each alone. */
static void model_add(const struct service *new)
{
	const struct service *old;
	size_t i, of_family = 0;

	if (!new->base || !new->stride || !new->per_core || new->per_core > new->stride ||
	    last_port(new) > 65535 || new->spill > 100 || (new->spill && new->protocol == 17) ||
	    (new->port >= new->base && new->port <= last_port(new)))
		wrong("accepted, though it cannot be served");
	for (i = 0; i < n_model; i++) {
		old = &model[i];
		of_family += old->family == new->family;
		if (same_key(old, new))
			wrong("accepted, though there is one");
		if (old->family != new->family || old->protocol != new->protocol ||
		    (!is_any(old) && !is_any(new) && memcmp(old->address, new->address, 16)))
			continue;
		if ((new->base <= last_port(old) && old->base <= last_port(new)) ||
		    (new->base <= old->port && old->port <= last_port(new)) ||
		    (old->base <= new->port && new->port <= last_port(old)))
			wrong("accepted, though it shares ports with another");
	}
	if (of_family >= 64)
		wrong("accepted, though there are 64");
	model[n_model++] = *new;
}

static void model_del(const struct service *key)
{
	struct service *found = model_find(key);

	if (!found)
		wrong("deleted, though it was not there");
	*found = model[--n_model];
}

static int netlink_open(void)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	const struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC), much = 1 << 22;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		die("netlink", "cannot be used: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &much, sizeof(much));
	return fd;
}

static void message_send(uint16_t type, uint16_t flags, uint32_t seq, uint32_t claimed,
			 const void *data, size_t len)
{
	static uint8_t message[NLMSG_HDRLEN + INPUT_MAX];
	const struct nlmsghdr head = {
		.nlmsg_len = claimed ?: NLMSG_HDRLEN + len,
		.nlmsg_type = type,
		.nlmsg_flags = flags,
		.nlmsg_seq = seq,
	};

	memcpy(message, &head, sizeof(head));
	memcpy(message + NLMSG_HDRLEN, data, len);
	if (send(sock, message, NLMSG_HDRLEN + len, 0) < 0)
		wrong(strerror(errno));
}

/*
 * Read what comes until the answer to SYNC and, of a dump, its end.
 * Return: 0 or the error that request @seq was answered with, 1 if it was not answered.
 * @each gets the messages of the family.
 */
static int answers_read(uint32_t seq, bool dumping, void (*each)(const struct nlmsghdr *head, void *to),
			void *to)
{
	const struct nlmsghdr *head;
	bool synced = false;
	int result = 1;
	ssize_t left;

	do {
		left = recv(sock, buffer, sizeof(buffer), 0);
		if (left < 0)
			wrong(errno == EAGAIN ? "the kernel is silent" : strerror(errno));
		for (head = (const void *)buffer; NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
			if (head->nlmsg_seq == SYNC) {
				synced = true;
			} else if (head->nlmsg_seq != seq) {
				continue;	/* of what a shortened request left behind */
			} else if (head->nlmsg_type == NLMSG_ERROR || head->nlmsg_type == NLMSG_DONE) {
				result = *(const int *)NLMSG_DATA(head);
				dumping = false;
			} else if (each) {
				each(head, to);
			}
		}
	} while (!synced || dumping);
	return result;
}

static bool is_dump(uint16_t flags)
{
	return (flags & NLM_F_REQUEST) && (flags & NLM_F_DUMP) == NLM_F_DUMP;
}

static int ask(uint16_t type, uint16_t flags, uint32_t claimed, const void *data, size_t len,
	       void (*each)(const struct nlmsghdr *head, void *to), void *to)
{
	static uint32_t seq;

	seq = (seq + 1) & 0xffffff;
	message_send(type, flags, seq, claimed, data, len);
	/* An answer to this one comes in any case, after those to the one before. */
	message_send(NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, SYNC, 0, NULL, 0);
	return answers_read(seq, is_dump(flags), each, to);
}

static void family_read(const struct nlmsghdr *head, void *to)
{
	const uint8_t *data = (const uint8_t *)NLMSG_DATA(head) + GENL_HDRLEN;
	size_t len = head->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
	const struct nlattr *attr = attr_find(data, len, CTRL_ATTR_FAMILY_ID);

	(void)to;
	if (!attr)
		return;
	family_id = *(const uint16_t *)attr_data(attr);
	attr = attr_find(data, len, CTRL_ATTR_MCAST_GROUPS);
	attr = attr_find(attr_data(attr), attr->nla_len - NLA_HDRLEN, 1);
	attr = attr_find(attr_data(attr), attr->nla_len - NLA_HDRLEN, CTRL_ATTR_MCAST_GRP_ID);
	group = *(const uint32_t *)attr_data(attr);
}

static void family_find(void)
{
	static const uint8_t get[] = { CTRL_CMD_GETFAMILY, 1, 0, 0, 12, 0, CTRL_ATTR_FAMILY_NAME, 0,
				       'f', 'l', 'o', 'w', 'p', 'a', 'r', 0 };

	if (ask(GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_ACK, 0, get, sizeof(get), family_read, NULL) ||
	    !family_id)
		die("flowpar", "no such family; load nf_flowpar");
	if (setsockopt(ears, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		die("services", "cannot be listened to: %s", strerror(errno));
}

struct list {
	struct service services[MAX_SERVICES];
	size_t n;
};

static void list_add(const struct nlmsghdr *head, void *to)
{
	const struct genlmsghdr *genl = NLMSG_DATA(head);
	struct list *list = to;

	if (genl->cmd != FLOWPAR_CMD_SERVICE_GET)
		return;
	if (list->n == MAX_SERVICES)
		wrong("the dump has too many services");
	service_read((const uint8_t *)genl + GENL_HDRLEN, head->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN,
		     &list->services[list->n++]);
}

/* The dump, against what was accepted. */
static void look(void)
{
	static const uint8_t get[4] = { FLOWPAR_CMD_SERVICE_GET, 1 };
	static struct list list;
	const struct service *found;
	size_t i;

	list.n = 0;
	if (ask(family_id, NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP, 0, get, sizeof(get), list_add, &list))
		wrong("the dump fails");
	if (list.n != n_model)
		wrong("the dump has more or fewer services than were accepted");
	for (i = 0; i < list.n; i++) {
		found = model_find(&list.services[i]);
		if (!found || memcmp(found, &list.services[i], sizeof(*found)))
			wrong("the dump has a service that was not accepted so");
	}
}

/* What was announced, in order: one message for each change, saying what changed. */
static void announced(uint8_t cmd, const struct service *wanted)
{
	struct service service;
	const struct nlmsghdr *head;
	ssize_t len = recv(ears, buffer, sizeof(buffer), 0);
	const struct genlmsghdr *genl;

	head = (const void *)buffer;
	if (len < 0 || !NLMSG_OK(head, len))
		wrong("a change was not announced");
	genl = NLMSG_DATA(head);
	service_read((const uint8_t *)genl + GENL_HDRLEN, head->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN,
		     &service);
	if (genl->cmd != cmd || memcmp(&service, wanted, sizeof(service)))
		wrong("another change was announced");
}

static void got(const struct nlmsghdr *head, void *to)
{
	const struct genlmsghdr *genl = NLMSG_DATA(head);
	struct service service;

	if (genl->cmd == FLOWPAR_CMD_SERVICE_GET && !(head->nlmsg_flags & NLM_F_MULTI)) {
		service_read((const uint8_t *)genl + GENL_HDRLEN,
			     head->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, &service);
		memcpy(to, &service, sizeof(service));
	}
}

static size_t attr_at(struct rng *rng)	/* offset of one of the request's attributes */
{
	size_t offsets[64], n = 0, at = GENL_HDRLEN;
	uint16_t len;

	while (at + NLA_HDRLEN <= request.len && n < 64) {
		memcpy(&len, request.data + at, sizeof(len));
		offsets[n++] = at;
		if (len < NLA_HDRLEN)
			break;
		at += NLA_ALIGN(len);
	}
	return n ? offsets[below(rng, n)] : 0;
}

static void put_native(size_t at, uint16_t value)
{
	if (at + sizeof(value) <= request.len)
		memcpy(request.data + at, &value, sizeof(value));
}

static void append(const void *data, size_t len)
{
	if (len > INPUT_MAX - 4 - request.len)
		return;
	memcpy(request.data + request.len, data, len);
	request.len += len;
	while (request.len & 3)
		request.data[request.len++] = 0;
}

static void mutate_request(struct rng *rng, const struct input *corpus, size_t count)
{
	static const char *const lists[] = { "0", "1", "0-1", "1,0", "", ",", "2", "0-", "-1", "0-1:1/2", "0-1:2/1",
		"all", "N", "0-N", "1-0", "x", "0-4294967296", "99999999999", "0-1:0/1", "0-1:1/0", " 0 ", "0\n1", "0,,1" };
	static const uint16_t ports[] = { 0, 1, 80, 81, 82, 443, 5000, 7999, 8000, 8008, 8009, 8100, 40000, 65528, 65535 };
	size_t at = attr_at(rng), i;
	uint8_t attr[NLA_HDRLEN + 64];
	const struct input *other;
	uint16_t type;

	switch (below(rng, 16)) {
	case 0:
		request.data[below(rng, request.len)] ^= 1 << below(rng, 8);
		break;
	case 1:
		request.data[below(rng, request.len)] = rng_next(rng);
		break;
	case 2:		/* an attribute's length */
		if (at)
			put_native(at, one_in(rng, 4) ? rng_next(rng) : below(rng, 40));
		break;
	case 3:		/* its type, with or without flags */
		if (at)
			put_native(at + 2, below(rng, 12) | (one_in(rng, 4) ? 0xc000 & rng_next(rng) : 0));
		break;
	case 4:
		request.len = GENL_HDRLEN + below(rng, request.len - GENL_HDRLEN + 1);
		break;
	case 5:		/* another request's attributes as well */
		other = &corpus[below(rng, count)];
		append(other->data + GENL_HDRLEN, other->len - GENL_HDRLEN);
		break;
	case 6:		/* an attribute of any type and content */
		type = below(rng, 12);
		attr[0] = NLA_HDRLEN + below(rng, 64);
		attr[1] = 0;
		memcpy(attr + 2, &type, sizeof(type));
		for (i = NLA_HDRLEN; i < sizeof(attr); i++)
			attr[i] = one_in(rng, 2) ? 0 : rng_next(rng);
		append(attr, attr[0]);
		break;
	case 7:		/* a CPU list */
	case 8:
		other = NULL;
		i = below(rng, sizeof(lists) / sizeof(*lists));
		attr[0] = NLA_HDRLEN + strlen(lists[i]) + !one_in(rng, 16);
		attr[1] = 0;
		type = FLOWPAR_A_SERVICE_CPUS;
		memcpy(attr + 2, &type, sizeof(type));
		strcpy((char *)attr + NLA_HDRLEN, lists[i]);
		append(attr, attr[0]);
		break;
	case 9:		/* the command, the version */
		request.data[one_in(rng, 8)] = one_in(rng, 4) ? rng_next(rng) : below(rng, 9);
		break;
	default:	/* a number: ports above all */
		attr[0] = NLA_HDRLEN + 2;
		attr[1] = 0;
		type = FLOWPAR_A_SERVICE_PORT + below(rng, 4);
		memcpy(attr + 2, &type, sizeof(type));
		type = type > FLOWPAR_A_SERVICE_BASE_PORT ? below(rng, 10) :
		       one_in(rng, 2) ? ports[below(rng, sizeof(ports) / sizeof(*ports))] : below(rng, 1 << 15);
		memcpy(attr + NLA_HDRLEN, &type, sizeof(type));
		append(attr, attr[0]);
		break;
	}
}

static void one(const struct input *corpus, size_t count, bool nothing)
{
	struct rng rng = rng_of(now.seed, now.index);
	uint16_t flags = NLM_F_REQUEST | NLM_F_ACK;
	struct service service, answer = { 0 };
	const struct service *found;
	uint32_t claimed = 0;
	unsigned int n;
	uint8_t cmd;
	int result;

	request = corpus[below(&rng, count)];
	for (n = below(&rng, 4); n--;)
		mutate_request(&rng, corpus, count);
	/* Else there would soon be as many as there may be, and ever the same. */
	if (n_model > 8 && !one_in(&rng, 64) && one_in(&rng, 4)) {
		const struct service *victim = &model[below(&rng, n_model)];
		uint8_t key[] = { FLOWPAR_CMD_SERVICE_DEL, 1, 0, 0, 5, 0, 1, 0, victim->family, 0, 0, 0,
				  5, 0, 2, 0, victim->protocol, 0, 0, 0, 6, 0, 4, 0,
				  victim->port & 255, victim->port >> 8, 0, 0 };
		uint8_t address[4 + 16] = { victim->family == AF_INET ? 8 : 20, 0, FLOWPAR_A_SERVICE_ADDRESS };

		memcpy(request.data, key, request.len = sizeof(key));
		memcpy(address + 4, victim->address, 16);
		if (!is_any(victim))
			append(address, address[0]);
	}
	if (one_in(&rng, 16))
		flags |= NLM_F_DUMP;
	if (one_in(&rng, 16))
		flags ^= 1 << below(&rng, 12);
	/* A length in the header that is not the message's; a longer one gets no answer. */
	if (one_in(&rng, 64) && !is_dump(flags))
		claimed = 1 + below(&rng, 2 * request.len + NLMSG_HDRLEN);
	cmd = request.data[0];

	result = ask(family_id, flags, claimed, request.data, request.len, got, &answer);
	if (!(flags & NLM_F_REQUEST) || (claimed && result > 0)) {
		if (result < 0)
			wrong("refused, though it is no request");
		silent++;
		return;
	}
	if (result < 0) {
		refused++;
		return;
	}
	if (claimed)
		request.len = claimed - NLMSG_HDRLEN;
	if (is_dump(flags)) {
		if (cmd != FLOWPAR_CMD_SERVICE_GET && cmd != FLOWPAR_CMD_STATS_GET)
			wrong("accepted, though there is nothing to dump");
		dumps++;
		return;
	}
	if (result > 0 && (flags & NLM_F_ACK))
		wrong("not acknowledged");
	if (cmd > FLOWPAR_CMD_MAX)
		wrong("accepted, though there is no such command");
	accepted[cmd]++;
	switch (cmd) {
	case FLOWPAR_CMD_SERVICE_ADD:
		if (nothing)
			wrong("accepted, though without the privilege");
		service_read(request.data + GENL_HDRLEN, request.len - GENL_HDRLEN, &service);
		model_add(&service);
		announced(FLOWPAR_CMD_SERVICE_ADD_NTF, &service);
		break;
	case FLOWPAR_CMD_SERVICE_DEL:
		if (nothing)
			wrong("accepted, though without the privilege");
		key_read(request.data + GENL_HDRLEN, request.len - GENL_HDRLEN, &service);
		found = model_find(&service);
		if (!found)
			wrong("deleted, though it was not there");
		service = *found;
		model_del(&service);
		announced(FLOWPAR_CMD_SERVICE_DEL_NTF, &service);
		break;
	case FLOWPAR_CMD_SERVICE_GET:
		key_read(request.data + GENL_HDRLEN, request.len - GENL_HDRLEN, &service);
		found = model_find(&service);
		if (!found || memcmp(found, &answer, sizeof(answer)))
			wrong("the answer is not the service that was accepted");
		break;
	default:
		wrong("accepted, though it asks for nothing");
	}
}

int main(int argc, char **argv)
{
	bool nothing = argc == 5 && !strcmp(argv[4], "nothing");
	struct input *corpus;
	uint64_t n;
	size_t count, most = 0;

	if (argc != 4 && !nothing)
		die("usage", "fuzz-netlink CORPUS SEED COUNT [nothing]");
	corpus = corpus_load(argv[1], &count);
	now.seed = strtoull(argv[2], NULL, 0);
	n = strtoull(argv[3], NULL, 0);
	sock = netlink_open();
	ears = netlink_open();
	family_find();

	for (now.index = 0; now.index < n; now.index++) {
		one(corpus, count, nothing);
		if (n_model > most)
			most = n_model;
		if (now.index % LOOK_EVERY == 0)
			look();
	}
	look();
	while (n_model) {
		struct service key = model[0];
		uint8_t del[] = { FLOWPAR_CMD_SERVICE_DEL, 1, 0, 0, 5, 0, 1, 0, key.family, 0, 0, 0,
				  5, 0, 2, 0, key.protocol, 0, 0, 0, 6, 0, 4, 0, key.port & 255, key.port >> 8, 0, 0 };
		uint8_t address[20] = { key.family == AF_INET ? 8 : 20, 0, FLOWPAR_A_SERVICE_ADDRESS };

		memcpy(request.data, del, request.len = sizeof(del));
		memcpy(address + 4, key.address, 16);
		if (!is_any(&key))
			append(address, address[0]);
		if (ask(family_id, NLM_F_REQUEST | NLM_F_ACK, 0, request.data, request.len, NULL, NULL))
			wrong("what was accepted cannot be deleted");
		model_del(&key);
	}
	look();
	printf("added %lu\ndeleted %lu\ngot %lu\ndumped %lu\nrefused %lu\nunanswered %lu\nmost %zu\n",
	       accepted[FLOWPAR_CMD_SERVICE_ADD], accepted[FLOWPAR_CMD_SERVICE_DEL],
	       accepted[FLOWPAR_CMD_SERVICE_GET], dumps, refused, silent, most);
	return 0;
}
