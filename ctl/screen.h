/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A terminal that is ours for a while, and the signals and keys that end that.
 *
 * Plain ANSI on the alternate screen, so what was there comes back. Invariant: from
 * screen_open() to screen_close() every way out, signals included, restores it.
 */
#ifndef FLOWPARCTL_SCREEN_H
#define FLOWPARCTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * screen_open() - take the terminal of stdin and stdout
 * @show: false: leave the terminal alone, only take the signals
 *
 * Return: false if there is none, or if signals cannot be had (reported).
 */
bool screen_open(bool show);
void screen_close(void);

/**
 * screen_draw() - show a text instead of what is there
 * @text: lines; what does not fit is left out
 * @len: its length
 */
void screen_draw(const char *text, size_t len);

enum screen_event {
	SCREEN_END,	/* key q, or a signal that asks us to end */
	SCREEN_ANEW,	/* it has to be drawn again: another size, continued after ^Z */
	SCREEN_DUE,	/* it is time */
};

/**
 * screen_wait() - wait, and see to what comes meanwhile
 * @until: time (now_ms()) of SCREEN_DUE
 */
enum screen_event screen_wait(uint64_t until);

#endif
