#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A command on a terminal of its own, and whether it gives that back.

  terminal.py HOW SHOWS COMMAND...

Waits until the command shows the text SHOWS on the alternate screen, with keys
unseen. Then, by HOW:

  q       press q
  ctrl-c  press ^C
  TERM    send it SIGTERM
  stop    press ^Z, see the terminal as it was, continue it, wait again, press q
  small   make the terminal small, see that no more lines are drawn, press q
  COMMAND by a shell, that makes it end

Prints the exit status, what it wrote after it gave the screen back, and "terminal as
before" or what differs.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

ENTER, LEAVE, HOME = b"\033[?1049h", b"\033[?1049l", b"\033[H"
LIMIT = 60


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    def __init__(self, command):
        self.master, self.slave = pty.openpty()
        resize(self.master, 40, 200)
        self.before = termios.tcgetattr(self.slave)
        self.said = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.master)
            self.login()
            os.execvp(command[0], command)

    def login(self):
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(self.slave, fd)

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.said += os.read(self.master, 65536)

    def until(self, what, start=0):
        end = time.monotonic() + LIMIT
        while not what(self.said[start:]):
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                sys.exit(f"not after {LIMIT} s: {self.said[start:]!r}")
            self.read(0.1)

    def shown(self, text, start=0):
        self.until(lambda said: ENTER in said and text in said.split(ENTER)[-1], start)
        if termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO):
            sys.exit("keys are seen")

    def press(self, keys):
        os.write(self.master, keys)

    def restored(self):
        after = termios.tcgetattr(self.slave)
        if after != self.before:
            return f"terminal was {self.before}, is {after}"
        if self.said.rfind(LEAVE) < self.said.rfind(ENTER):
            return "the screen is not given back"
        if self.said.rfind(b"\033[?25h") < self.said.rfind(b"\033[?25l"):
            return "the cursor is hidden"
        return "terminal as before"

    def wait(self, flags=0):
        end = time.monotonic() + LIMIT
        while True:
            pid, status = os.waitpid(self.pid, flags | os.WNOHANG)
            self.read(0.1)
            if pid:
                return status
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                sys.exit(f"does not end: {self.said!r}")


def main():
    how, text, command = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]
    terminal = Terminal(command)
    terminal.shown(text)
    if how == "q":
        terminal.press(b"q")
    elif how == "ctrl-c":
        terminal.press(b"\003")
    elif how == "TERM":
        os.kill(terminal.pid, signal.SIGTERM)
    elif how == "stop":
        # The group of a terminal's leader has no shell to stop for, so by hand.
        os.kill(terminal.pid, signal.SIGTSTP)
        if not os.WIFSTOPPED(terminal.wait(os.WUNTRACED)):
            sys.exit("does not stop")
        print("stopped:", terminal.restored())
        mark = len(terminal.said)
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.shown(text, mark)
        terminal.press(b"q")
    elif how == "small":
        mark = len(terminal.said)
        resize(terminal.master, 2, 200)
        # A whole drawing is from one HOME to the next; the first two may be from before.
        terminal.until(lambda said: said.count(HOME) >= 5, mark)
        lines = {drawn.count(b"\n") + 1 for drawn in terminal.said[mark:].split(HOME)[3:-1]}
        print("lines drawn:", *sorted(lines))
        terminal.press(b"q")
    else:
        subprocess.run(how, shell=True, check=True)
    status = terminal.wait()
    last = terminal.said.split(LEAVE)[-1].decode().strip()
    print(f"exit {os.waitstatus_to_exitcode(status)}{last and ': ' + last}; {terminal.restored()}")


main()
