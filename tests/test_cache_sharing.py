"""One cache, many processes: whoever fetches and prunes beside, each has all of
its model. What must happen at the same time is held until all have come."""

import json
import random
import subprocess
import threading

import pytest

from support.artifacts import MLMODEL, ArtifactServer
from support.between import Between
from support.fetched import fetched
from support.outcome import Outcome
from support.places import tool

FETCHES = 4


@pytest.fixture(scope="module")
def servers():
    """Two models, most of whose files are the same."""
    numbers = random.Random(12)
    files = {f"data/{i:02}": numbers.randbytes(4096) for i in range(30)}
    files["large.bin"] = numbers.randbytes(4 << 20)
    other = {"MLmodel": MLMODEL + b"metadata: {other: true}\n", "data/07": numbers.randbytes(4096)}
    servers = [ArtifactServer(files), ArtifactServer(files | other)]
    servers[1].files |= other
    yield servers
    for server in servers:
        server.close()


@pytest.fixture
def settings(env, tmp_path):
    return env | {"XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def fetch(settings, tmp_path):
    def start(url, output):
        return subprocess.Popen(
            [tool("mlf-fetch"), ArtifactServer.run_id, "--output", output], cwd=tmp_path,
            env=settings | {"MLFLOW_TRACKING_URI": url}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    return start


@pytest.fixture
def prune(settings):
    def run():
        """Of all that is there; how many models those were."""
        done = subprocess.run(
            [tool("mlf-fetch"), "cache", "prune", "--max-size", "0"], env=settings, check=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        )
        return json.loads(done.stdout)["models"]

    return run


def whole(process, server):
    stdout, stderr = process.communicate(timeout=120)
    record, _ = fetched(Outcome([], process.returncode, stdout, stderr, {}))
    for path, content in server.files.items():
        with open(f"{record['directory']}/{path}", "rb") as file:
            assert file.read() == content, path
    return record


def at(path, do):
    """Before this file is sent."""
    return lambda request: do() if request.path.endswith(f"/{path}") else None


@pytest.fixture
def between(servers):
    """Before each of the servers: its name for the cache."""
    with Between(servers[0].url) as first, Between(servers[1].url) as second:
        yield [first, second]


def test_fetches_at_the_same_time(servers, between, fetch):
    """All that fetch one model ask for its large file before any gets it."""
    for one in between:
        one.meanwhile = at("large.bin", threading.Barrier(FETCHES, timeout=60).wait)
    ways = list(zip(between, servers, strict=True)) * FETCHES
    processes = [fetch(one.url, f"out/{i}") for i, (one, _) in enumerate(ways)]
    for process, (_, server) in zip(processes, ways, strict=True):
        whole(process, server)
    # What they left in the cache is whole.
    for one, server in ways[:2]:
        one.meanwhile = lambda request: None
        record = whole(fetch(one.url, f"again/{one.host}"), server)
        assert record["notes"]["bytesFetched"] == 0


def test_what_others_use_may_be_pruned(servers, between, fetch, prune):
    """While files come, and while those of the cache are taken."""
    one, server = between[0], servers[0]
    pruned = []
    one.meanwhile = at("large.bin", lambda: pruned.append(prune()))
    whole(fetch(one.url, "first"), server)
    # The cache has it until its large file is looked at, which comes again then.
    whole(fetch(one.url, "second"), server)
    assert pruned == [0, 1, 0]
    # Two take it out of the cache, and each has it pruned.
    one.meanwhile = at("data/07", lambda: pruned.append(prune()))
    processes = [fetch(one.url, f"third/{i}") for i in range(2)]
    for process in processes:
        whole(process, server)
    assert sum(pruned[3:]) > 0
    # Nobody's files went with it.
    one.meanwhile = lambda request: None
    for output in ("first", "second", "third/0", "third/1"):
        assert whole(fetch(one.url, output), server)["notes"]["bytesFetched"] == 0
