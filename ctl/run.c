// SPDX-License-Identifier: GPL-2.0
/*
 * flowparctl run: a pinned server instance per core, supervised.
 *
 * At the end of the flow's way: the process that accepts a flow runs on the core
 * that received it, because its port is the one that nf_flowpar gives that core, or
 * because a BPF program of ours gives its listener that core's flows (lookup.c,
 * reuseport.c).
 * Everything is checked before anything is started. One thread, one poll() over
 * a signalfd; all state is in instances[], written out files belong to conf.c.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backoff.h"
#include "conf.h"
#include "cpulist.h"
#include "instance.h"
#include "keeper.h"
#include "listen.h"
#include "ports.h"
#include "report.h"
#include "service.h"

/* Every instance failed so often without one ever staying up: nothing to supervise. */
#define GIVE_UP_FAILS	5
/* How long --check may take for one configuration. */
#define CHECK_MS	60000
/* How often we look whether ports are listened on, or who is left of a group. */
#define LOOK_MS		50
/* How often we look, where we steer, whether their listeners are still the same. */
#define LOOK_AGAIN_MS	1000

static struct cpulist cpus;
static unsigned int port_base, stride, per_core = 1;
static unsigned int stop_timeout = 10, wait_listen, ready_fd;
static unsigned int public_port;
static const char *template, *check, *listen_by = "nat";
static enum listen_mode mode;
static const struct steering *steering;		/* NULL: others bring the flows */

static const struct option_spec options[] = {
	{ "cpus", "LIST", "CPUs to run on, as 0,8-11; all of them online and in our cpuset",
	  .required = true, .cpus = &cpus },
	{ "port-base", "P", "port of the first CPU's first instance; not with --listen reuseport",
	  .number = &port_base, .min = 1, .max = 65535 },
	{ "stride", "S", "ports from one CPU to the next (default 8); not with --listen reuseport",
	  .number = &stride, .min = 1, .max = 65535 },
	{ "per-core", "K", "instances per CPU, at most the stride (default 1)",
	  .number = &per_core, .min = 1, .max = 65535 },
	{ "listen", "MODE", "who brings flows: nat (default), the service that was added for these\n"
	  "                           ports; bpf or reuseport, a BPF program while this runs,\n"
	  "                           need --port",
	  .string = &listen_by },
	{ "port", "P", "public port, the one that clients use, with --listen bpf or reuseport",
	  .number = &public_port, .min = 1, .max = 65535 },
	{ "template", "FILE", "configuration to write out for each instance, named by {conf}",
	  .string = &template },
	{ "check", "COMMAND", "looks at each new {conf} before a reload; one that fails ends the reload",
	  .string = &check },
	{ "stop-timeout", "SECONDS", "from SIGTERM to SIGKILL when stopping (default 10)",
	  .number = &stop_timeout, .min = 1, .max = 3600 },
	{ "wait-listen", "SECONDS", "stop with status 1 unless every port is listened on by then",
	  .number = &wait_listen, .min = 1, .max = 3600 },
	{ "ready-fd", "FD", "write a newline there and close it once every port is listened on",
	  .number = &ready_fd, .min = 3, .max = 65535 },
	{ 0 }
};

static const char notes[] =
"CPU number k of the list in ascending order (k = 0, 1, ...) gets the ports P + k*S\n"
"to P + k*S + K-1, one per instance: the numbers that `flowparctl service add\n"
"--base-port P` with the same --cpus, --stride and --per-core sends its flows to.\n"
"\n"
"With --listen bpf no service is added and nothing is rewritten: new TCP flows to the\n"
"public port, over IPv4 and IPv6 at any local address, go to the listeners of the CPU\n"
"that they arrive on, to one of K by a hash of the flow. A CPU without a listener is\n"
"passed over for others; a CPU outside the list gets one by the hash; without any\n"
"listener the kernel refuses. The per-core ports are refused to all who do not come by\n"
"the loopback interface. COMMAND has to listen there itself or by a process of its\n"
"group; on which address does not matter. All this ends with flowparctl, however it\n"
"ends. Needs Linux 5.17 and root. flowparctl stats --listen bpf shows what was done.\n"
"\n"
"With --listen reuseport there are no per-core ports: {port} is the public port for\n"
"every instance (in names of files use {cpu} and {instance}, or {conf}), and each opens\n"
"its own socket on it, TCP or UDP, IPv4 or IPv6, on the addresses that it wants. A\n"
"preloaded library sets SO_REUSEPORT for it, unless COMMAND is statically linked or\n"
"privileged by its file: such a program has to do that itself. A BPF program in the\n"
"group of these sockets gives a new flow, and each datagram, to the socket of the CPU\n"
"that it arrives on; a CPU without a socket is passed over for others, a CPU outside the\n"
"list gets one by a hash of the flow. Connections that an instance has not accepted when\n"
"it ends go to another. Of several sockets of one instance at one address one gets all:\n"
"so one worker an instance. Until flowparctl has found the sockets the kernel's own hash\n"
"picks one. Needs Linux 5.17 and root. flowparctl stats --listen reuseport shows what\n"
"was done.\n"
"\n"
"In COMMAND, its arguments and FILE these are replaced; other braces are left alone:\n"
"  {port}       the port to listen on         also in the environment: FLOWPAR_PORT\n"
"  {port+N}     N more, the port of another service with a base port N higher\n"
"  {cpu}        the CPU that it is pinned to                           FLOWPAR_CPU\n"
"  {instance}   0 to K-1 on each CPU                                   FLOWPAR_INSTANCE\n"
"  {conf}       name of the written-out FILE\n"
"\n"
"COMMAND has to stay in the foreground (lighttpd -D, nginx -g 'daemon off;'). Its CPU\n"
"affinity is set to the one CPU, its memory policy to local (MPOL_LOCAL: the CPU's\n"
"node while that has memory), its stdin is /dev/null, and it leads a process group.\n"
"\n"
"An instance that ends is started again after 0.1 s, twice that each time it ends\n"
"within 10 s, at most 10 s; from its third time in a row on it is not reported again.\n"
"What is left of its process group is killed first. When every instance has failed 5\n"
"times and none has ever stayed up for 10 s, flowparctl gives up.\n"
"\n"
"SIGTERM, SIGINT   SIGTERM to each process group, SIGKILL after the stop timeout\n"
"SIGHUP, SIGUSR1   FILE is read and written out again, the signal goes to each server;\n"
"                  with --check only if its COMMAND, run by sh for one configuration after\n"
"                  the other, ends with status 0 for all of them, each within 60 s. Else\n"
"                  one line says so, and servers and configurations are as they were.\n"
"SIGUSR2           goes to each server\n"
"SIGKILL           the servers are killed too\n"
"\n"
"Exit status: 0 stopped as asked, each server by exit 0, exit 143 or SIGTERM; 1 refused\n"
"before anything was started, gave up, or when stopped a server was failing (3 times in\n"
"a row), ended otherwise or had to be killed; 2 usage error.\n";

static struct instance *instances;
static size_t n_instances;
static struct instance_inherit inherit;
static pid_t keeper;

static unsigned int port_of(size_t rank, unsigned int j)
{
	return mode == LISTEN_REUSEPORT ? public_port : port_base + (unsigned int)rank * stride + j;
}

static bool is_core_port(unsigned int port)
{
	unsigned int offset = port - port_base;

	return port >= port_base && offset / stride < cpus.n && offset % stride < per_core;
}

static void check_core_ports(void)
{
	unsigned long last;

	if (!port_base)
		usage_error(&run, "--port-base", "missing");
	if (!stride)
		stride = 8;
	if (per_core > stride)
		usage_error(&run, "--per-core", "%u instances on a CPU do not fit in a stride of %u ports",
			    per_core, stride);
	last = port_base + (cpus.n - 1) * stride + per_core - 1;
	if (last > 65535)
		usage_error(&run, "--port-base", "%zu CPUs from port %u on end at port %lu, beyond 65535",
			    cpus.n, port_base, last);
	if (mode == LISTEN_BPF && is_core_port(public_port))
		usage_error(&run, "--port", "%u is also a per-core port; choose another --port-base", public_port);
}

static void check_usage(char **command)
{
	bool uses_conf = false;

	for (; *command; command++)
		uses_conf |= strstr(*command, "{conf}") != NULL;
	if (uses_conf && !template)
		usage_error(&run, "{conf}", "there is no --template that could be written out");
	if (template && !uses_conf)
		usage_error(&run, "--template", "COMMAND does not name {conf}, so it would not be used");
	if (check && !template)
		usage_error(&run, "--check", "there is no --template that could be written out");
	if (check && !strstr(check, "{conf}"))
		usage_error(&run, "--check", "does not name {conf}, so it would look at something else");
	if (!listen_mode_parse(&mode, listen_by))
		usage_error(&run, "--listen", "'%s' is neither nat, bpf nor reuseport", listen_by);
	if (mode != LISTEN_NAT && !public_port)
		usage_error(&run, "--listen", "%s needs to know the public port; give --port", listen_by);
	if (public_port && mode == LISTEN_NAT)
		usage_error(&run, "--port", "with --listen nat the service has it (flowparctl service add); leave it out or give --listen bpf or reuseport");
	if (mode == LISTEN_REUSEPORT) {
		if (port_base)
			usage_error(&run, "--port-base", "with --listen reuseport there are no per-core ports; leave it out");
		if (stride)
			usage_error(&run, "--stride", "with --listen reuseport there are no per-core ports; leave it out");
	} else {
		check_core_ports();
	}
	if (ready_fd && fcntl((int)ready_fd, F_SETFD, FD_CLOEXEC))
		usage_error(&run, "--ready-fd", "%u is not an open file descriptor", ready_fd);
}

static bool sysfs_cpus(struct cpulist *list, const char *which)
{
	char name[64], text[4096];
	bool ok;
	FILE *f;

	snprintf(name, sizeof(name), "/sys/devices/system/cpu/%s", which);
	f = fopen(name, "re");
	if (!f)
		return false;
	ok = fgets(text, sizeof(text), f) && !cpulist_parse(list, text);
	fclose(f);
	return ok;
}

/* The kernel refused the CPU; say why. */
static void report_cpu(unsigned int cpu, int err)
{
	struct cpulist list;
	char object[16];
	char *text;

	snprintf(object, sizeof(object), "CPU %u", cpu);
	if (sysfs_cpus(&list, "present") && !cpulist_has(&list, cpu)) {
		text = cpulist_format(&list);
		report(object, "this machine has no such CPU; it has %s", text);
		free(text);
	} else if (sysfs_cpus(&list, "online") && !cpulist_has(&list, cpu)) {
		report(object, "offline; write 1 to /sys/devices/system/cpu/cpu%u/online or leave it out",
		       cpu);
	} else if (err == EINVAL) {
		report(object, "not in the cpuset that flowparctl runs in; widen AllowedCPUs= or cpuset.cpus, or leave it out");
	} else {
		report(object, "sched_setaffinity: %s", strerror(err));
	}
}

/* Ask the kernel itself: it knows hotplug, cpusets and isolation. */
static bool check_cpus(void)
{
	const size_t size = CPU_ALLOC_SIZE(CPULIST_MAX);
	cpu_set_t *before = CPU_ALLOC(CPULIST_MAX), *one = CPU_ALLOC(CPULIST_MAX);
	bool good = true;
	size_t k;

	if (!before || !one)
		abort();
	CPU_ZERO_S(size, before);
	if (sched_getaffinity(0, size, before) < 0) {
		report("run", "sched_getaffinity: %s", strerror(errno));
		good = false;
	}
	for (k = 0; good && k < cpus.n; k++) {
		CPU_ZERO_S(size, one);
		CPU_SET_S(cpus.cpu[k], size, one);
		if (sched_setaffinity(0, size, one)) {
			report_cpu(cpus.cpu[k], errno);
			good = false;
		}
	}
	sched_setaffinity(0, size, before);
	CPU_FREE(before);
	CPU_FREE(one);
	return good;
}

static bool check_ports(void)
{
	unsigned int j;
	size_t k;

	for (k = 0; k < cpus.n; k++)
		for (j = 0; j < per_core; j++)
			if (!port_check(port_of(k, j)))
				return false;
	return true;
}

/*
 * The public port is to be ours. What nf_flowpar rewrites, the program would never
 * see; a kernel without nf_flowpar has nothing to ask.
 */
static bool check_public_port(void)
{
	struct services all;
	bool good = true;
	char object[32];
	struct genl *g;
	size_t i;

	if (!port_check_public(public_port, mode == LISTEN_REUSEPORT ? "" : ": the instances listen on the per-core ports"))
		return false;
	if (access("/sys/module/nf_flowpar", F_OK))
		return true;
	g = malloc(sizeof(*g));		/* large */
	if (!g)
		abort();
	if (!genl_open(g)) {
		free(g);
		return false;
	}
	good = services_get(g, &all);
	for (i = 0; good && i < all.n; i++) {
		if (all.service[i].port != public_port ||
		    (mode == LISTEN_BPF && all.service[i].protocol != IPPROTO_TCP))
			continue;
		snprintf(object, sizeof(object), "port %u", public_port);
		report(object, "nf_flowpar serves it already; delete that (flowparctl service list) or choose another --port");
		good = false;
	}
	services_free(&all);
	genl_close(g);
	free(g);
	return good;
}

static bool begin_steering(void)
{
	const struct listen_service service = {
		.port = public_port,
		.base_port = port_of(0, 0),
		.stride = stride,
		.per_core = per_core,
		.cpus = &cpus,
	};

	return steering->begin(&service);
}

/*
 * --listen reuseport: the library that the servers are to preload, beside flowparctl in
 * the build's directory as in a system's. Return: false if it is not there (reported).
 */
static bool find_preload(void)
{
	static char path[PATH_MAX + 32];
	char self[PATH_MAX], *slash;
	ssize_t len;
	int i;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0) {
		report("/proc/self/exe", "%s; mount /proc", strerror(errno));
		return false;
	}
	self[len] = '\0';
	for (i = 0; i < 2; i++) {	/* bin/flowparctl */
		slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
	}
	snprintf(path, sizeof(path), "%s/lib/flowpar/reuseport.so", self);
	if (access(path, R_OK)) {
		report(path, "%s; it comes with flowparctl: install package flowpar anew, or run make ctl in its source", strerror(errno));
		return false;
	}
	if (strpbrk(path, " :")) {
		report(path, "LD_PRELOAD takes no name with a space or colon; move flowparctl");
		return false;
	}
	inherit.preload = path;
	return true;
}

/*
 * For the servers, which inherit it. MPOL_LOCAL: memory from the node of the CPU
 * that asks, and from the next node when that is full; MPOL_BIND would end in the
 * OOM killer instead. It is the kernel's default too, but we may have inherited
 * another (numactl). ENOSYS: a kernel without NUMA has only local memory.
 */
static void set_memory_policy(void)
{
	if (syscall(SYS_set_mempolicy, MPOL_LOCAL, NULL, 0) && errno != ENOSYS)
		report("memory policy", "%s; the servers keep the one that flowparctl was started with",
		       strerror(errno));
}

static bool init_instances(char **command, const char *conf_dir)
{
	struct place place = { 0 };
	char conf[PATH_MAX];
	size_t slot;

	for (slot = 0; slot < n_instances; slot++) {
		place.cpu = cpus.cpu[slot / per_core];
		place.instance = (unsigned int)(slot % per_core);
		place.port = port_of(slot / per_core, place.instance);
		if (mode == LISTEN_REUSEPORT)
			snprintf(conf, sizeof(conf), "%s/%u.%u.%u.conf", conf_dir, place.port, place.cpu, place.instance);
		else
			snprintf(conf, sizeof(conf), "%s/%u.conf", conf_dir, place.port);
		if (!instance_init(&instances[slot], place, slot, command, conf_dir ? conf : NULL))
			return false;
	}
	return true;
}

static bool write_confs(const char *text)
{
	size_t n;

	for (n = 0; n < n_instances; n++)
		if (!conf_write(text, &instances[n].place))
			return false;
	return true;
}

/* Started under nohup: a terminal that hangs up is not to reach the servers. */
static bool under_nohup;

/* Return: a signalfd of what we handle, or -1 (reported). */
static int take_signals(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction hangup;
	sigset_t set;
	int fd;

	sigaction(SIGHUP, NULL, &hangup);
	under_nohup = hangup.sa_handler == SIG_IGN;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &inherit.mask);
	/* A reader of our stderr that has gone must not take the servers with it. */
	sigaction(SIGPIPE, &ignore, &inherit.sigpipe);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		report("run", "signalfd: %s", strerror(errno));
	return fd;
}

/* When a signal went to the servers: they may have opened other sockets since. */
static uint64_t signalled;

static void pass_on(int signo)
{
	size_t n;

	for (n = 0; n < n_instances; n++)
		if (instances[n].state == RUNNING)
			kill(instances[n].pid, signo);
	signalled = now_ms();
}

/* --check: looks at the new configurations one after the other, while all else goes on. */
static struct {
	bool hangup, user1;	/* signals that wait for it */
	size_t at;		/* instance whose configuration it is at */
	pid_t pid;		/* 0: nothing is looked at */
	uint64_t deadline;
} checking;

/* @why: NULL: nobody is to be told */
static void check_failed(const char *why)
{
	const struct place *place = &instances[checking.at].place;
	size_t n;

	if (checking.pid > 0)
		kill(-checking.pid, SIGKILL);
	checking.pid = 0;
	checking.hangup = checking.user1 = false;
	for (n = 0; n < n_instances; n++)
		conf_drop_new(&instances[n].place);
	if (why)
		report(template, "--check of the configuration for port %u (CPU %u) %s; nothing is reloaded, mend it and send the signal again",
		       place->port, place->cpu, why);
}

static void check_next(void)
{
	char why[80];

	checking.deadline = now_ms() + CHECK_MS;
	checking.pid = instance_check(&instances[checking.at], &inherit, check);
	if (checking.pid > 0)
		return;
	snprintf(why, sizeof(why), "cannot be started: fork: %s", strerror(errno));
	check_failed(why);
}

static void check_ended(int code, int status)
{
	bool hangup = checking.hangup, user1 = checking.user1;
	char why[80];
	size_t n;

	checking.pid = 0;
	if (code != CLD_EXITED || status) {
		if (code == CLD_EXITED)
			snprintf(why, sizeof(why), "exited with status %d", status);
		else
			snprintf(why, sizeof(why), "was killed by signal %d (%s)", status, strsignal(status));
		check_failed(why);
		return;
	}
	if (++checking.at < n_instances) {
		check_next();
		return;
	}
	checking.hangup = checking.user1 = false;
	for (n = 0; n < n_instances; n++)
		if (!conf_take_new(&instances[n].place))
			break;
	if (hangup)
		pass_on(SIGHUP);
	if (user1)
		pass_on(SIGUSR1);
}

/* A signal that comes meanwhile begins anew: the template may be another by now. */
static void check_begin(int signo, const char *text)
{
	bool hangup = checking.hangup || signo == SIGHUP, user1 = checking.user1 || signo == SIGUSR1;
	size_t n;

	check_failed(NULL);
	for (n = 0; n < n_instances; n++)
		if (!conf_write_new(text, &instances[n].place)) {
			check_failed(NULL);
			return;
		}
	checking.hangup = hangup;
	checking.user1 = user1;
	checking.at = 0;
	check_next();
}

static void reap(bool stopping)
{
	siginfo_t si;
	size_t n;

	for (;;) {
		si.si_pid = 0;
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) || !si.si_pid)
			return;
		for (n = 0; n < n_instances; n++)
			if (instances[n].pid == si.si_pid)
				break;
		if (n < n_instances)
			instance_died(&instances[n], si.si_code, si.si_status);
		waitpid(si.si_pid, NULL, 0);
		if (si.si_pid == checking.pid)
			check_ended(si.si_code, si.si_status);
		if (si.si_pid == keeper && !stopping)
			keeper = keeper_start(n_instances);	/* it has the table in shared memory */
	}
}

static void forward(int signo)
{
	char *text;

	if (template && signo != SIGUSR2) {
		/* Unreadable: reported; the servers go on with what they have. */
		text = conf_read(template);
		if (text && check)
			check_begin(signo, text);
		else if (text)
			write_confs(text);
		free(text);
		if (check)
			return;
	}
	pass_on(signo);
}

static void stop_all(void)
{
	size_t n;

	for (n = 0; n < n_instances; n++)
		instance_stop(&instances[n], stop_timeout * 1000);
}

static bool all_down(void)
{
	size_t n;

	for (n = 0; n < n_instances; n++)
		if (instances[n].state != DOWN)
			return false;
	return true;
}

static bool hopeless(void)
{
	size_t n;

	for (n = 0; n < n_instances; n++)
		if (instances[n].was_well || instances[n].fails < GIVE_UP_FAILS)
			return false;
	return true;
}

/*
 * Where we steer: give every running instance's listener its flows. A server is
 * looked at until it listens, and for some time more, since it may open a socket for
 * each family; later only when its socket has gone.
 *
 * Return: the time to look again.
 */
static uint64_t look(void)
{
	uint64_t now = now_ms(), since, next = now + LOOK_AGAIN_MS;
	struct instance *i;
	bool young, found;

	for (i = instances; i < instances + n_instances; i++) {
		if (i->state == WAITING || i->state == DOWN)
			steering->forget(i->slot);
		if (i->state != RUNNING) {
			i->given = false;
			continue;
		}
		/* From when it was seen to listen: to come that far may take it long. */
		since = i->found > signalled ? i->found : signalled;
		young = !i->given || now - since < BACKOFF_HEALTHY_MS;
		found = steering->find(i->slot, i->group, i->place.port, young);
		if (found && !i->given)
			i->found = now;
		i->given = found;
		if (!i->given && now - i->started < BACKOFF_HEALTHY_MS)
			next = now + LOOK_MS;
	}
	return next;
}

/* Return: the first instance without a listening socket; NULL: every one has one. */
static const struct instance *not_listening(void)
{
	static bool listening[65536];
	size_t n;

	if (!steering)
		ports_listening(listening);
	for (n = 0; n < n_instances; n++)
		if (steering ? !instances[n].given : !listening[instances[n].place.port])
			return &instances[n];
	return NULL;
}

static void tell_ready(void)
{
	report("run", "%zu servers listen", n_instances);
	if (!ready_fd)
		return;
	if (write((int)ready_fd, "\n", 1) != 1)
		report("--ready-fd", "cannot be written: %s", strerror(errno));
	close((int)ready_fd);
}

/*
 * Milliseconds until something is to be done; -1: only when a signal comes.
 * @look_at: when look() wants to be called; UINT64_MAX: never
 */
static int next_timeout(bool ready, uint64_t look_at)
{
	uint64_t now = now_ms(), next = ready ? UINT64_MAX : now + LOOK_MS;
	size_t n;

	if (look_at < next)
		next = look_at;
	if (checking.pid && checking.deadline < next)
		next = checking.deadline;

	for (n = 0; n < n_instances; n++) {
		if (instances[n].deadline && instances[n].deadline < next)
			next = instances[n].deadline;
		if (instances[n].state == STOPPING && !instances[n].pid && now + LOOK_MS < next)
			next = now + LOOK_MS;	/* nobody tells us when a group is empty */
	}
	if (next == UINT64_MAX)
		return -1;
	return next > now ? (int)(next - now) : 0;
}

/* Return: the exit status. */
static int supervise(int signal_fd)
{
	bool ready = !wait_listen && !ready_fd, stopping = false, failed = false;
	uint64_t listen_deadline = wait_listen ? now_ms() + wait_listen * 1000 : UINT64_MAX;
	struct pollfd pfd = { .fd = signal_fd, .events = POLLIN };
	uint64_t look_at = UINT64_MAX;
	struct signalfd_siginfo si;
	size_t n;

	for (n = 0; n < n_instances; n++)
		instance_start(&instances[n], &inherit);
	while (!stopping || !all_down()) {
		poll(&pfd, 1, next_timeout(ready || stopping, look_at));
		while (read(signal_fd, &si, sizeof(si)) == sizeof(si)) {
			switch (si.ssi_signo) {
			case SIGCHLD:
				break;
			case SIGTERM:
			case SIGINT:
				if (stopping)
					break;
				report("run", "%s, stopping", si.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
				stopping = true;
				stop_all();
				if (checking.pid)
					check_failed(NULL);
				break;
			default:
				/* The terminal's comes from the kernel, a reload from a process. */
				if (si.ssi_signo == SIGHUP && under_nohup && si.ssi_code == SI_KERNEL)
					break;
				if (!stopping)
					forward((int)si.ssi_signo);
			}
		}
		reap(stopping);
		if (checking.pid && now_ms() >= checking.deadline)
			check_failed("has not ended after 60 s");
		for (n = 0; n < n_instances; n++)
			if (instances[n].state == STOPPING ||
			    (instances[n].deadline && now_ms() >= instances[n].deadline))
				instance_timeout(&instances[n], &inherit);
		if (steering)
			look_at = look();
		if (stopping)
			continue;
		if (!ready) {
			const struct instance *late = not_listening();

			if (!late) {
				ready = true;
				tell_ready();
			} else if (now_ms() >= listen_deadline) {
				report("run", "nothing listens on port %u after %u s (CPU %u), stopping; see what the server said or give --wait-listen more",
				       late->place.port, wait_listen, late->place.cpu);
				stopping = failed = true;
			}
		}
		if (!stopping && hopeless()) {
			report("run", "no server stays up, giving up; see what the servers said, or run one by hand");
			stopping = failed = true;
		}
		if (stopping)
			stop_all();
	}
	for (n = 0; n < n_instances; n++)
		failed |= instances[n].unclean;
	return failed ? EXIT_REFUSED : EXIT_DONE;
}

static int run_run(char **command)
{
	const char *conf_dir = NULL;
	int status = EXIT_REFUSED;
	char *text = NULL;
	int signal_fd;
	size_t n;

	check_usage(command);
	if (mode != LISTEN_NAT)
		steering = mode == LISTEN_BPF ? &lookup_steering : &reuseport_steering;
	if (!check_cpus() || (mode != LISTEN_REUSEPORT && !check_ports()) ||
	    (steering && !check_public_port()) || (mode == LISTEN_REUSEPORT && !find_preload()))
		return EXIT_REFUSED;
	n_instances = cpus.n * per_core;
	instances = calloc(n_instances, sizeof(*instances));
	if (!instances)
		abort();
	/* From here on a signal must not end us before we have tidied up. */
	signal_fd = take_signals();
	if (signal_fd < 0)
		goto out;
	if (template) {
		text = conf_read(template);
		conf_dir = text ? conf_dir_make() : NULL;
		if (!conf_dir)
			goto out;
	}
	if (!init_instances(command, conf_dir) || (text && !write_confs(text)))
		goto out_dir;
	/* Before anybody listens: the per-core ports are closed from the start. */
	if (steering && !begin_steering())
		goto out_steering;
	keeper = keeper_start(n_instances);
	if (keeper < 0) {
		report("run", "cannot fork: %s", strerror(errno));
		goto out_steering;
	}
	set_memory_policy();
	status = supervise(signal_fd);
	keeper_end();
out_steering:
	if (steering)
		steering->end();
out_dir:
	conf_dir_remove();
out:
	for (n = 0; n < n_instances; n++)
		instance_free(&instances[n]);
	free(instances);
	free(text);
	if (signal_fd >= 0)
		close(signal_fd);
	return status;
}

const struct command run = {
	.name = "run",
	.summary = "start a pinned server instance on each CPU of a list, and keep it running",
	.options = options,
	.operands = "-- COMMAND [ARGUMENT]...",
	.notes = notes,
	.run = run_run,
};
