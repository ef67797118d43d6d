// SPDX-License-Identifier: GPL-2.0
/*
 * flowpar_pages - tells whose each page frame is, for bench/cohsim.
 *
 * For the model lab only: cohsim knows the physical lines that move between
 * cores, this says what lies there. /proc/flowpar_pages is read once, when the
 * measured region is over:
 *
 *   percpu CPU BASE		a per-CPU symbol S of that CPU is at BASE + S
 *   PFN COUNT OWNER		COUNT frames (decimal) from PFN on (hexadecimal)
 *
 *   slab:NAME:SIZE	objects of that kmem_cache, SIZE bytes apart; each slab
 *			has a line of its own, the first object is at its start
 *   percpu		static per-CPU data and alloc_percpu() of the first chunk
 *   stack		a task's kernel stack
 *   memmap		struct page of other frames
 *   pagetable, anon, file (page cache, tmpfs included), buddy (free)
 *   other		none of these: pages that a driver or a socket holds, large
 *			kmalloc(), boot memory
 *
 * Context: process, in a guest that does nothing else; a frame that changes
 * hands meanwhile is reported as one or the other. Owns nothing but a bitmap.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>

#include <slab.h>

#ifndef MAX_PAGE_ORDER	/* Linux 6.1 */
#define MAX_PAGE_ORDER (MAX_ORDER - 1)
#endif

static const int *unit_size;	/* mm/percpu.c: bytes from a CPU's base */

/* The frame behind a kernel address that is mapped, in the direct map or not. */
static unsigned long pfn_of(const void *addr)
{
	if (virt_addr_valid(addr))
		return PHYS_PFN(__pa(addr));
	return vmalloc_to_pfn(addr);
}

static void mark(unsigned long *map, unsigned long end, const void *addr, size_t size)
{
	const void *p;

	for (p = addr; p < addr + size; p += PAGE_SIZE) {
		unsigned long pfn = pfn_of(p);

		if (pfn < end)
			set_bit(pfn, map);
	}
}

/* What page flags do not tell. */
struct marks {
	unsigned long end;		/* of the frames */
	unsigned long *stack;
	unsigned long *percpu;
	unsigned long *memmap;
};

static void free_marks(struct marks *m)
{
	kvfree(m->stack);
	kvfree(m->percpu);
	kvfree(m->memmap);
}

static int make_marks(struct marks *m)
{
	size_t words;
	struct task_struct *p, *t;
	unsigned long pfn;
	int cpu;

	m->end = 0;
	for_each_online_node(cpu)
		m->end = max(m->end, node_end_pfn(cpu));
	words = BITS_TO_LONGS(m->end);
	m->stack = kvcalloc(words, sizeof(long), GFP_KERNEL);
	m->percpu = kvcalloc(words, sizeof(long), GFP_KERNEL);
	m->memmap = kvcalloc(words, sizeof(long), GFP_KERNEL);
	if (!m->stack || !m->percpu || !m->memmap) {
		free_marks(m);
		return -ENOMEM;
	}
	rcu_read_lock();
	for_each_process_thread(p, t)
		mark(m->stack, m->end, task_stack_page(t), THREAD_SIZE);
	rcu_read_unlock();
	for_each_possible_cpu(cpu)
		mark(m->percpu, m->end, (void *)per_cpu_offset(cpu), *unit_size);
	for (pfn = 0; pfn < m->end; pfn++)
		if (pfn_valid(pfn))
			set_bit(pfn_of(pfn_to_page(pfn)), m->memmap);
	return 0;
}

struct owner {
	const char *name;
	const struct kmem_cache *cache;	/* or NULL */
};

/* @n: how many frames from @pfn on the answer is about. @pfn is not inside a slab. */
static struct owner owner_of(const struct marks *m, unsigned long pfn, unsigned long *n)
{
	struct page *page = pfn_to_page(pfn);
	struct folio *folio = page_folio(page);

	*n = 1;
	if (PageBuddy(page)) {
		/* Only the head of a free block says that it is one, and its order. */
		if (page_private(page) <= MAX_PAGE_ORDER)
			*n = 1UL << page_private(page);
		return (struct owner){ "buddy" };
	}
	if (folio_test_slab(folio)) {
		*n = folio_nr_pages(folio);
		return (struct owner){ "slab", folio_slab(folio)->slab_cache };
	}
	if (PageTable(page))
		return (struct owner){ "pagetable" };
	if (test_bit(pfn, m->stack))
		return (struct owner){ "stack" };
	/* What is left of a CPU's unit after boot went to the allocator. */
	if (test_bit(pfn, m->percpu) && PageReserved(page))
		return (struct owner){ "percpu" };
	if (test_bit(pfn, m->memmap) && PageReserved(page))
		return (struct owner){ "memmap" };
	if (folio_test_anon(folio))
		return (struct owner){ "anon" };
	if (folio_mapping(folio))
		return (struct owner){ "file" };
	return (struct owner){ "other" };
}

static void print_run(struct seq_file *m, unsigned long first, unsigned long end, struct owner o)
{
	if (o.cache)
		seq_printf(m, "%lx %lu slab:%s:%u\n", first, end - first, o.cache->name, o.cache->size);
	else if (o.name)
		seq_printf(m, "%lx %lu %s\n", first, end - first, o.name);
}

static int show(struct seq_file *m, void *v)
{
	unsigned long pfn, n, first = 0;
	struct owner o, run = {};
	struct marks marks = {};
	int cpu, err;

	err = make_marks(&marks);
	if (err)
		return err;
	for_each_possible_cpu(cpu)
		seq_printf(m, "percpu %d %lx\n", cpu, per_cpu_offset(cpu));
	for (pfn = 0; pfn < marks.end; pfn += n) {
		n = 1;
		o = (struct owner){};
		if (pfn_valid(pfn))
			o = owner_of(&marks, pfn, &n);
		if (o.cache || o.name != run.name) {
			print_run(m, first, pfn, run);
			first = pfn;
			run = o;
		}
	}
	print_run(m, first, pfn, run);
	free_marks(&marks);
	return 0;
}

/* Not exported; a probe that is never armed says where the look-up is. */
static void *address_of(const char *symbol)
{
	struct kprobe kp = {
		.symbol_name = "kallsyms_lookup_name",
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long (*look_up)(const char *name);

	if (register_kprobe(&kp))
		return NULL;
	look_up = (void *)kp.addr;
	unregister_kprobe(&kp);
	return (void *)look_up(symbol);
}

static int __init pages_init(void)
{
	unit_size = address_of("pcpu_unit_size");
	if (!unit_size) {
		pr_err("pcpu_unit_size: not in kallsyms; the kernel needs KALLSYMS_ALL and KPROBES\n");
		return -ENOENT;
	}
	return proc_create_single("flowpar_pages", 0400, NULL, show) ? 0 : -ENOMEM;
}

static void __exit pages_exit(void)
{
	remove_proc_entry("flowpar_pages", NULL);
}

module_init(pages_init);
module_exit(pages_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("flowpar: whose each page frame is");
