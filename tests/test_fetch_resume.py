"""mlf-fetch is killed and interrupted at any moment, and goes on."""

import hashlib
import json
import os
import random
import signal
import subprocess
import time

import pytest

from support.artifacts import ArtifactServer
from support.killing import killed
from support.link import Link
from support.places import tool

LARGE = 24 << 20
RATE = 24 << 20  # at which a kill comes in the middle
# What a kill may cost: the small files that were on their way, and a piece of the large one.
QUANTUM = 512 << 10


@pytest.fixture
def server():
    numbers = random.Random(5)
    files = {f"data/{i:03}": numbers.randbytes(4096) for i in range(100)}
    server = ArtifactServer(files | {"large.bin": numbers.randbytes(LARGE), "empty": b""})
    yield server
    server.close()


def start(server, env, tmp_path, *options, url=None):
    return subprocess.Popen(
        [tool("mlf-fetch"), server.run_id, "--output", "out/model", *options],
        env=env | {"MLFLOW_TRACKING_URI": url or server.url, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )


def whole(process, server, tmp_path):
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr.decode()
    check(stdout, server, tmp_path)


def check(stdout, server, tmp_path):
    listed = json.loads(stdout)["stages"]["fetch"]["files"]
    for path, content in server.files.items():
        assert (tmp_path / "out/model" / path).read_bytes() == content
        file = next(file for file in listed if file["path"] == path)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    names = sorted(os.listdir(tmp_path / "out"))
    assert names == [".model.fetched.json", "model"], names


def test_killed_at_any_moment(server, env, tmp_path):
    def nothing_is_there():
        assert not (tmp_path / "out/model").exists()

    with Link(server.url, rate=RATE) as link:
        stdout, kills = killed(
            lambda: start(server, env, tmp_path, url=link.url), 7, then=nothing_is_there
        )
        carried = link.carried[0]
    check(stdout, server, tmp_path)
    size = sum(map(len, server.files.values()))
    assert kills > 2 and carried <= size + kills * QUANTUM, f"{carried} for {size}, {kills} kills"


def test_ctrl_c_ends_within_a_second_and_leaves_something(server, env, tmp_path):
    process = start(server, env, tmp_path, "--limit-rate", "8M")
    time.sleep(1.5)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=10)
    assert time.monotonic() - begun < 1
    assert (process.returncode, stdout) == (130, b"")
    assert b"run it again: it goes on with what has come so far" in stderr
    before = server.sent
    whole(start(server, env, tmp_path), server, tmp_path)
    assert server.sent - before < LARGE, "it began anew"


def test_two_at_once(server, env, tmp_path):
    processes = [start(server, env, tmp_path, "--limit-rate", "16M") for _ in range(2)]
    for process in processes:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr.decode()
    whole(start(server, env, tmp_path), server, tmp_path)
