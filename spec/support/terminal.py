"""Runs a program on a terminal of its own, for specs of what it writes there.

    terminal.py INPUT PROGRAM [ARGUMENT ...]

INPUT is typed at once, then Ctrl-D. What the terminal gets goes to standard
output as it came; the exit status is the program's.
"""
import os
import pty
import subprocess
import sys
import termios


def plain_terminal():
    """Without echo, and without a carriage return before each newline."""
    master, slave = pty.openpty()
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    return master, slave


def main():
    given, command = sys.argv[1], sys.argv[2:]
    master, slave = plain_terminal()
    os.write(master, os.fsencode(given) + b"\x04")
    child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the program has ended
            break
        if not data:
            break
        os.write(1, data)
    sys.exit(child.wait())


main()
