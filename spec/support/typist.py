"""Runs a program on a terminal of its own, and types on it, for specs of what it
shows there.

    typist.py SCRIPT PROGRAM [ARGUMENT ...]

SCRIPT is lines of Python literals: a string is typed, a tuple of one string is
waited for in what has been shown since the last such string; a number is the
terminal's width from then on; a list has the names of signals that are sent to
the program, between which the terminal is set as it was before. What the
terminal gets goes to standard output as it came; the exit status is the
program's.
"""
import ast
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

PATIENCE = 240


class Terminal:
    def __init__(self, command):
        self.master, slave = pty.openpty()
        self.resize(80)
        settings = termios.tcgetattr(slave)
        settings[1] &= ~termios.OPOST
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        self.before = settings
        self.slave = slave  # open, so that what it shows is not lost
        self.child = subprocess.Popen(command, stdin=slave, stdout=slave,
                                      stderr=slave, start_new_session=True,
                                      preexec_fn=self.control)
        self.shown = b""

    def control(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))

    def kill(self, names):
        for i, name in enumerate(names):
            if i > 0:
                termios.tcsetattr(self.slave, termios.TCSANOW, self.before)
            os.killpg(self.child.pid, getattr(signal, "SIG" + name))

    def read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        data = os.read(self.master, 65536)
        os.write(1, data)
        self.shown += data
        return True

    def expect(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            if not self.read(1) and (self.child.poll() is not None
                                     or time.monotonic() > deadline):
                sys.exit("not shown: %r" % text)
        self.shown = self.shown.split(text, 1)[1]

    def type(self, text):
        while text:
            text = text[os.write(self.master, text[:1000]):]
            while self.read(0):
                pass

    def end(self):
        status = self.child.wait(PATIENCE)
        while self.read(0):
            pass
        if termios.tcgetattr(self.slave)[3] != self.before[3]:
            sys.exit("the terminal was not restored")
        return status


def main():
    terminal = Terminal(sys.argv[2:])
    for line in sys.argv[1].splitlines():
        step = ast.literal_eval(line)
        if isinstance(step, tuple):
            terminal.expect(step[0].encode("utf-8", "surrogateescape"))
        elif isinstance(step, int):
            terminal.resize(step)
        elif isinstance(step, list):
            terminal.kill(step)
        else:
            terminal.type(step.encode("latin-1"))
    sys.exit(terminal.end())


main()
