/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One server instance: pinned to its CPU, listening on that CPU's port.
 *
 *   DOWN -> RUNNING <-> WAITING (for its next start)
 *              \-> STOPPING -> DOWN
 *
 * It runs in a process group of its own, which its workers share. Invariants: no
 * process of an old group competes with a new start; deadline is the time at
 * which instance_timeout() has something to do.
 */
#ifndef FLOWPARCTL_INSTANCE_H
#define FLOWPARCTL_INSTANCE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf.h"

/* So many deaths in a row are reported as one standing failure. */
#define INSTANCE_FAILING	3

enum instance_state { DOWN, RUNNING, WAITING, STOPPING };

struct instance {
	struct place place;
	size_t slot;		/* of the keeper */
	char *conf;		/* written-out template, or NULL */
	char **argv;		/* with placeholders replaced */
	char *path;		/* of the program */

	enum instance_state state;
	pid_t pid;		/* 0 once reaped */
	pid_t group;		/* 0 once nobody is left in it */
	uint64_t started;	/* all times: milliseconds, CLOCK_MONOTONIC */
	uint64_t deadline;	/* 0: none */
	unsigned int fails;	/* deaths in a row, each soon after its start */
	bool was_well;		/* has once stayed up for BACKOFF_HEALTHY_MS */
	bool killed;		/* had to be, while stopping */
	bool given;		/* --listen bpf, reuseport: its listener is given flows */
	uint64_t found;		/* when that began, of this start */
	bool unclean;		/* did not end as a server that is asked to ends */
};

/* What each child gets: back what flowparctl changed for itself, and a library to preload. */
struct instance_inherit {
	sigset_t mask;
	struct sigaction sigpipe;
	const char *preload;	/* or NULL */
};

uint64_t now_ms(void);

/**
 * instance_init() - make the command of an instance and look up its program
 * @command: with placeholders, NULL-terminated
 * @conf: where its template is written out to, or NULL
 *
 * Return: false if there is no such program (reported).
 */
bool instance_init(struct instance *i, struct place place, size_t slot, char *const *command,
		   const char *conf);
void instance_free(struct instance *i);

/* Start it; a failure is handled as a death is. */
void instance_start(struct instance *i, const struct instance_inherit *inherit);

/**
 * instance_died() - its first process has ended but is not reaped yet
 * @code: CLD_EXITED, CLD_KILLED or CLD_DUMPED
 * @status: exit status or signal
 */
void instance_died(struct instance *i, int code, int status);

/* Ask it to stop; after @timeout_ms it is killed. */
void instance_stop(struct instance *i, uint64_t timeout_ms);

/**
 * instance_check() - start a command that looks at an instance's new configuration
 * @command: for sh; {conf} in it is that file (conf_new_name())
 *
 * Return: its pid, which is its process group too; -1: it cannot be started (errno).
 */
pid_t instance_check(const struct instance *i, const struct instance_inherit *inherit,
		     const char *command);

/* deadline has come, or, while STOPPING, a look at who is left. */
void instance_timeout(struct instance *i, const struct instance_inherit *inherit);

#endif
