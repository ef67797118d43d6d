// SPDX-License-Identifier: GPL-2.0
/*
 * symbols.c - names: the function that an address of code is in, the structure that
 * a line of memory is part of.
 *
 * Owns what the guest told at the end of its run: /proc/kallsyms, and the owner of
 * each page frame (bench/lab's page-owner module). A page may have changed hands
 * since the line moved; slab pages rarely do.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cohsim.h"

struct symbol {
	uint64_t address;
	char *name, *module;
};

struct symbols {
	struct symbol *list;
	size_t n, room;
};

static struct symbols text, data, percpu;

/* A run of page frames of one owner; a slab's objects are @object bytes apart. */
struct pages {
	uint64_t first, count;
	char *owner;
	uint64_t object;
};
static struct pages *frames;
static size_t n_frames;
static uint64_t percpu_base[MAX_VCPUS];
static unsigned int n_percpu;

static void *grow(void *list, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return list;
	*room = *room ? 2 * *room : 4096;
	list = realloc(list, *room * size);
	if (!list)
		abort();
	return list;
}

static void add(struct symbols *s, uint64_t address, const char *name, const char *module)
{
	s->list = grow(s->list, s->n, &s->room, sizeof(*s->list));
	s->list[s->n++] = (struct symbol){ address, strdup(name), strdup(module) };
}

/* By address; of several names for one, the first in the guest's order. */
static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static const struct symbol *find(const struct symbols *s, uint64_t address)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (s->list[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	while (low > 1 && s->list[low - 2].address == s->list[low - 1].address)
		low--;
	return &s->list[low - 1];
}

static int load_kallsyms(const char *path)
{
	char line[512], name[256], module[128], type;
	FILE *f = fopen(path, "r");
	uint64_t address;
	int fields;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		module[0] = '\0';
		fields = sscanf(line, "%" SCNx64 " %c %255s [%127[^]]", &address, &type, name, module);
		if (fields < 3)
			continue;
		if (address < 1 << 20)			/* offsets into each CPU's area */
			add(&percpu, address, name, module);
		else if (strchr("tTwW", type))
			add(&text, address, name, module);
		else
			add(&data, address, name, module);
	}
	fclose(f);
	/* mergesort-like order matters for aliases; qsort of glibc is a mergesort */
	qsort(text.list, text.n, sizeof(*text.list), by_address);
	qsort(data.list, data.n, sizeof(*data.list), by_address);
	qsort(percpu.list, percpu.n, sizeof(*percpu.list), by_address);
	return text.n ? 0 : -1;
}

static int by_frame(const void *a, const void *b)
{
	const struct pages *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static int load_pages(const char *path)
{
	char line[512], owner[256];
	FILE *f = fopen(path, "r");
	uint64_t first, count;
	unsigned int cpu;
	size_t room = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "percpu %u %" SCNx64, &cpu, &first) == 2) {
			if (cpu < MAX_VCPUS) {
				percpu_base[cpu] = first;
				if (cpu >= n_percpu)
					n_percpu = cpu + 1;
			}
		} else if (sscanf(line, "%" SCNx64 " %" SCNu64 " %255s", &first, &count, owner) == 3) {
			char *size = !strncmp(owner, "slab:", 5) ? strrchr(owner, ':') : NULL;

			frames = grow(frames, n_frames, &room, sizeof(*frames));
			frames[n_frames].first = first;
			frames[n_frames].count = count;
			frames[n_frames].object = 0;
			if (size && size > owner + 4) {
				frames[n_frames].object = strtoull(size + 1, NULL, 10);
				*size = '\0';
			}
			frames[n_frames++].owner = strdup(owner);
		}
	}
	fclose(f);
	qsort(frames, n_frames, sizeof(*frames), by_frame);
	return n_frames ? 0 : -1;
}

int symbols_load(const char *kallsyms, const char *pages)
{
	int err = 0;

	if (kallsyms && load_kallsyms(kallsyms)) {
		fprintf(stderr, "cohsim: kallsyms=%s: no symbols there\n", kallsyms);
		err = -1;
	}
	if (pages && load_pages(pages)) {
		fprintf(stderr, "cohsim: pages=%s: no page owners there\n", pages);
		err = -1;
	}
	return err;
}

void symbol_of(uint64_t pc, const char **name, const char **module)
{
	const struct symbol *s;

	*module = "";
	if (!(pc >> 63)) {
		*name = "[user]";
		return;
	}
	s = find(&text, pc);
	*name = s ? s->name : "[kernel]";
	if (s)
		*module = s->module;
}

static const struct pages *frame_of(uint64_t phys)
{
	uint64_t frame = phys >> 12;
	size_t low = 0, high = n_frames;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (frames[middle].first <= frame)
			low = middle + 1;
		else
			high = middle;
	}
	return low && frame - frames[low - 1].first < frames[low - 1].count ? &frames[low - 1] : NULL;
}

static const char *named(const char *kind, const struct symbol *s)
{
	static char buf[512];

	snprintf(buf, sizeof(buf), "%s:%s%s%s", kind, s->module, s->module[0] ? ":" : "", s->name);
	return buf;
}

/* Where x86-64 keeps what, with four levels of page tables (Documentation/arch/x86/x86_64/mm.rst). */
#define VMALLOC		0xffffc90000000000ull
#define VMALLOC_END	0xffffe90000000000ull
#define VMEMMAP		0xffffea0000000000ull
#define VMEMMAP_END	0xffffeb0000000000ull
#define ENTRY_AREA	0xfffffe0000000000ull
#define ENTRY_AREA_END	0xfffffe8000000000ull
#define KERNEL_IMAGE	0xffffffff80000000ull

const char *owner_of(const struct transfer *t, long *offset)
{
	uint64_t phys = t->line << LINE_SHIFT | (t->vaddr & ((1 << LINE_SHIFT) - 1));
	const struct symbol *s;
	const struct pages *p;
	unsigned int cpu;

	*offset = -1;
	for (cpu = 0; cpu < n_percpu; cpu++) {
		uint64_t within = t->vaddr - percpu_base[cpu];

		if (!percpu.n || within > percpu.list[percpu.n - 1].address)
			continue;
		s = find(&percpu, within);
		if (s) {
			*offset = within - s->address;
			return named("percpu", s);
		}
	}
	if (t->vaddr >= KERNEL_IMAGE) {
		s = find(&data, t->vaddr);
		if (!s || t->vaddr - s->address > 1 << 20)
			s = find(&text, t->vaddr);
		if (!s)
			return "kernel image";
		*offset = t->vaddr - s->address;
		return named("symbol", s);
	}
	if (t->vaddr >= VMEMMAP && t->vaddr < VMEMMAP_END) {
		*offset = t->vaddr & 63;
		return "struct page";
	}
	if (t->vaddr >= ENTRY_AREA && t->vaddr < ENTRY_AREA_END)
		return "cpu entry area";
	p = frame_of(phys);
	if (p && p->object) {
		*offset = (phys - (p->first << 12)) % p->object;
		return p->owner;
	}
	if (t->vaddr >= VMALLOC && t->vaddr < VMALLOC_END)
		return p && strcmp(p->owner, "other") ? p->owner : "vmalloc";
	return p ? p->owner : "unknown";
}
