// SPDX-License-Identifier: GPL-2.0
/*
 * A terminal that is ours for a while, and the signals and keys that end that.
 */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "instance.h"
#include "report.h"

/* Alternate screen, no cursor, no wrapping of long lines; and all that back. */
#define ENTER	"\033[?1049h\033[?25l\033[?7l"
#define LEAVE	"\033[?7h\033[?25h\033[?1049l"
/* Home; what a line leaves of the old one is erased with it, the rest at the end. */
#define HOME	"\033[H"
#define NEXT	"\033[K\r\n"
#define REST	"\033[K\033[J"

static bool shown, taken;	/* a screen is wanted; we have it now */
static struct termios before;
static int signal_fd = -1;

static void put(const char *text, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;		/* a terminal that is gone: SIGHUP comes */
		text += n;
		len -= (size_t)n;
	}
}

static void enter(void)
{
	struct termios raw = before;

	/* Keys one by one and unseen; ^C, ^Z and output as ever. */
	raw.c_lflag &= (tcflag_t)~(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	put(ENTER, sizeof(ENTER) - 1);
	report_hold(true);
	taken = true;
}

static void leave(void)
{
	if (!taken)
		return;
	put(LEAVE, sizeof(LEAVE) - 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	report_hold(false);
	taken = false;
}

bool screen_open(bool show)
{
	sigset_t set;

	if (show && (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before))) {
		report("stdout", "no terminal; give --once or --json");
		return false;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	if (show) {
		sigaddset(&set, SIGTSTP);
		sigaddset(&set, SIGWINCH);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0) {
		report("top", "signalfd: %s", strerror(errno));
		return false;
	}
	shown = show;
	if (show)
		enter();
	return true;
}

void screen_close(void)
{
	leave();
	if (signal_fd >= 0)
		close(signal_fd);
	signal_fd = -1;
}

void screen_draw(const char *text, size_t len)
{
	const char *end = text + len, *eol;
	struct winsize size = { 0 };
	unsigned int rows;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	put(HOME, sizeof(HOME) - 1);
	for (rows = size.ws_row ? size.ws_row : 24; text < end && rows; rows--) {
		eol = memchr(text, '\n', (size_t)(end - text));
		if (!eol)
			eol = end;
		put(text, (size_t)(eol - text));
		text = eol + 1;
		/* A newline on the last line would scroll the first one out. */
		if (text < end && rows > 1)
			put(NEXT, sizeof(NEXT) - 1);
	}
	put(REST, sizeof(REST) - 1);
}

static enum screen_event on_signal(int signo)
{
	switch (signo) {
	case SIGTSTP:
		leave();
		kill(getpid(), SIGSTOP);
		enter();	/* somebody has continued us */
		return SCREEN_ANEW;
	case SIGWINCH:
		return SCREEN_ANEW;
	}
	return SCREEN_END;
}

enum screen_event screen_wait(uint64_t until)
{
	struct pollfd pfd[2] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = shown ? STDIN_FILENO : -1, .events = POLLIN },
	};
	struct signalfd_siginfo si;
	uint64_t now;
	char key;

	for (now = now_ms(); now < until; now = now_ms()) {
		if (poll(pfd, 2, (int)(until - now)) < 0 && errno != EINTR)
			return SCREEN_END;
		if (read(signal_fd, &si, sizeof(si)) == sizeof(si))
			return on_signal((int)si.ssi_signo);
		/* No key where there was one: the terminal is gone. */
		if (pfd[1].revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
			return SCREEN_END;
	}
	return SCREEN_DUE;
}
