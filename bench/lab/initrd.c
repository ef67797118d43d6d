// SPDX-License-Identifier: GPL-2.0
/*
 * initrd.c - /init of the initramfs that a distribution's kernel needs in the lab.
 *
 * The lab's own kernels have built in what it takes to mount the root over 9p; a
 * distribution has it as modules. This loads those listed in /modules, in that order,
 * mounts what root=, rootfstype= and rootflags= say and executes init=, as such a kernel
 * would have done itself. Linked statically: it is alone in its initramfs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what)
{
	int err = errno;
	int fd = open("/dev/kmsg", O_WRONLY);

	dprintf(fd >= 0 ? fd : 2, "<3>lab-initrd: %s: %s\n", what, strerror(err));
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void load_modules(void)
{
	FILE *list = fopen("/modules", "re");
	char path[256];

	if (!list)
		give_up("/modules");
	while (fgets(path, sizeof(path), list)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			give_up(path);
		close(fd);
	}
	fclose(list);
}

/* What the kernel's command line says for NAME=; no value has a blank. */
static const char *argument(const char *cmdline, const char *name)
{
	size_t len = strlen(name);
	const char *p = cmdline;

	for (; (p = strstr(p, name)); p += len) {
		if ((p == cmdline || p[-1] == ' ') && p[len] == '=')
			return strndup(p + len + 1, strcspn(p + len + 1, " \n"));
	}
	errno = EINVAL;
	give_up(name);
}

int main(void)
{
	static char cmdline[4096];
	const char *init;
	int fd;

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/root", 0755);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) ||
	    mount("proc", "/proc", "proc", 0, NULL))
		give_up("/proc");
	load_modules();
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, cmdline, sizeof(cmdline) - 1) < 0)
		give_up("/proc/cmdline");
	close(fd);
	if (mount(argument(cmdline, "root"), "/root", argument(cmdline, "rootfstype"),
		  MS_RDONLY, argument(cmdline, "rootflags")))
		give_up("/root");
	init = argument(cmdline, "init");
	/* The mounts above stay below the new root, where nothing names them. */
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		give_up("new root");
	/* Variables like lab_role=server have come to us as our environment. */
	execl(init, init, NULL);
	give_up(init);
}
