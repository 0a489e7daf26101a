"""MLflow 2 whose artifacts lie in S3, for which this machine has no login: all
of it comes by the server."""

import random

import pytest

from support.artifacts import MLMODEL
from support.fetched import fetched
from support.mlflow_server import MlflowServer
from support.named_models import digests

LARGE = 10 << 20


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    (directory / "data/deep").mkdir(parents=True)
    (directory / "MLmodel").write_bytes(MLMODEL)
    (directory / "data/large.bin").write_bytes(random.Random(4).randbytes(LARGE))
    (directory / "data/deep/a b+c&d.txt").write_text("small")
    (directory / "data/日本 é.txt").write_text("not ASCII")
    (directory / "empty").write_bytes(b"")
    return directory


@pytest.fixture(scope="module", params=["proxied", "direct"])
def stored(request, s3, session_dir, env, model):
    """A server, the URIs of a model there, and where the server leaves files."""
    directory = session_dir / f"remote-{request.param}"
    scratch = session_dir / f"remote-{request.param}-tmp"
    scratch.mkdir()
    server = MlflowServer(
        2, directory, env | s3.env | {"TMPDIR": str(scratch)},
        proxied=request.param == "proxied", root=s3.bucket(f"remote-{request.param}"),
    )
    try:
        said = server.run("logged_directory.py", model)
        yield server, [f"runs:/{said['run']}/model", f"models:/{said['version']}"], scratch
    finally:
        server.end()


@pytest.fixture
def fetch(stored, outcome, tmp_path):
    places = {"MLFLOW_TRACKING_URI": stored[0].uri, "tmp_dir": str(tmp_path / "work"),
              "XDG_CACHE_HOME": str(tmp_path / "cache")}
    return lambda uri: outcome("mlf-fetch", uri, env=places)


def test_all_of_it_comes_by_the_server(stored, fetch, s3, model):
    server, uris, scratch = stored
    before, seen = count(scratch), len(s3.seen)
    for uri in uris:
        record, files = fetched(fetch(uri))
        assert files == digests(model)
        assert record["notes"]["readFrom"] == "the tracking server"
    asked = s3.seen[seen:]
    assert asked and all("the-servers-own" in it.headers["authorization"] for it in asked)
    # /get-artifact of MLflow 2 forgets a copy for each of its answers. Where
    # the proxy serves the same files it is asked for what the proxy cannot
    # send, and for MLmodel, to see where files are. Where it is the only way,
    # the probe and the look at MLmodel come on top of the files, and nothing
    # is asked for only to be confirmed: empty files need no request.
    most = 2 if server.directory.name.endswith("proxied") else len(files) + 2
    assert count(scratch) - before <= most * len(uris)


def test_what_was_written_again_is_not_taken_for_known(stored, fetch, s3, model):
    server, uris, _ = stored
    old = fetched(fetch(uris[0]))[1]
    bucket = server.directory.name
    (key,) = (it["Key"] for it in s3.client.list_objects_v2(Bucket=bucket)["Contents"]
              if it["Key"].endswith("c&d.txt"))
    for content in (b"SMALL", b"small"):
        s3.client.put_object(Bucket=bucket, Key=key, Body=content)
        new = fetched(fetch(uris[0]))[1]
        assert (new == old) == (content == b"small")


def count(directory):
    return sum(path.is_file() for path in directory.rglob("*"))
