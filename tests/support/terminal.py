"""A tool that somebody watches."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading

from support.outcome import Outcome


def watched(args, *, env, cwd, stdin="", columns=120):
    """How it ends with a terminal as stderr; what that showed is stderr."""
    keeper, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    process = subprocess.Popen(
        args, env=env | {"TERM": "xterm"}, cwd=cwd,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=terminal,
    )
    os.close(terminal)
    shown = []
    reader = threading.Thread(target=lambda: shown.extend(_pieces(keeper)))
    reader.start()
    stdout, _ = process.communicate(stdin.encode(), timeout=60)
    reader.join()
    os.close(keeper)
    return Outcome(args, process.returncode, stdout.decode(), b"".join(shown).decode(), {})


def _pieces(descriptor):
    """Until nobody has the terminal's other end."""
    with contextlib.suppress(OSError):
        while piece := os.read(descriptor, 4096):
            yield piece
