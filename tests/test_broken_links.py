"""Fetches and uploads over links that break where chance will have it, and
tools that are killed at any moment: in the end everything is there, and nothing
wrong was ever to be seen.

LINK_ROUNDS=100 makes 1,800 rounds of them; a round is told by its seed.
"""

import collections
import contextlib
import hashlib
import json
import os
import random
import socket
import socketserver
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from support.emulator import Emulator
from support.killing import killed
from support.link import Fault, Link, chance
from support.local import LocalModel
from support.places import base_env, tool

ROUNDS = int(os.environ.get("LINK_ROUNDS", 12))
ENOUGH = 24  # rounds, for each kind of fault to happen
ATTEMPTS = 40
LARGE = (9 << 20) + 12345  # above the limit for one request
QUANTUM = 256 << 10
REQUESTS = 64 << 10  # with their headers, and all answers but content
RATE = 24 << 20  # at which a kill comes in the middle
FAILED, REFUSED, UNAVAILABLE = 1, 4, 5


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A home of its own, with a cache of its own."""
    place = tmp_path_factory.mktemp("links")
    (place / "home").mkdir()
    return place


@pytest.fixture(scope="module")
def home(place):
    return base_env(place / "home") | {
        "XDG_CACHE_HOME": str(place / "cache"), "AIP_MAX_RETRIES": "2", "AIP_HTTP_TIMEOUT": "5",
    }


@pytest.fixture(scope="module")
def service(place, home):
    """Not held against the discovery documents: what breaks does not follow them."""
    emulator = Emulator(place / "emulator", home)
    yield emulator
    emulator.end()


@pytest.fixture(scope="module")
def local(place):
    """A model of a few small files and one large."""
    local = LocalModel(place)
    generator = random.Random(1)
    for name, size in {"large": LARGE, "middle": 700_001, "small": 5000, "none": 0}.items():
        (local.directory / f"{name}.bin").write_bytes(generator.randbytes(size))
    return local


@pytest.fixture(scope="module")
def files(home, service, local):
    """Its bundle's document, and the content of its files."""
    env = home | service.env | local.env("none", "iris")
    fetched = subprocess.run([tool("mlf-fetch")], env=env, stdout=subprocess.PIPE, check=True)
    bundled = subprocess.run(
        [tool("aip-bundle")], env=env, input=fetched.stdout, stdout=subprocess.PIPE, check=True
    )
    return bundled.stdout, content_of(local.directory)


@pytest.fixture(scope="module")
def happened():
    """Takes what broke in a round. Links that break nothing prove nothing, so in the
    end something has in every set of rounds, and every kind of fault in one of them."""
    sets, wanted = collections.defaultdict(list), set()

    def take(name, kinds, faults):
        wanted.update(kinds)
        sets[name].append({fault.kind for fault in faults})

    yield take
    if all(len(rounds) >= ENOUGH for rounds in sets.values()):
        struck = {name: set().union(*rounds) for name, rounds in sets.items()}
        assert all(struck.values()), struck
        assert set().union(*struck.values()) == wanted, struck


def content_of(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*") if path.is_file()
    }


def in_bucket(service, bucket):
    """Everything that is to be seen there, by its path in the model."""
    _, listing = service.call("GET", f"/storage/v1/b/{bucket}/o")
    found = {}
    for item in listing.get("items", []):
        name = urllib.parse.quote(item["name"], safe="")
        url = f"{service.url}/storage/v1/b/{bucket}/o/{name}?alt=media"
        with urllib.request.urlopen(url, timeout=30) as answer:
            found[item["name"].partition("/model/")[2]] = answer.read()
    return found


def upload(env, bucket, *options):
    return subprocess.Popen(
        [tool("aip-upload"), "--bucket", bucket, *options], env=env, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )


def check_live(service, bucket, content):
    """What is there may be less than all; it is never wrong."""
    there = in_bucket(service, bucket)
    wrong = [path for path, data in there.items() if path and data != content.get(path)]
    assert not wrong
    return there


def check_cost(content, kills, carried):
    """Each kill costs a quantum of the large file, and what small ones were on
    their way."""
    size = sum(map(len, content.values()))
    cost = QUANTUM + (size - LARGE) + REQUESTS
    assert kills, "it got through at once"
    assert carried <= size + REQUESTS + kills * cost, f"{kills} kills"


@pytest.fixture
def echo():
    """Where a service sends back what it got, once it has all."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            with contextlib.suppress(ConnectionError):
                self.wfile.write(self.rfile.read())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("to_service", [True, False], ids=["there", "back"])
@pytest.mark.parametrize("kind", ["cut", "close", "stall", "flip"])
def test_what_a_fault_does(echo, kind, to_service):
    """Else the rounds below would break nothing."""
    fault, sent = Fault(kind, to_service, after=300_000), random.Random(1).randbytes(1 << 20)
    begun, got, reset = time.monotonic(), b"", False
    with Link(echo, draw=lambda: fault) as link:
        address = urllib.parse.urlsplit(link.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as ours:
            try:
                ours.sendall(sent)
                ours.shutdown(socket.SHUT_WR)
                while piece := ours.recv(1 << 16):
                    got += piece
            except OSError:
                reset = True
    assert link.faults == [fault]
    if kind == "flip":
        assert sum(ours != theirs for ours, theirs in zip(sent, got, strict=True)) == 1
    elif kind == "stall":
        assert got == sent and time.monotonic() - begun >= link.stall
    else:
        assert len(got) <= 300_000 and sent.startswith(got)
        assert reset or kind == "close"


@pytest.mark.parametrize("seed", range(8 * ROUNDS))
def test_upload_over_a_link_that_breaks(seed, service, home, files, happened):
    document, content = files
    bucket = service.make_bucket(f"link{seed}-{time.monotonic_ns()}")
    kinds = ["cut", "close", "stall", "flip", "flip"]  # only content can be flipped
    with Link(service.url, draw=chance(seed, kinds, span=LARGE)) as link:
        env = home | service.env | {"STORAGE_EMULATOR_HOST": link.url}
        for _ in range(ATTEMPTS):
            process = upload(env, bucket)
            stdout, stderr = process.communicate(document, timeout=120)
            check_live(service, bucket, content)
            if process.returncode == 0:
                break
            assert process.returncode in (REFUSED, UNAVAILABLE), stderr.decode()
            assert not stdout
        else:
            pytest.fail(f"it does not get through: {stderr.decode()}")
    there = in_bucket(service, bucket)
    assert {path: there[path] for path in content} == content
    assert json.loads(stdout)["stages"]["upload"]["objects"]
    happened("upload", kinds, link.faults)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_upload_that_is_killed(seed, service, home, files):
    document, content = files
    bucket = service.make_bucket(f"kill{seed}-{time.monotonic_ns()}")
    with Link(service.url) as link:
        env = home | service.env | {"STORAGE_EMULATOR_HOST": link.url}
        _, kills = killed(
            lambda: upload(env, bucket, "--limit-rate", str(RATE)), seed, document,
            then=lambda: check_live(service, bucket, content),
        )
        carried = link.carried[1]
    there = in_bucket(service, bucket)
    assert {path: there[path] for path in content} == content
    check_cost(content, kills, carried)


@pytest.fixture(scope="module", params=["MLflow 2", "MLflow 3", "Cloud Storage"])
def source(request, local, mlflow_server, service):
    """Where the model is fetched from: its URI, the service, what leads to it."""
    if request.param == "Cloud Storage":
        service.make_bucket("models")
        for path, data in content_of(local.directory).items():
            service.put("models", f"large/{path}", data)
        return "gs://models/large", service.url, "STORAGE_EMULATOR_HOST"
    server = mlflow_server(int(request.param[-1]))
    run = server.run_with(local.directory)
    return f"runs:/{run}/model", server.uri, "MLFLOW_TRACKING_URI"


def fetch(env, uri, directory):
    (directory / "work").mkdir(parents=True, exist_ok=True)
    env = env | {"tmp_dir": str(directory / "work"), "XDG_CACHE_HOME": str(directory / "cache")}
    return subprocess.Popen(
        [tool("mlf-fetch"), "--download", uri], env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )


def check_fetched(stdout, content):
    fetched = json.loads(stdout)["stages"]["fetch"]
    assert {file["path"] for file in fetched["files"]} == set(content)
    directory = Path(fetched["directory"])
    assert {path: (directory / path).read_bytes() for path in content} == content
    for file in fetched["files"]:
        assert file["sha256"] == hashlib.sha256(content[file["path"]]).hexdigest()


@pytest.mark.parametrize("seed", range(2 * ROUNDS))
def test_fetch_over_a_link_that_breaks(seed, source, home, local, tmp_path, happened):
    uri, url, variable = source
    # Only Cloud Storage says what the content is to be.
    kinds = ["cut", "close", "stall"] + ["flip"] * 2 * (variable == "STORAGE_EMULATOR_HOST")
    with Link(url, draw=chance(seed, kinds, span=LARGE)) as link:
        for _ in range(ATTEMPTS):
            process = fetch(home | {variable: link.url}, uri, tmp_path)
            stdout, stderr = process.communicate(timeout=120)
            if process.returncode == 0:
                break
            assert process.returncode in (FAILED, REFUSED, UNAVAILABLE), stderr.decode()
            assert not stdout
        else:
            pytest.fail(f"it does not get through: {stderr.decode()}")
    check_fetched(stdout, content_of(local.directory))
    happened(f"fetch from {url}", kinds, link.faults)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_fetch_that_is_killed(seed, source, home, local, tmp_path):
    uri, url, variable = source
    with Link(url, rate=RATE) as link:
        stdout, kills = killed(lambda: fetch(home | {variable: link.url}, uri, tmp_path), seed)
        carried = link.carried[0]
    content = content_of(local.directory)
    check_fetched(stdout, content)
    check_cost(content, kills, carried)
