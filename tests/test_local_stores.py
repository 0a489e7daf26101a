"""mlf-fetch from stores of both MLflows that no server stands before."""

import json
import shutil
import sqlite3
import subprocess

import pytest

from support.fetched import fetched
from support.places import TESTS, python

STORES = [(2, "mlflow.db"), (2, "mlruns"), (3, "mlflow.db"), (3, "mlruns")]


@pytest.fixture(scope="module", params=STORES, ids=lambda store: f"{store[0]}-{store[1]}")
def store(request, tmp_path_factory, env):
    """A store where its MLflow put it: the directory, the name, what is in it."""
    major, name = request.param
    directory = tmp_path_factory.mktemp("store") / "project"
    directory.mkdir()
    uri = f"sqlite:///{name}" if name.endswith(".db") else f"./{name}"
    done = subprocess.run(
        [python(major), TESTS / "support/named_models.py", uri],
        env=env | {"MLFLOW_ALLOW_FILE_STORE": "true"},
        cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return directory, name, json.loads(done.stdout)


def uri(directory, name):
    path = directory / name
    return f"sqlite:///{path}" if name.endswith(".db") else path.as_uri()


@pytest.fixture
def fetch(outcome, tmp_path):
    def call(*args, **env):
        return outcome("mlf-fetch", *args, env={"tmp_dir": str(tmp_path / "work")} | env)

    return call


def test_the_same_files_as_mlflow_itself(store, fetch):
    directory, name, said = store
    for model, files in said["files"].items():
        assert fetched(fetch(model, "--tracking-uri", uri(directory, name)))[1] == files, model


def test_the_store_of_this_directory_needs_no_name(store, tmp_path, fetch):
    directory, name, said = store
    shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
    done = fetch("models:/my model/1")
    assert fetched(done)[1] == said["files"]["models:/my model/1"]
    tracking = json.loads(done.stdout)["spec"]["trackingUri"]
    assert tracking in (f"sqlite:///{tmp_path}/{name}", f"{tmp_path}/{name}")


def test_a_store_that_was_moved(store, tmp_path, fetch):
    directory, name, said = store
    moved, away = tmp_path / "elsewhere", directory.with_name("away")
    shutil.copytree(directory, moved)
    directory.rename(away)
    try:
        for model in (f"runs:/{said['run']}/model", "models:/my model/1", "models:/my model/3"):
            done = fetch(model, "--tracking-uri", uri(moved, name))
            assert str(moved) in json.loads(done.stdout)["stages"]["fetch"]["artifactUri"]
            assert set(fetched(done)[1]) >= {"MLmodel", "python_model.pkl", "requirements.txt"}
        shutil.rmtree(moved / "mlruns" / "1", ignore_errors=True)
        if name.endswith(".db"):
            done = fetch(f"runs:/{said['run']}/model", "--tracking-uri", uri(moved, name))
            assert done.status == 4 and "there is nothing at" in done.stderr, done.stderr
            assert "are not beside the store either; bring them along" in done.stderr
    finally:
        away.rename(directory)


def test_a_run_of_several_models(store, fetch):
    directory, name, said = store
    done = fetch(said["twice"], "--tracking-uri", uri(directory, name))
    if "models:/m-" in " ".join(said["files"]):
        assert done.status == 2 and done.stderr.count("mlf-fetch models:/m-") == 2, done.stderr
    else:
        fetched(done)  # MLflow 2 kept the last one alone.


def test_while_somebody_writes(store, fetch):
    directory, name, said = store
    if not name.endswith(".db"):
        pytest.skip("a file store has no transactions")
    writer = sqlite3.connect(directory / name, isolation_level=None)
    try:
        for mode in ("WAL", "DELETE"):
            writer.execute(f"PRAGMA journal_mode = {mode}")
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("DELETE FROM registered_model_aliases")
            done = fetch("models:/my model@champion", "--tracking-uri", uri(directory, name))
            assert fetched(done)[1] == said["files"]["models:/my model@champion"]
            writer.execute("ROLLBACK")
    finally:
        writer.close()


def test_a_store_behind_a_proxy_says_so(outcome, mlflow_server, fetch):
    """The database of a server whose artifacts only the server knows."""
    run = mlflow_server(3).log("bare")["bare"]["run_id"]
    database = mlflow_server(3).directory / "mlflow.db"
    done = fetch(f"runs:/{run}/model", "--tracking-uri", f"sqlite:///{database}")
    # The server's artifacts lie beside its database, and there they are found.
    assert fetched(done)
    elsewhere = outcome.directory / "mlflow.db"
    shutil.copy(database, elsewhere)
    done = fetch(f"runs:/{run}/model", "--tracking-uri", f"sqlite:///{elsewhere}")
    assert done.status == 2
    assert "which only a server can read" in done.stderr
    assert f"mlflow server --backend-store-uri 'sqlite:///{elsewhere}'" in done.stderr
