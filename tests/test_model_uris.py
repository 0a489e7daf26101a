"""Every name of a model, at servers of both MLflows: the files are MLflow's own."""

import json
import subprocess

import pytest

from support.fetched import fetched
from support.places import TESTS, python


@pytest.fixture(scope="module", params=[2, 3])
def named(request, mlflow_server, env):
    """A server, and what its own MLflow downloads from it, by URI."""
    server = mlflow_server(request.param)
    done = subprocess.run(
        [python(server.major), TESTS / "support/named_models.py", server.uri],
        env=env, cwd=server.directory, capture_output=True, timeout=300, check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return server, json.loads(done.stdout)


@pytest.fixture
def fetch(named, outcome, tmp_path):
    env = {"MLFLOW_TRACKING_URI": named[0].uri, "tmp_dir": str(tmp_path / "work")}

    def call(*args):
        return outcome("mlf-fetch", "--no-cache", *args, env=env)

    return call


def test_names(named, fetch):
    for uri, files in named[1]["files"].items():
        assert fetched(fetch(uri))[1] == files, uri


def test_places(named, fetch):
    """What a name came to, and the same as a URL of the proxy."""
    server, said = named
    uri = f"runs:/{said['run']}/model"
    record, files = fetched(fetch(uri))
    place = record["artifactUri"]
    host, path = server.uri.removeprefix("http://"), place.removeprefix("mlflow-artifacts:/")
    for again in (
        record["modelUri"],
        place,
        f"mlflow-artifacts://{host}/{path}",
        f"{server.uri}/api/2.0/mlflow-artifacts/artifacts/{path}",
    ):
        assert fetched(fetch(again))[1] == files == said["files"][uri], again


def test_a_bare_run(named, fetch):
    server, said = named
    assert fetched(fetch(said["run"]))[1] == said["files"][f"runs:/{said['run']}/model"]
    done = fetch(said["twice"])
    if server.major == 3:
        assert done.status == 2 and done.stderr.count("mlf-fetch models:/m-") == 2, done.stderr
        done = fetch(f"runs:/{said['twice']}/model")
        assert "2 models named 'model'; took the last one" in done.stdout
    fetched(done)


def test_below_a_name(named, fetch):
    done = fetch("models:/my model/1/MLmodel")
    assert done.status == 4 and "is a file, not a model's directory" in done.stderr, done.stderr
    done = fetch(f"runs:/{named[1]['run']}/notes")
    assert done.status == 4 and "it holds 'readme.txt'" in done.stderr, done.stderr


def test_what_is_not_there(fetch):
    for uri, said, hint in [
        ("models:/my model@CHAMPION", "has no alias 'CHAMPION'", "'champion' (version 1)"),
        ("models:/my model/99", "has no version 99", "its versions: 3, 2, 1"),
        ("models:/my model/Archived", "no version in stage 'Archived'", "its versions: 3, 2, 1"),
        ("models:/my model/nowhere", "no version in stage 'nowhere'", "its versions: 3, 2, 1"),
        ("models:/your model/1", "'your model' does not exist at", "'my model'"),
    ]:
        done = fetch(uri)
        assert done.status == 4 and said in done.stderr and hint in done.stderr, done.stderr
