// SPDX-License-Identifier: GPL-2.0
/*
 * bpf(2): programs, a map of sockets, links.
 *
 * By the system call itself: the programs are a dozen instructions each, so
 * neither a compiler for them nor libbpf has to be where they run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "steer.h"

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int program_load(enum bpf_prog_type type, unsigned int attach_type,
		 const struct bpf_insn *insns, size_t count, const char *what)
{
	static char log[16 * 1024];
	union bpf_attr attr = {
		.prog_type = type,
		.expected_attach_type = attach_type,
		.insns = (uintptr_t)insns,
		.insn_cnt = count,
		.license = (uintptr_t)"GPL",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd >= 0)
		return fd;
	if (errno == EPERM)
		die(what, "the kernel lets nobody but root load BPF programs; run this as root");
	/* Once more, for the verifier's words. */
	attr.log_buf = (uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	bpf(BPF_PROG_LOAD, &attr);
	die(what, "the kernel refuses the program: %s; it needs Linux 6.6 or newer with CONFIG_BPF_SYSCALL%s%s",
	    strerror(errno), log[0] ? "\n" : "", log);
}

int link_create(int program, int target, unsigned int attach_type, const char *what)
{
	union bpf_attr attr = {
		.link_create.prog_fd = program,
		.link_create.target_fd = target,	/* one union with target_ifindex */
		.link_create.attach_type = attach_type,
	};
	int fd = bpf(BPF_LINK_CREATE, &attr);

	if (fd < 0)
		die(what, "the program cannot be attached: %s", strerror(errno));
	return fd;
}

int sockmap_create(const int *fds, size_t count)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = count,
	};
	int map = bpf(BPF_MAP_CREATE, &attr);
	uint64_t value;
	uint32_t key;

	if (map < 0)
		die("sockmap", "cannot be created: %s", strerror(errno));
	for (key = 0; key < count; key++) {
		value = fds[key];
		memset(&attr, 0, sizeof(attr));
		attr.map_fd = map;
		attr.key = (uintptr_t)&key;
		attr.value = (uintptr_t)&value;
		if (bpf(BPF_MAP_UPDATE_ELEM, &attr))
			die("sockmap", "the listener of CPU %u cannot be stored: %s", key, strerror(errno));
	}
	return map;
}

void hold(int link)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = fork();

	if (null < 0 || pid < 0)
		die("steer", "no process to hold the program: %s", strerror(errno));
	if (pid) {
		printf("%d\n", pid);
		exit(0);
	}
	setsid();
	/* Who reads our pid waits for the end of that output. */
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	fcntl(link, F_SETFD, FD_CLOEXEC);
	for (;;)
		pause();
}
