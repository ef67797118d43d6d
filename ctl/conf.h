/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Placeholders, and the configuration file written out for each instance.
 *
 * The written-out files live in one directory of this run, made at start and
 * removed at exit (by the keeper if flowparctl is killed).
 */
#ifndef FLOWPARCTL_CONF_H
#define FLOWPARCTL_CONF_H

#include <stdbool.h>
#include <stddef.h>

/* What {port}, {port+N}, {cpu}, {instance} and {conf} stand for. */
struct place {
	unsigned int port;
	unsigned int cpu;
	unsigned int instance;		/* 0 .. per-core - 1 on this CPU */
	const char *conf;		/* NULL without a template */
};

/**
 * conf_substitute() - replace the placeholders in a text
 *
 * Anything else in braces is left alone: server configurations are full of it.
 *
 * Return: a string to free().
 */
char *conf_substitute(const char *text, const struct place *place);

/**
 * conf_read() - read a template
 *
 * Return: its text, to free(); NULL if it cannot be read (reported).
 */
char *conf_read(const char *template);

/**
 * conf_dir_make() - make the directory of this run
 *
 * /run/flowpar/run-XXXXXX for root, else in $XDG_RUNTIME_DIR, else in $TMPDIR or
 * /tmp. Root does not use $XDG_RUNTIME_DIR: a server that drops its privileges
 * could not read its configuration again there.
 *
 * Return: its name, or NULL (reported). Owned by conf.c.
 */
const char *conf_dir_make(void);

/**
 * conf_write() - write out the template for one instance, in place->conf
 *
 * Atomic: a server that reads it meanwhile sees the old text or the new one.
 *
 * Return: false if it cannot be written (reported).
 */
bool conf_write(const char *text, const struct place *place);

/**
 * conf_write_new() - the first half of conf_write(): the file is not in its place yet
 *
 * Return: false if it cannot be written (reported; nothing is left of it).
 */
bool conf_write_new(const char *text, const struct place *place);

/* The second half: put it there. Return: false if that cannot be done (reported). */
bool conf_take_new(const struct place *place);

/* Or remove it. */
void conf_drop_new(const struct place *place);

/* Return: its name until then, to free(). */
char *conf_new_name(const struct place *place);

/* Remove the directory of this run and what is in it; any number of times. */
void conf_dir_remove(void);

#endif
