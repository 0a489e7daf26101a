"""What only MLflow 3 has: workspaces, and a check of what requests call the server."""

import pytest

from support.artifacts import MLMODEL
from support.fetched import fetched
from support.mlflow_server import MlflowServer
from support.named_models import digests

TEAM, OTHER, NAMED = "team-a", "team-b", "mlflow.test"
WORKSPACES = "MLFLOW_WORKSPACE names the workspace"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    (directory / "MLmodel").write_bytes(MLMODEL)
    (directory / "weights é.bin").write_bytes(bytes(range(256)))
    return directory


@pytest.fixture(scope="module")
def logged(session_dir, env, model):
    """A server of two workspaces, and what a model is called in one of them."""
    server = MlflowServer(
        3, session_dir / "workspaces", env,
        options=["--enable-workspaces", "--allowed-hosts", f"127.0.0.1:*,{NAMED}"],
    )
    try:
        for name in (TEAM, OTHER):
            server.call("workspaces", version="3.0", name=name)
        yield server, server.run("logged_directory.py", model, env={"MLFLOW_WORKSPACE": TEAM})
    finally:
        server.end()


@pytest.fixture
def uris(logged):
    said = logged[1]
    return [f"runs:/{said['run']}/model", f"models:/{said['model']}", f"models:/{said['version']}"]


@pytest.fixture
def fetch(logged, outcome, tmp_path):
    def call(uri, *args, **env):
        places = {"MLFLOW_TRACKING_URI": logged[0].uri, "tmp_dir": str(tmp_path / "work")}
        return outcome("mlf-fetch", uri, "--no-cache", *args, env=places | env)

    return call


def test_a_model_of_a_workspace(uris, fetch, model):
    for uri in uris:
        record, files = fetched(fetch(uri, MLFLOW_WORKSPACE=TEAM))
        assert files == digests(model)
        # What it came to is a name for it as well.
        assert record["artifactUri"].startswith(f"mlflow-artifacts:/workspaces/{TEAM}/")
        assert fetched(fetch(record["artifactUri"], MLFLOW_WORKSPACE=TEAM))[1] == files


@pytest.mark.parametrize("other", [{}, {"MLFLOW_WORKSPACE": OTHER}], ids=["none", "other"])
def test_another_workspace_has_it_not(other, uris, fetch):
    place = fetched(fetch(uris[0], MLFLOW_WORKSPACE=TEAM))[0]["artifactUri"]
    for uri in [*uris, place]:
        done = fetch(uri, **other)
        assert (done.status, done.stdout) == (4, ""), uri
        said = f"targets workspace '{TEAM}'" if uri == place else "does not exist at 'http://"
        assert said in done.stderr
    assert WORKSPACES in fetch(uris[0], **other).stderr


def test_a_server_without_workspaces(mlflow_server, uris, fetch):
    done = fetch(uris[0], "--tracking-uri", mlflow_server(3).uri, MLFLOW_WORKSPACE=TEAM)
    assert (done.status, done.stdout) == (4, "")
    assert ": 500 FEATURE_DISABLED: " in done.stderr
    assert "hint: unset MLFLOW_WORKSPACE, or start the server with --enable-workspaces" in done.stderr


def test_a_name_that_the_server_knows(uris, fetch, model):
    done = fetch(uris[0], "--header", f"Host: {NAMED}", MLFLOW_WORKSPACE=TEAM)
    assert fetched(done)[1] == digests(model)


def test_a_name_that_the_server_does_not_know(uris, fetch):
    """It says so before it looks at anything else, as does each of its routes."""
    for uri in (uris[0], "mlflow-artifacts:/1/x"):
        done = fetch(uri, "--header", "Host: other.test", MLFLOW_WORKSPACE=TEAM)
        assert (done.status, done.stdout) == (4, "")
        assert ": 403: Invalid Host header" in done.stderr
        assert "start it with --allowed-hosts 'other.test'" in done.stderr
