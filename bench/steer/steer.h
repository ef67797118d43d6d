/* SPDX-License-Identifier: GPL-2.0 */
/*
 * steer: what its files share. Every function below either does what it says or
 * ends the program with one line that names the object and the remedy.
 */
#ifndef STEER_H
#define STEER_H

#include <linux/bpf.h>
#include <stddef.h>

#define EXIT_USAGE 2

_Noreturn void die(const char *object, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A whole number of [min, max], or a usage error that says what it was to be. */
unsigned int number(const char *text, const char *what, unsigned int min, unsigned int max);

/**
 * listeners() - the sockets on which processes listen, as descriptors of ours
 * @port: TCP port, host byte order
 * @pids: texts, as on the command line
 * @n_pids: how many
 * @count: how many listeners were found, at least one in each process
 *
 * A descriptor of ours keeps a socket open that its server has closed, so the
 * caller closes them as soon as it can: close_all().
 *
 * Return: @count descriptors, in the order of @pids and, within a process, in
 * that of its own descriptors.
 */
int *listeners(unsigned int port, char **pids, size_t n_pids, size_t *count);
void close_all(int *fds, size_t count);

/* bpf(2): load a program, attach it. @what is for the report. */
int program_load(enum bpf_prog_type type, unsigned int attach_type,
		 const struct bpf_insn *insns, size_t count, const char *what);
int link_create(int program, int target, unsigned int attach_type, const char *what);
int sockmap_create(const int *fds, size_t count);

/*
 * Leave a process behind that keeps @link open, print its pid and exit: ending
 * that process detaches the program.
 */
_Noreturn void hold(int link);

/* The subcommands; argv[0] is the first word after the name. */
void sk_lookup(int argc, char **argv);
void queue_id(int argc, char **argv);
void reuseport(int argc, char **argv);
void reuseport_off(int argc, char **argv);
void team(int argc, char **argv);
void listen_as(int argc, char **argv);

#endif
