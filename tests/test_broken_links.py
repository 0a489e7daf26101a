"""Fetches and uploads over links that break where chance will have it, and
tools that are killed at any moment: in the end everything is there, and nothing
wrong was ever to be seen.

LINK_ROUNDS=300 makes more of them; a round is told by its seed.
"""

import json
import os
import random
import signal
import subprocess
import time
import urllib.parse

import pytest

from support.emulator import Emulator
from support.link import Link, chance
from support.local import LocalModel
from support.places import base_env, tool

ROUNDS = int(os.environ.get("LINK_ROUNDS", 12))
ATTEMPTS = 40
LARGE = (9 << 20) + 12345  # above the limit for one request
QUANTUM = 256 << 10
REFUSED, UNAVAILABLE = 4, 5


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
def files(place, home, service):
    """A bundle of a few small files and one large, and its document."""
    local = LocalModel(place)
    generator = random.Random(1)
    for name, size in {"large": LARGE, "middle": 700_001, "small": 5000, "none": 0}.items():
        (local.directory / f"{name}.bin").write_bytes(generator.randbytes(size))
    env = home | service.env | local.env("none", "iris")
    fetched = subprocess.run([tool("mlf-fetch")], env=env, stdout=subprocess.PIPE, check=True)
    bundled = subprocess.run(
        [tool("aip-bundle")], env=env, input=fetched.stdout, stdout=subprocess.PIPE, check=True
    )
    content = {
        str(path.relative_to(local.directory)): path.read_bytes()
        for path in local.directory.rglob("*") if path.is_file()
    }
    return bundled.stdout, content


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


def upload(env, bucket, document):
    return subprocess.Popen(
        [tool("aip-upload"), "--bucket", bucket], env=env, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ), document


def check_live(service, bucket, content):
    """What is there may be less than all; it is never wrong."""
    there = in_bucket(service, bucket)
    wrong = [path for path, data in there.items() if path and data != content.get(path)]
    assert not wrong
    return there


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_upload_over_a_link_that_breaks(seed, service, home, files):
    document, content = files
    bucket = service.make_bucket(f"link{seed}-{time.monotonic_ns()}")
    kinds = ["cut", "close", "flip", "stall"]
    with Link(service.url, draw=chance(seed, kinds, span=LARGE)) as link:
        env = home | service.env | {"STORAGE_EMULATOR_HOST": link.url}
        for _ in range(ATTEMPTS):
            process, given = upload(env, bucket, document)
            stdout, stderr = process.communicate(given, timeout=120)
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


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_upload_that_is_killed(seed, service, home, files):
    """Each kill costs a quantum of the large file, and what small ones were on
    their way."""
    document, content = files
    generator = random.Random(seed)
    bucket = service.make_bucket(f"kill{seed}-{time.monotonic_ns()}")
    kills = 0
    with Link(service.url) as link:
        env = home | service.env | {"STORAGE_EMULATOR_HOST": link.url}
        while True:
            process, given = upload(env, bucket, document)
            try:
                # Later each time, or a machine that is busy would never get through.
                patience = generator.uniform(0, 0.3) * (1 + kills / 8)
                stdout, stderr = process.communicate(given, timeout=patience)
                break
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                kills += 1
                check_live(service, bucket, content)
        carried = link.carried[1]
    assert process.returncode == 0, stderr.decode()
    there = in_bucket(service, bucket)
    assert {path: there[path] for path in content} == content
    size = sum(map(len, content.values()))
    small = size - LARGE + (64 << 10)  # with requests and headers
    assert carried <= size + (kills + 1) * (QUANTUM + small), f"{kills} kills"
