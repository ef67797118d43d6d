/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzers share: numbers that depend on a seed only, inputs kept as text, and
 * changes to packets that know where packets break.
 */
#ifndef FUZZ_CORPUS_H
#define FUZZ_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A packet with every mutation fits; a frame that carries one may have to be smaller. */
#define INPUT_MAX 1600

struct input {
	char name[64];
	size_t len;
	uint8_t data[INPUT_MAX];
};

struct rng {
	uint64_t state;
};

_Noreturn void die(const char *object, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A generator for input number @index of @seed: each input can be made alone. */
struct rng rng_of(uint64_t seed, uint64_t index);
uint32_t rng_next(struct rng *rng);
uint32_t below(struct rng *rng, uint32_t n);	/* 0 .. n - 1; @n > 0 */
bool one_in(struct rng *rng, uint32_t n);

/*
 * Read a file of "# comment", "NAME:" and lines of hexadecimal bytes.
 * Return: its inputs, at least one; @count says how many.
 */
struct input *corpus_load(const char *path, size_t *count);

void put16(uint8_t *at, unsigned int value);
unsigned int get16(const uint8_t *at);

/* Ones' complement sum of @len bytes, folded, to be added to @sum. */
uint32_t sum_of(const uint8_t *data, size_t len, uint32_t sum);
/* The checksum over addresses, length and protocol, and data at @offset. */
uint32_t sum_pseudo(const uint8_t *packet, size_t len, size_t offset, uint8_t protocol);

/* Where a packet's transport header is, as far as the packet goes. */
struct where {
	uint8_t protocol;
	size_t offset;
	unsigned int fragments;	/* fragment headers, or 1 if IPv4's says so */
	bool fragment;		/* part of a datagram */
	bool elsewhere;		/* a routing header that is not used up */
	bool authenticated;	/* an authentication header */
	bool found;
};

/* Walk the headers of @packet, which has at least an IPv4 or IPv6 header. */
struct where transport_of(const uint8_t *packet, size_t len);

/* Change @input, an IP packet, in one to five ways. */
void mutate_packet(struct rng *rng, struct input *input, const struct input *corpus,
		   size_t count);
/* Make lengths and, as named, checksums of a packet what they should be. */
void repair_lengths(struct input *input);
void repair_checksums(struct input *input);

#endif
