"""Disks that are full: it is said where, nothing half done is taken for whole,
and once there is room it goes on."""

import json
import os
import random

import pytest

from support.artifacts import ArtifactServer
from support.named_models import digests
from support.places import tool
from support.small_disk import SmallDisk

LARGE = 12 << 20


@pytest.fixture(scope="module")
def server():
    numbers = random.Random(11)
    files = {f"data/{i:02}": numbers.randbytes(4096) for i in range(20)}
    server = ArtifactServer(files | {"large.bin": numbers.randbytes(LARGE)})
    yield server
    server.close()


@pytest.fixture
def disk(tmp_path):
    """8 MiB."""
    disk = SmallDisk(tmp_path / "disk", 8)
    yield disk
    disk.end()


@pytest.fixture
def fetch(server, disk, env, tmp_path):
    def run(output, cache):
        places = {"MLFLOW_TRACKING_URI": server.url, "XDG_CACHE_HOME": str(cache)}
        return disk.run(tool("mlf-fetch"), server.run_id, "--output", output, env=env | places)

    return run


def refused(done, tool, place):
    """Said once, with the place and the reason, and nothing on stdout."""
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert f"{tool}: error: cannot " in done.stderr and place in done.stderr, done.stderr
    assert done.stderr.count("No space left on device") == 1, done.stderr
    assert "hint: make room there" in done.stderr, done.stderr


def whole(done, directory, server):
    assert done.returncode == 0, done.stderr
    listed = {it["path"]: it["sha256"] for it in json.loads(done.stdout)["stages"]["fetch"]["files"]}
    assert digests(directory) == listed
    for path, content in server.files.items():
        assert (directory / path).read_bytes() == content


def test_a_fetch_goes_on_once_there_is_room(disk, fetch, server, tmp_path):
    done = fetch(disk.path / "model", tmp_path / "cache")
    refused(done, "mlf-fetch", f"{disk.path}/.model.")
    assert "hint: run it again: it goes on with what has come so far" in done.stderr
    (left,) = os.listdir(disk.seen)
    assert left.startswith(".model.") and left.endswith(".partial"), "no directory of the model's"
    before = server.sent
    disk.grow(32)
    whole(fetch(disk.path / "model", tmp_path / "cache"), disk.seen / "model", server)
    assert sorted(os.listdir(disk.seen)) == [".model.fetched.json", "model"]
    assert server.sent - before < LARGE - (4 << 20), "it began anew"


def test_not_a_byte_of_room(disk, fetch, server, tmp_path):
    """Neither for the note of what comes, nor for the record of what came."""
    disk.run("dd", "if=/dev/zero", f"of={disk.path}/other", "bs=4k")
    refused(fetch(disk.path / "model", tmp_path / "cache"), "mlf-fetch", str(disk.path))
    assert os.listdir(disk.seen) == ["other"]


@pytest.mark.parametrize("other", [100, 128], ids=["some", "none"])
def test_a_cache_without_room_is_no_cache(other, disk, fetch, server, tmp_path):
    """The model is whole, and what the cache could not take leaves no trace."""
    cache = disk.path / "cache"
    disk.run("dd", "if=/dev/zero", f"of={disk.path}/other", "bs=64k", f"count={other}")
    whole(fetch(tmp_path / "model", cache), tmp_path / "model", server)
    kept = [path for path in (disk.seen / "cache").rglob("*") if path.is_file()]
    assert bool(kept) == (other < 128)
    assert not [path for path in kept if path.name.startswith(".new-")], kept
    # Whatever there is, it misleads nobody.
    whole(fetch(tmp_path / "again", cache), tmp_path / "again", server)


def test_a_bundle_is_whole_or_not_there(disk, fetch, env, tmp_path):
    disk.grow(32)
    document = fetch(disk.path / "model", tmp_path / "cache").stdout
    disk.run("dd", "if=/dev/zero", f"of={disk.path}/other", "bs=4k")
    there = sorted(os.listdir(disk.seen))
    settings = {"production_bucket": "acme", "model_name": "m", "version_name": "v1"}

    def bundle():
        return disk.run(
            tool("aip-bundle"), "--output", disk.path / "bundle", input=document, env=env | settings
        )

    refused(bundle(), "aip-bundle", str(disk.path))
    assert sorted(os.listdir(disk.seen)) == there
    disk.run("rm", disk.path / "other")
    done = bundle()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stages"]["bundle"] and (disk.seen / "bundle/bundle.json").exists()
