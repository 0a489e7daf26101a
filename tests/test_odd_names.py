"""Files of every name that people came up with, by each way that leads to them:
the right bytes, or why there are none."""

import json

import pytest

from support.artifacts import MLMODEL
from support.fetched import fetched
from support.named_models import digests
from support.places import tool
from support.small_disk import SmallDisk

SERVED = [
    "a space", " before and after ", "plus+plus", "and&and", "question?q=1", "equals=x", "at@at",
    "colon:colon", "semi;colon", "comma,comma", "quote's", 'double"quote', "[brackets]", "{braces}",
    "back\\slash", "tilde~", "..dots", "trailing..", ".hidden", "-dash", "$(dollar)!*|<>^`",
    "é-日本-😀", "e\u0301", "100%", "percent%zz",
]
# Servers take what follows for an end, or decode it once too often.
UNSERVED = ["hash#frag", "percent%41", "percent%2Fslash"]


def write(directory, names):
    """A model; each of its files has other content."""
    (directory / "odd é+&").mkdir(parents=True)
    (directory / "MLmodel").write_bytes(MLMODEL)
    for name in names:
        (directory / "odd é+&" / f"{name}.txt").write_text(f"in {name}")
    return directory


@pytest.fixture(scope="module", params=[2, 3])
def server(request, mlflow_server):
    return mlflow_server(request.param)


@pytest.fixture
def fetch(outcome, tmp_path):
    def call(*args):
        return outcome("mlf-fetch", "--no-cache", *args, env={"tmp_dir": str(tmp_path / "work")})

    return call


def test_files_of_this_machine(server, fetch, tmp_path):
    """Given, recorded at a server, and recorded in a store."""
    model = write(tmp_path / "model", SERVED + UNSERVED)
    seen, kept = server.run_with(model, tmp_path / "root"), server.run_with(model)
    store = f"sqlite:///{server.directory}/mlflow.db"
    for ways in (
        [str(model)], [model.as_uri()],
        [f"runs:/{seen}/model", "--tracking-uri", server.uri],
        [f"runs:/{seen}/model", "--tracking-uri", store],
        [f"runs:/{kept}/model", "--tracking-uri", store],
    ):
        assert fetched(fetch(*ways))[1] == digests(model), ways


def test_files_of_a_server(server, fetch, tmp_path):
    model = write(tmp_path / "model", SERVED)
    run = server.run_with(model)
    for uri in (f"runs:/{run}/model", f"mlflow-artifacts:/0/{run}/artifacts/model"):
        record, files = fetched(fetch(uri, "--tracking-uri", server.uri))
        assert files == digests(model)
        assert record["notes"]["readFrom"] == "the tracking server"


def test_files_that_only_the_server_sees(server, env, tmp_path):
    """Its directory is empty for who is in a container of his own."""
    model = write(tmp_path / "model", SERVED)
    container = SmallDisk(tmp_path / "root", 1)
    try:
        run = server.run_with(model, tmp_path / "root")
        done = container.run(
            tool("mlf-fetch"), f"runs:/{run}/model", "--no-cache", "--output", tmp_path / "out",
            env=env | {"MLFLOW_TRACKING_URI": server.uri},
        )
    finally:
        container.end()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stages"]["fetch"]["notes"]["readFrom"] == "the tracking server"
    assert digests(tmp_path / "out") == digests(model)


@pytest.mark.parametrize("name", UNSERVED)
def test_what_a_server_cannot_send(name, server, fetch, tmp_path):
    run = server.run_with(write(tmp_path / "model", [name]))
    done = fetch(f"runs:/{run}/model", "--tracking-uri", server.uri)
    assert (done.status, done.stdout) == (4, ""), done.stderr
    assert f"mlf-fetch: error: cannot download 'odd é+&/{name}.txt'" in done.stderr
    assert "MLflow's servers cannot serve names with '#' or '%'" in done.stderr
    assert "run it again" not in done.stderr


def test_another_directory_is_not_taken_for_it(server, fetch, tmp_path):
    """Nor is one left out that the server would take for another."""
    model = write(tmp_path / "model", ["a"])
    (model / "data/part%41").mkdir(parents=True)
    (model / "data/part%41/x").write_text("x")
    run = server.run_with(model)
    done = fetch(f"runs:/{run}/model", "--tracking-uri", server.uri)
    assert (done.status, done.stdout) == (4, ""), done.text()
    assert "MLflow's servers cannot serve names with '#' or '%'" in done.stderr


def test_another_file_is_not_taken_for_it(server, fetch, tmp_path):
    """What a name would be decoded to is there too, and as large."""
    model = write(tmp_path / "model", ["percent%41", "percentA"])
    (model / "odd é+&/percentA.txt").write_text("in percent%42")
    run = server.run_with(model)
    done = fetch(f"runs:/{run}/model", "--tracking-uri", server.uri)
    assert (done.status, done.stdout) == (4, ""), done.text()
