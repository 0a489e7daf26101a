"""A bar for who watches, on the terminal and nowhere else."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

import pytest

from support.artifacts import ArtifactServer
from support.fetched import fetched
from support.outcome import Outcome
from support.places import tool


@pytest.fixture(scope="module")
def server():
    server = ArtifactServer({"large.bin": bytes(1 << 20), "b/small": b"x"})
    yield server
    server.close()


@pytest.fixture
def watched(server, env, tmp_path):
    """Fetches with a terminal as stderr; what it showed is stderr."""

    def fetch(*args, columns=120):
        keeper, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        process = subprocess.Popen(
            [tool("mlf-fetch"), server.run_id, "--no-cache", "--output", "out", *args],
            env=env | {"MLFLOW_TRACKING_URI": server.url, "TERM": "xterm"}, cwd=tmp_path,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal,
        )
        os.close(terminal)
        shown = []
        reader = threading.Thread(target=lambda: shown.extend(pieces(keeper)))
        reader.start()
        stdout, _ = process.communicate(timeout=60)
        reader.join()
        os.close(keeper)
        return Outcome([], process.returncode, stdout.decode(), b"".join(shown).decode(), {})

    return fetch


def pieces(descriptor):
    """Until nobody has the terminal's other end."""
    with contextlib.suppress(OSError):
        while piece := os.read(descriptor, 4096):
            yield piece


@pytest.fixture
def piped(server, outcome):
    settings = {"MLFLOW_TRACKING_URI": server.url, "TERM": "xterm"}
    return outcome("mlf-fetch", server.run_id, "--no-cache", "--output", "piped", env=settings)


def test_who_watches_sees_a_bar(watched, piped, server):
    done = watched()
    assert set(fetched(done)[1]) == set(server.files)
    bar, _, rest = done.stderr.rpartition("\x1b[2K")
    assert re.search(rf"mlf-fetch: fetching runs:/{server.run_id}/model +\(\d/3 files\) [█░]+ ", bar)
    # In the end it is cleared, and what is left is what others are told.
    assert rest.replace("\r\n", "\n") == piped.stderr


def test_a_bar_fits_a_narrow_terminal(watched):
    done = watched(columns=80)
    fetched(done)
    lines = [re.sub(r"\x1b\[\w+|\r", "", line) for line in done.stderr.split("\x1b[2K")]
    bars = [line.rstrip() for line in lines if "/3 files)" in line]
    assert bars and all(len(line) <= 80 and re.search("[█░]", line) for line in bars), bars


@pytest.mark.parametrize("args", [["--quiet"], ["--log-format", "json"]], ids=" ".join)
def test_who_wants_no_bar_sees_none(watched, args):
    done = watched(*args)
    fetched(done)
    assert "\x1b" not in done.stderr and "files)" not in done.stderr


def test_a_pipe_gets_no_bar(piped):
    fetched(piped)
    lines = piped.stderr.splitlines()
    assert lines and all(line.split(": ")[1] in ("warning", "hint") for line in lines)
