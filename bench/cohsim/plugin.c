// SPDX-License-Identifier: GPL-2.0
/*
 * plugin.c - the plugin as QEMU sees it: options, translation, callbacks, markers.
 *
 *   -plugin cohsim.so,servers=N,out=FILE[,KEY=VALUE...]
 *
 * Owns the blocks of code (one per start address, however often QEMU translates it
 * anew) and the region that is measured. The guest runs uninstrumented until a
 * marker says otherwise, so that booting does not take ten times as long.
 *
 * A marker is an instruction that does nothing: nopl 0x5157CC(%rax,%rax,1).
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cohsim.h"
#include "qemu_api.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = COHSIM_PLUGIN_API;

enum { MARK_BEGIN = 1, MARK_END = 2, MARK_ON = 3 };

struct options opt = { .quantum = 100, .seed = 1 };
struct region region;

static qemu_plugin_id_t plugin_id;
static bool on, counting;

/* --- blocks -------------------------------------------------------------------- */

#define BLOCK_BUCKETS	(1u << 17)
static struct block *blocks[BLOCK_BUCKETS];
static uint32_t block_ids;

static void *must_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p) {
		fprintf(stderr, "cohsim: out of memory\n");
		abort();
	}
	return p;
}

static struct block *block_at(uint64_t pc)
{
	struct block **head = &blocks[(pc * 0x9e3779b97f4a7c15ull >> 40) & (BLOCK_BUCKETS - 1)], *b;

	for (b = *head; b; b = b->next)
		if (b->pc == pc)
			return b;
	b = must_alloc(sizeof(*b));
	b->pc = pc;
	b->id = block_ids++;
	b->next = *head;
	*head = b;
	return b;
}

struct block *block_next(struct block *prev)
{
	static uint32_t bucket;

	if (!prev)
		bucket = 0;
	else if (prev->next)
		return prev->next;
	else
		bucket++;
	for (; bucket < BLOCK_BUCKETS; bucket++)
		if (blocks[bucket])
			return blocks[bucket];
	return NULL;
}

/* --- addresses, with nokaslr and four levels of page tables ---------------------- */

#define DIRECT_MAP	0xffff888000000000ull
#define DIRECT_MAP_END	0xffffc88000000000ull
#define KERNEL_IMAGE	0xffffffff80000000ull
#define KERNEL_MODULES	0xffffffffa0000000ull

/* The two large linear maps need no walk of QEMU's tables. */
static bool linear_phys(uint64_t vaddr, uint64_t *phys)
{
	if (vaddr >= DIRECT_MAP && vaddr < DIRECT_MAP_END)
		*phys = vaddr - DIRECT_MAP;
	else if (vaddr >= KERNEL_IMAGE && vaddr < KERNEL_MODULES)
		*phys = vaddr - KERNEL_IMAGE;
	else
		return false;
	return true;
}

static bool phys_of(qemu_plugin_meminfo_t info, uint64_t vaddr, uint64_t *phys)
{
	struct qemu_plugin_hwaddr *h;

	if (!linear_phys(vaddr, phys)) {
		h = qemu_plugin_get_hwaddr(info, vaddr);
		if (!h || qemu_plugin_hwaddr_is_io(h))
			return false;
		*phys = qemu_plugin_hwaddr_phys_addr(h);
	}
	return *phys < model_max_phys();
}

/*
 * Code is named by its place in guest memory too: QEMU gives its host address, and
 * one instruction of the kernel's image tells where guest memory begins there.
 */
static uint64_t ram_base;

static uint32_t code_line(uint64_t vaddr, const void *haddr)
{
	if (!ram_base && haddr && vaddr >= KERNEL_IMAGE && vaddr < KERNEL_MODULES)
		ram_base = (uintptr_t)haddr - (vaddr - KERNEL_IMAGE);
	if (!ram_base || !haddr)
		return vaddr >> LINE_SHIFT & 0x3fffffff;
	return ((uintptr_t)haddr - ram_base) >> LINE_SHIFT & 0x3fffffff;
}

/* --- callbacks of translated code --------------------------------------------------- */

/* What QEMU translated as one: executed from its beginning, left at its end or before. */
struct translation {
	struct block *block;
	uint32_t insns, lines;
	uint32_t line[];			/* of code, in order */
};
static uint32_t last_line[MAX_VCPUS];

static void on_block(unsigned int v, void *userdata)
{
	struct translation *t = userdata;
	struct vcpu *vc = &vcpus[v];
	uint32_t i;

	sched_enter(v);
	vc->block = t->block;
	vc->n.insns += t->insns;
	if (vc->server) {
		t->block->n.insns += t->insns;
		for (i = 0; i < t->lines; i++) {
			if (t->line[i] != last_line[v])
				model_fetch(vc, t->line[i], t->line[i] == last_line[v] + 1);
			last_line[v] = t->line[i];
		}
	}
	sched_charge(vc, (uint64_t)(t->insns * opt.preset.is[vc->server ? CPI : CLIENT_CPI] * UNIT));
}

static void access_memory(unsigned int v, qemu_plugin_meminfo_t info, uint64_t vaddr, bool write)
{
	struct vcpu *vc = &vcpus[v];
	uint64_t phys;

	if (!vc->block)			/* the rest of the block that held the marker */
		return;
	if (!vc->server) {
		if (write && phys_of(info, vaddr, &phys))
			model_device_write(phys);
		return;
	}
	if (!phys_of(info, vaddr, &phys)) {
		vc->io++;
		return;
	}
	model_access(vc, phys, vaddr, 1u << qemu_plugin_mem_size_shift(info), write);
}

static void on_access(unsigned int v, qemu_plugin_meminfo_t info, uint64_t vaddr, void *userdata)
{
	(void)userdata;
	access_memory(v, info, vaddr, qemu_plugin_mem_is_store(info));
}

/* QEMU shows an atomic instruction as a load and a store; a core asks for the line once. */
static void on_atomic(unsigned int v, qemu_plugin_meminfo_t info, uint64_t vaddr, void *userdata)
{
	(void)userdata;
	if (!qemu_plugin_mem_is_store(info))
		access_memory(v, info, vaddr, true);
}

static void on_hlt(unsigned int v, void *userdata)
{
	(void)userdata;
	vcpus[v].halted = true;
}

static void on_pause(unsigned int v, void *userdata)
{
	(void)userdata;
	vcpus[v].paused = true;
}

/*
 * Before the region. QEMU frees what a device's write to its configuration made useless
 * only when a vCPU's turn has ended. While the kernel scans the PCI bus a turn is hundreds
 * of such writes, and of 32 NICs' each leaves megabytes behind.
 */
static void on_port_write(unsigned int v, void *userdata)
{
	(void)userdata;
	cpu_exit(vcpus[v].cpu);
}

/* --- markers ----------------------------------------------------------------------- */

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
static void at_exit(qemu_plugin_id_t id, void *userdata);
static void register_all(qemu_plugin_id_t id);

/*
 * Called by QEMU once all translated code is gone, callbacks of loads and stores with
 * it. A vCPU that left code in the middle may still point at those, and aborts at its
 * next access (7.2).
 */
static void start_anew(qemu_plugin_id_t id)
{
	unsigned int v;

	for (v = 0; v < opt.vcpus; v++)
		qemu_plugin_disable_mem_helpers(vcpus[v].cpu);
	register_all(id);
}

static void register_all(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
}

static void region_begin(void)
{
	struct block *b;
	unsigned int v;

	for (b = block_next(NULL); b; b = block_next(b))
		memset(&b->n, 0, sizeof(b->n));
	for (v = 0; v < opt.vcpus; v++) {
		memset(&vcpus[v].n, 0, sizeof(vcpus[v].n));
		vcpus[v].idle = vcpus[v].wait = vcpus[v].io = 0;
	}
	model_reset_counts();
	region.begin = sched_now();
	counting = true;
}

/*
 * Until the region ends nothing that was counted before matters, so everything is
 * counted from the first instrumented block on and set to zero here. After the end
 * the guest runs uninstrumented again and the counts stay as they are.
 */
static void on_mark(unsigned int v, void *userdata)
{
	uintptr_t code = (uintptr_t)userdata;

	(void)v;
	if (region.seen || (code == MARK_ON && on) || (code == MARK_END && !counting) ||
	    (code == MARK_BEGIN && counting))
		return;
	switch (code) {
	case MARK_BEGIN:
		region_begin();
		if (on)
			break;
		/* fall through */
	case MARK_ON:
		on = true;
		sched_init();
		qemu_plugin_reset(plugin_id, start_anew);
		break;
	case MARK_END:
		region.seen = true;
		region.end = sched_now();
		on = false;
		qemu_plugin_reset(plugin_id, start_anew);
		break;
	}
}

/* --- translation ------------------------------------------------------------------- */

static bool is_marker(const uint8_t *op, size_t size)
{
	return size == 8 && op[0] == 0x0f && op[1] == 0x1f && op[2] == 0x84 && op[3] == 0x00 &&
	       op[5] == 0x57 && op[6] == 0x51 && op[7] == 0x00;
}

/* OUT, to an immediate port or the one in DX. */
static bool is_port_write(const uint8_t *op, size_t size)
{
	if (size > 1 && op[0] == 0x66) {
		op++;
		size--;
	}
	return size && (op[0] == 0xe6 || op[0] == 0xe7 || op[0] == 0xee || op[0] == 0xef);
}

/* LOCK, or XCHG, which needs no prefix to be atomic with memory. */
static bool is_atomic(const uint8_t *op, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		switch (op[i]) {
		case 0xf0:
			return true;
		case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
		case 0x66: case 0x67: case 0xf2: case 0xf3: case 0x40 ... 0x4f:
			continue;		/* another prefix */
		default:
			return op[i] == 0x86 || op[i] == 0x87;
		}
	}
	return false;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	struct translation *t = NULL;

	(void)id;
	if (on) {
		/* a line an instruction, at most; one more for what crosses */
		t = must_alloc(sizeof(*t) + (n + 1) * sizeof(t->line[0]));
		t->block = block_at(qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)));
		t->insns = n;
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, t);
	}
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *op = qemu_plugin_insn_data(insn);
		size_t size = qemu_plugin_insn_size(insn);
		uint32_t line;

		if (is_marker(op, size))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)op[4]);
		line = code_line(qemu_plugin_insn_vaddr(insn), qemu_plugin_insn_haddr(insn));
		if (!on) {
			if (is_port_write(op, size))
				qemu_plugin_register_vcpu_insn_exec_cb(insn, on_port_write, QEMU_PLUGIN_CB_NO_REGS, NULL);
			continue;
		}
		if (!t->lines || t->line[t->lines - 1] != line)
			t->line[t->lines++] = line;
		if (size == 1 && op[0] == 0xf4)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_hlt, QEMU_PLUGIN_CB_NO_REGS, NULL);
		if (size == 2 && op[0] == 0xf3 && op[1] == 0x90)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_pause, QEMU_PLUGIN_CB_NO_REGS, NULL);
		qemu_plugin_register_vcpu_mem_cb(insn, is_atomic(op, size) ? on_atomic : on_access,
						 QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
	}
}

/* --- start and end ------------------------------------------------------------------- */

static void at_exit(qemu_plugin_id_t id, void *userdata)
{
	FILE *f = fopen(opt.out, "w");

	(void)id;
	(void)userdata;
	if (!f) {
		fprintf(stderr, "cohsim: out=%s: cannot be written; the run is lost\n", opt.out);
		return;
	}
	if (symbols_load(opt.kallsyms, opt.pages))
		fprintf(stderr, "cohsim: some names will be missing from %s\n", opt.out);
	report_write(f);
	if (fclose(f))
		fprintf(stderr, "cohsim: out=%s: writing failed\n", opt.out);
}

static int refuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "cohsim: ");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return -1;
}

static bool number(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(s, &end, 10);
	return *s >= '0' && *s <= '9' && !*end && *out >= min && *out <= max;
}

static bool decimal(const char *s, const struct parameter *p, double *out)
{
	char *end;

	*out = strtod(s, &end);
	return *s >= '0' && *s <= '9' && !*end && *out >= p->min && *out <= p->max &&
	       (!p->whole || *out == (uint64_t)*out);
}

static int parse(int argc, char **argv)
{
	const struct preset *named = preset_find("zen4");
	double given[PARAMETERS] = { 0 }, *is = opt.preset.is;
	int i, k;

	for (i = 0; i < argc; i++) {
		char *eq = strchr(argv[i], '=');
		const char *value = eq ? eq + 1 : "";
		uint64_t n = 0;

		if (!eq)
			return refuse("%s: want KEY=VALUE", argv[i]);
		*eq = '\0';
		if (!strcmp(argv[i], "out")) {
			opt.out = strdup(value);
		} else if (!strcmp(argv[i], "kallsyms")) {
			opt.kallsyms = strdup(value);
		} else if (!strcmp(argv[i], "pages")) {
			opt.pages = strdup(value);
		} else if (!strcmp(argv[i], "servers")) {
			if (!number(value, 1, opt.vcpus, &n))
				return refuse("servers=%s: want 1 to %u, the guest's vCPUs", value, opt.vcpus);
			opt.servers = n;
		} else if (!strcmp(argv[i], "quantum")) {
			if (!number(value, 1, 1000000000, &opt.quantum))
				return refuse("quantum=%s: want cycles, 1 to 1000000000", value);
		} else if (!strcmp(argv[i], "seed")) {
			if (!number(value, 0, UINT32_MAX, &opt.seed))
				return refuse("seed=%s: want a whole number up to 4294967295", value);
		} else if (!strcmp(argv[i], "preset")) {
			named = preset_find(value);
			if (!named)
				return refuse("preset=%s: no such CPU; see model.c", value);
		} else {
			for (k = 0; k < PARAMETERS && strcmp(argv[i], parameters[k].name); k++)
				;
			if (k == PARAMETERS)
				return refuse("%s: unknown option", argv[i]);
			if (!decimal(value, &parameters[k], &given[k]))
				return refuse("%s=%s: want %g to %g", argv[i], value, parameters[k].min, parameters[k].max);
		}
	}
	opt.preset = *named;
	for (k = 0; k < PARAMETERS; k++)
		if (given[k])
			is[k] = given[k];
	if (given[COST_C2C] && !given[COST_UPGRADE])
		is[COST_UPGRADE] = (uint64_t)(is[COST_C2C] * 7 + 5) / 11;
	if (is[COST_UPGRADE] < is[COST_LLC])
		is[COST_UPGRADE] = is[COST_LLC];
	if (!opt.out)
		return refuse("out=FILE is missing: where the result goes");
	if (!opt.servers)
		opt.servers = opt.vcpus;
	return 0;
}

static void on_vcpu(qemu_plugin_id_t id, unsigned int v)
{
	(void)id;
	vcpus[v].cpu = qemu_get_cpu(v);
	vcpus[v].server = v < opt.servers;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	const char *bad;

	if (!info->system_emulation)
		return refuse("models a whole machine, not a program: use qemu-system-x86_64");
	if (strcmp(info->target_name, "x86_64"))
		return refuse("%s: knows x86_64 guests only", info->target_name);
	if (!qemu_get_cpu || !cpu_exit || !qemu_plugin_disable_mem_helpers)
		return refuse("this QEMU does not export %s, without which vCPUs cannot take turns; Debian 12's 7.2 does",
			      !cpu_exit ? "cpu_exit" : !qemu_get_cpu ? "qemu_get_cpu" : "qemu_plugin_disable_mem_helpers");
	if (info->system.smp_vcpus > MAX_VCPUS)
		return refuse("%d vCPUs: knows up to %d", info->system.smp_vcpus, MAX_VCPUS);
	opt.vcpus = info->system.smp_vcpus;
	plugin_id = id;
	if (parse(argc, argv))
		return -1;
	bad = model_init();
	if (bad)
		return refuse("%s: cannot be had; a cache has a power of two of sets, each of its number of ways", bad);
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
	register_all(id);
	return 0;
}
