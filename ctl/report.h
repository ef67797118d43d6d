/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What flowparctl says to the administrator on stderr.
 *
 * One line each, "flowparctl: OBJECT: what was found; what to do", written by
 * one write(): lines stay whole when servers write to the same stderr.
 */
#ifndef FLOWPARCTL_REPORT_H
#define FLOWPARCTL_REPORT_H

#include <stdbool.h>

/* Exit status of flowparctl. */
enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,	/* refused or failed; nothing half done is left */
	EXIT_USAGE = 2,		/* the command line alone is wrong */
};

/**
 * report() - print one line about an object
 * @object: what the line is about, e.g. "port 8000" or "--cpus"
 * @fmt: what was found; what to do (no newline)
 *
 * Return: EXIT_REFUSED, so that a caller can `return report(...)`.
 */
int report(const char *object, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * report_hold() - keep back what is reported, or let it out
 * @hold: for as long as something else has the terminal
 *
 * The last line is kept.
 */
void report_hold(bool hold);

/**
 * report_output() - write out stdout
 * @status: exit status if that works
 *
 * Output that did not get where it should is a failure: a full disk, a closed pipe.
 *
 * Return: @status or EXIT_REFUSED (reported).
 */
int report_output(int status);

#endif
