"""A model that is here already, at servers of both majors: no byte of its files
comes again."""

import random
import time

import pytest

from support.artifacts import MLMODEL
from support.between import Between
from support.fetched import fetched
from support.named_models import digests

FILES = 500


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    (directory / "MLmodel").write_bytes(MLMODEL)
    (directory / "data").mkdir()
    numbers = random.Random(8)
    for number in range(FILES):
        (directory / f"data/{number:03}").write_bytes(numbers.randbytes(500))
    return directory


@pytest.fixture(scope="module", params=[2, 3])
def logged(request, mlflow_server, model):
    server = mlflow_server(request.param)
    said = server.run("logged_directory.py", model)
    # A file as new as the answer that brings it passes for a copy made for that.
    time.sleep(2)
    with Between(server.uri) as between:
        yield between, said


@pytest.fixture
def fetch(logged, outcome, tmp_path):
    between, _ = logged
    env = {"MLFLOW_TRACKING_URI": between.url, "tmp_dir": str(tmp_path / "work"),
           "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(uri, *args):
        between.requests.clear()
        between.connections = 0
        return fetched(outcome("mlf-fetch", uri, *args, env=env))[1]

    return run


def of_files(between):
    """What was asked of the model's files, MLmodel apart: it says which model it is."""
    return [it for it in between.requests if "data%2F" in it.path or "/data/" in it.path]


def test_each_file_of_a_run_is_confirmed_by_one_small_answer(logged, fetch, model, tmp_path):
    between, said = logged
    uri = f"runs:/{said['run']}/model"
    assert fetch(uri) == digests(model)
    # Here already; then elsewhere, out of the cache.
    for args in ((), ("--output", str(tmp_path / "elsewhere"))):
        assert fetch(uri, *args) == digests(model)
        asked = of_files(between)
        assert len(asked) == FILES
        assert {(it.status, it.sent) for it in asked} <= {(304, 0), (206, 1)}
        assert between.connections <= 16, "connections are used again"


def test_a_logged_model_is_not_asked_about(logged, fetch, model):
    between, said = logged
    if "model" not in said:
        pytest.skip("MLflow 2 has none")
    uri = f"models:/{said['model']}"
    assert fetch(uri) == digests(model)
    assert fetch(uri) == digests(model)
    assert not of_files(between) and len(between.requests) < 6
