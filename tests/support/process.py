"""Processes that run beside a test and end with it."""

import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path


class Background:
    """A process in a group of its own, so that its children end with it."""

    def __init__(self, args, *, env, log, stdin=subprocess.DEVNULL, cwd=None, speaks=False):
        self.log = log
        with open(log, "wb") as file:
            self.popen = subprocess.Popen(
                args,
                env=env,
                cwd=cwd,
                stdin=stdin,
                # A pipe that nobody reads would stop it once it is full.
                stdout=subprocess.PIPE if speaks else file,
                stderr=file,
                start_new_session=True,
            )

    def line(self, timeout):
        """The first line of stdout, of one that speaks."""
        deadline = time.monotonic() + timeout
        stdout, line = self.popen.stdout, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([stdout], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(stdout.fileno(), 1) if ready else b""
            assert chunk, f"{self.popen.args[0]} did not say that it is ready: {self.said()}"
            line += chunk
        return line.decode()

    def listens(self, port, timeout):
        """Until somebody accepts connections there."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.popen.poll() is None, self.said()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.1)
        raise AssertionError(f"nothing listens on port {port}: {self.said()}")

    def said(self):
        return self.log.read_text(errors="replace")[-4000:]

    def end(self, number=signal.SIGTERM, timeout=20):
        """Asks it to end; then does not ask. Its status."""
        if self.popen.stdin:
            self.popen.stdin.close()
        self.signal(number)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end: {self.said()}") from None
        finally:
            self.signal(signal.SIGKILL)
            self.popen.wait()
            if self.popen.stdout:
                self.popen.stdout.close()

    def signal(self, number):
        try:
            os.killpg(self.popen.pid, number)
        except ProcessLookupError:
            pass


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def descendants(pid):
    """The processes that this one started, and theirs."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, rest = [], [pid]
    while rest:
        rest += children.get(rest.pop(), [])
        found = list({*found, *rest})
    return found


def gone(pids, timeout=15):
    """Until none of these processes runs any more."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if is_running(pid)]
        if not alive:
            return
        time.sleep(0.05)
    raise AssertionError(f"processes {alive} are left")


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
