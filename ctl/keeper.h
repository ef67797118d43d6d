/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The keeper: a small process that outlives a killed flowparctl by a moment, to
 * end its servers and remove its files.
 *
 * PR_SET_PDEATHSIG alone does not do: the kernel clears it when a server changes
 * its user id, which is what a server started as root does first, and it never
 * covers the server's own children. The keeper waits for the end of a pipe that
 * only flowparctl holds, and shares a table of process groups with it.
 */
#ifndef FLOWPARCTL_KEEPER_H
#define FLOWPARCTL_KEEPER_H

#include <stddef.h>
#include <sys/types.h>

/**
 * keeper_start() - start the keeper, or another one after it was killed
 * @slots: number of process groups at most; the same at each call
 *
 * Return: its pid, or -1 (errno).
 */
pid_t keeper_start(size_t slots);

/* Process group that slot holds from now on; 0: none. */
void keeper_hold(size_t slot, pid_t group);

/* Everything is over: the keeper removes the files and ends. Waits for it. */
void keeper_end(void);

#endif
