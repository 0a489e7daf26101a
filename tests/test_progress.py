"""A bar for who watches, on the terminal and nowhere else."""

import re

import pytest

from support.artifacts import ArtifactServer
from support.fetched import fetched
from support.places import tool
from support.terminal import watched


@pytest.fixture(scope="module")
def server():
    server = ArtifactServer({"large.bin": bytes(1 << 20), "b/small": b"x"})
    yield server
    server.close()


@pytest.fixture
def fetch(server, env, tmp_path):
    def call(*args, columns=120):
        command = [tool("mlf-fetch"), server.run_id, "--no-cache", "--output", "out", *args]
        env_here = env | {"MLFLOW_TRACKING_URI": server.url}
        return watched(command, env=env_here, cwd=tmp_path, columns=columns)

    return call


@pytest.fixture
def piped(server, outcome):
    settings = {"MLFLOW_TRACKING_URI": server.url, "TERM": "xterm"}
    return outcome("mlf-fetch", server.run_id, "--no-cache", "--output", "piped", env=settings)


def test_who_watches_sees_a_bar(fetch, piped, server):
    done = fetch()
    assert set(fetched(done)[1]) == set(server.files)
    bar, _, rest = done.stderr.rpartition("\x1b[2K")
    assert re.search(rf"mlf-fetch: fetching runs:/{server.run_id}/model +\(\d/3 files\) [█░]+ ", bar)
    # In the end it is cleared, and what is left is what others are told.
    assert rest.replace("\r\n", "\n") == piped.stderr


def test_a_bar_fits_a_narrow_terminal(fetch):
    done = fetch(columns=80)
    fetched(done)
    lines = [re.sub(r"\x1b\[\w+|\r", "", line) for line in done.stderr.split("\x1b[2K")]
    bars = [line.rstrip() for line in lines if "/3 files)" in line]
    assert bars and all(len(line) <= 80 and re.search("[█░]", line) for line in bars), bars


@pytest.mark.parametrize("args", [["--quiet"], ["--log-format", "json"]], ids=" ".join)
def test_who_wants_no_bar_sees_none(fetch, args):
    done = fetch(*args)
    fetched(done)
    assert "\x1b" not in done.stderr and "files)" not in done.stderr


def test_a_pipe_gets_no_bar(piped):
    fetched(piped)
    lines = piped.stderr.splitlines()
    assert lines and all(line.split(": ")[1] in ("warning", "hint") for line in lines)
