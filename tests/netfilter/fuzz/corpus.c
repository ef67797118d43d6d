// SPDX-License-Identifier: GPL-2.0
/*
 * Inputs of the fuzzers: read, changed, repaired. See corpus.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus.h"

enum { TCP = 6, UDP = 17, ICMP = 1, ICMPV6 = 58 };
enum { HOP = 0, ROUTING = 43, FRAGMENT = 44, AUTH = 51, NONE = 59, DEST = 60 };

void die(const char *object, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "fuzz: %s: ", object);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

struct rng rng_of(uint64_t seed, uint64_t index)
{
	return (struct rng){ .state = seed * 0x9e3779b97f4a7c15 + index * 0xd1b54a32d192ed03 };
}

/* splitmix64: any state is a good one, so neighbouring inputs have nothing in common. */
uint32_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) >> 32;
}

uint32_t below(struct rng *rng, uint32_t n)
{
	return (uint64_t)rng_next(rng) * n >> 32;
}

bool one_in(struct rng *rng, uint32_t n)
{
	return !below(rng, n);
}

struct input *corpus_load(const char *path, size_t *count)
{
	struct input *inputs = NULL, *input = NULL;
	FILE *file = fopen(path, "r");
	unsigned int byte, number = 0;
	char line[1024], *at;
	int used;

	if (!file)
		die(path, "cannot be read");
	*count = 0;
	while (fgets(line, sizeof(line), file)) {
		number++;
		line[strcspn(line, "#\n")] = 0;
		at = strchr(line, ':');
		if (at) {
			*at = 0;
			inputs = realloc(inputs, (*count + 1) * sizeof(*inputs));
			if (!inputs)
				die(path, "no memory");
			input = &inputs[(*count)++];
			memset(input, 0, sizeof(*input));
			snprintf(input->name, sizeof(input->name), "%.63s", line);
			continue;
		}
		for (at = line; sscanf(at, " %2x%n", &byte, &used) == 1; at += used) {
			if (!input || input->len == INPUT_MAX)
				die(path, "line %u: bytes of no input, or too many", number);
			input->data[input->len++] = byte;
		}
		if (at[strspn(at, " \t")])
			die(path, "line %u: '%s' is neither a name nor hexadecimal", number, at);
	}
	fclose(file);
	if (!*count)
		die(path, "holds no input");
	return inputs;
}

void put16(uint8_t *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
}

unsigned int get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

uint32_t sum_of(const uint8_t *data, size_t len, uint32_t sum)
{
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += get16(data + i);
	if (len & 1)
		sum += data[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

uint32_t sum_pseudo(const uint8_t *packet, size_t len, size_t offset, uint8_t protocol)
{
	bool ipv6 = packet[0] >> 4 == 6;
	uint32_t sum = protocol + len - offset;

	sum = sum_of(packet + (ipv6 ? 8 : 12), ipv6 ? 32 : 8, sum);
	return sum_of(packet + offset, len - offset, sum);
}

static struct where transport_of_ipv6(const uint8_t *packet, size_t len)
{
	struct where where = { .protocol = packet[6], .offset = 40 };
	const uint8_t *header;

	for (;;) {
		header = packet + where.offset;
		switch (where.protocol) {
		case ROUTING:
			if (where.offset + 4 > len)
				return where;
			where.elsewhere |= header[3] != 0;
			/* fall through */
		case HOP:
		case DEST:
			if (where.offset + 2 > len)
				return where;
			where.offset += (header[1] + 1) * 8;
			break;
		case AUTH:
			if (where.offset + 2 > len)
				return where;
			where.authenticated = true;
			where.offset += (header[1] + 2) * 4;
			break;
		case FRAGMENT:
			if (where.offset + 4 > len)
				return where;
			where.fragments++;
			where.fragment |= get16(header + 2) & 0xfff9;
			if (get16(header + 2) & 0xfff8)
				return where;
			where.offset += 8;
			break;
		case NONE:
			return where;
		default:
			where.found = where.offset <= len;
			return where;
		}
		where.protocol = header[0];
	}
}

struct where transport_of(const uint8_t *packet, size_t len)
{
	struct where where;

	if (packet[0] >> 4 == 6)
		return transport_of_ipv6(packet, len);
	where = (struct where){ .protocol = packet[9], .offset = (packet[0] & 15) * 4 };
	where.fragment = get16(packet + 6) & 0x3fff;
	where.fragments = where.fragment;
	where.found = where.offset >= 20 && where.offset <= len &&
		      !(get16(packet + 6) & 0x1fff);
	return where;
}

static bool is_ipv6(const struct input *input)
{
	return input->len >= 40 && input->data[0] >> 4 == 6;
}

static bool is_ipv4(const struct input *input)
{
	return input->len >= 20 && input->data[0] >> 4 == 4;
}

void repair_lengths(struct input *input)
{
	uint8_t *data = input->data;
	struct where where;

	if (is_ipv6(input))
		put16(data + 4, input->len - 40);
	else if (is_ipv4(input))
		put16(data + 2, input->len);
	else
		return;
	where = transport_of(data, input->len);
	if (where.found && where.protocol == UDP && where.offset + 8 <= input->len)
		put16(data + where.offset + 4, input->len - where.offset);
}

static void repair_transport(uint8_t *packet, size_t len, bool quoted)
{
	struct where where = transport_of(packet, len);
	size_t at;

	if (!where.found || where.fragment)
		return;
	/* Of a part nobody can tell. */
	if (quoted && len != (packet[0] >> 4 == 6 ? get16(packet + 4) + 40 : get16(packet + 2)))
		return;
	switch (where.protocol) {
	case TCP:
		at = where.offset + 16;
		break;
	case UDP:
		at = where.offset + 6;
		break;
	case ICMP:
	case ICMPV6:
		at = where.offset + 2;
		break;
	default:
		return;
	}
	if (at + 2 > len)
		return;
	/* An error's quotation first: the error's checksum covers it. */
	if (!quoted && (where.protocol == ICMP || where.protocol == ICMPV6) &&
	    where.offset + 8 + (packet[0] >> 4 == 6 ? 40 : 20) <= len)
		repair_transport(packet + where.offset + 8, len - where.offset - 8, true);
	put16(packet + at, 0);
	if (where.protocol == ICMP)
		put16(packet + at, ~sum_of(packet + where.offset, len - where.offset, 0));
	else
		put16(packet + at, ~sum_pseudo(packet, len, where.offset, where.protocol));
	if (where.protocol == UDP && !get16(packet + at))
		put16(packet + at, 0xffff);
}

void repair_checksums(struct input *input)
{
	size_t size;

	if (!is_ipv6(input) && !is_ipv4(input))
		return;
	repair_transport(input->data, input->len, false);
	if (is_ipv6(input))
		return;
	size = (input->data[0] & 15) * 4;
	if (size < 20 || size > input->len)
		return;
	put16(input->data + 10, 0);
	put16(input->data + 10, ~sum_of(input->data, size, 0));
}

static void insert(struct input *input, size_t at, const uint8_t *data, size_t len)
{
	if (at > input->len || len > INPUT_MAX - input->len)
		return;
	memmove(input->data + at + len, input->data + at, input->len - at);
	memcpy(input->data + at, data, len);
	input->len += len;
}

static void delete(struct input *input, size_t at, size_t len)
{
	memmove(input->data + at, input->data + at + len, input->len - at - len);
	input->len -= len;
}

/* Values at which lengths and ports change their meaning; ports of the tests' services. */
static const uint16_t words[] = {
	0, 1, 4, 5, 7, 8, 19, 20, 21, 39, 40, 41, 0x7fff, 0x8000, 0xfff8, 0xffff, 0x2000, 0x1fff,
	53, 80, 5000, 5001, 5008, 7999, 8000, 8001, 8008, 8016, 8024, 8031, 8032,
};

/* An extension header, or several, before what the IPv6 header announces. */
static void insert_headers(struct rng *rng, struct input *input)
{
	static const uint8_t kinds[] = { HOP, ROUTING, FRAGMENT, AUTH, NONE, DEST };
	unsigned int n = one_in(rng, 8) ? 1 + below(rng, 40) : 1 + below(rng, 3);
	uint8_t header[40] = { 0 };
	size_t size;

	while (n--) {
		uint8_t kind = kinds[below(rng, sizeof(kinds))];

		if (kind == NONE && !one_in(rng, 4))
			kind = DEST;
		size = 8 * (1 + (one_in(rng, 4) ? below(rng, 4) : 0));
		memset(header, 0, sizeof(header));
		header[0] = input->data[6];
		header[1] = kind == AUTH ? size / 4 - 2 : size / 8 - 1;
		switch (kind) {
		case HOP:
		case DEST:
			header[2] = 1;	/* PadN to the end */
			header[3] = size - 4;
			break;
		case ROUTING:
			header[2] = below(rng, 6);
			header[3] = one_in(rng, 3);
			break;
		case FRAGMENT:
			size = 8;
			header[1] = 0;
			if (one_in(rng, 3))
				put16(header + 2, below(rng, 3) | below(rng, 16) << 3);
			header[7] = below(rng, 4);
			break;
		}
		if (one_in(rng, 16))
			header[1] = rng_next(rng);
		insert(input, 40, header, size);
		input->data[6] = kind;
	}
}

static void insert_options(struct rng *rng, struct input *input)
{
	unsigned int i, room = 15 - (input->data[0] & 15);
	uint8_t options[40];
	size_t size;

	if ((input->data[0] & 15) < 5 || !room)
		return;
	size = 4 * (1 + below(rng, room));
	memset(options, 1, sizeof(options));
	if (one_in(rng, 2)) {
		options[0] = (const uint8_t[]){ 7, 68, 131, 137, 148, 130 }[below(rng, 6)];
		options[1] = one_in(rng, 4) ? below(rng, 256) : size;
		options[2] = 4;
	} else {
		for (i = 0; i < size; i++)
			options[i] = one_in(rng, 2) ? 1 : below(rng, 256);
	}
	insert(input, 20, options, size);
	input->data[0] += size / 4;
}

static void mutate_once(struct rng *rng, struct input *input, const struct input *corpus,
			size_t count)
{
	struct where where = { .offset = 0 };
	const struct input *other;
	uint8_t bytes[64];
	size_t at, len;
	unsigned int i;

	if (is_ipv6(input) || is_ipv4(input))
		where = transport_of(input->data, input->len);
	/* More than half of the changes hit headers. */
	at = one_in(rng, 2) ? below(rng, input->len) : below(rng, input->len < 96 ? input->len : 96);

	switch (below(rng, 16)) {
	case 0:
		input->data[at] ^= 1 << below(rng, 8);
		break;
	case 1:
		input->data[at] = rng_next(rng);
		break;
	case 2:
		input->data[at] = (const uint8_t[]){ 0, 1, 0x7f, 0x80, 0xff }[below(rng, 5)];
		break;
	case 3:
	case 4:
		if (at + 2 <= input->len)
			put16(input->data + (at & ~1UL),
			      words[below(rng, sizeof(words) / sizeof(*words))]);
		break;
	case 5:
	case 6:		/* a port */
		if (where.found && where.offset + 4 <= input->len)
			put16(input->data + where.offset + 2 * below(rng, 2),
			      words[below(rng, sizeof(words) / sizeof(*words))]);
		break;
	case 7:		/* truncated, most often amid the headers */
		input->len = 1 + at;
		break;
	case 8:
		len = below(rng, sizeof(bytes));
		for (i = 0; i < len; i++)
			bytes[i] = rng_next(rng);
		insert(input, one_in(rng, 2) ? input->len : at, bytes, len);
		break;
	case 9:
		len = below(rng, input->len - at);
		if (len < input->len)
			delete(input, at, len);
		break;
	case 10:	/* head of one, tail of another */
		other = &corpus[below(rng, count)];
		if (at < other->len) {
			memcpy(input->data + at, other->data + at, other->len - at);
			input->len = other->len;
		}
		break;
	case 11:
	case 12:
		if (is_ipv6(input))
			insert_headers(rng, input);
		else if (is_ipv4(input))
			insert_options(rng, input);
		break;
	case 13:	/* the length of a header: ihl, doff, extension header's */
		if (is_ipv4(input) && one_in(rng, 2))
			input->data[0] = 0x40 | below(rng, 16);
		else if (where.found && where.protocol == TCP && where.offset + 13 <= input->len)
			input->data[where.offset + 12] = below(rng, 256);
		else if (is_ipv6(input) && input->len > 41)
			input->data[41] = rng_next(rng);
		break;
	case 14:	/* IPv4: flags and offset; IPv6: the first next header */
		if (is_ipv4(input))
			put16(input->data + 6, one_in(rng, 2) ? rng_next(rng) : below(rng, 2) << 13);
		else if (is_ipv6(input))
			input->data[6] = (const uint8_t[]){ 0, 6, 17, 43, 44, 50, 51, 58, 59, 60, 135 }[below(rng, 11)];
		break;
	case 15:	/* a lie about the length */
		if (is_ipv6(input))
			put16(input->data + 4, below(rng, 2 * input->len));
		else if (is_ipv4(input))
			put16(input->data + 2, below(rng, 2 * input->len));
		break;
	}
}

void mutate_packet(struct rng *rng, struct input *input, const struct input *corpus,
		   size_t count)
{
	unsigned int n = 1 + below(rng, 5);

	while (n--)
		mutate_once(rng, input, corpus, count);
	/* Else the stack would refuse nearly all before anything else looks at them. */
	if (!one_in(rng, 4))
		repair_lengths(input);
	if (!one_in(rng, 4))
		repair_checksums(input);
}
