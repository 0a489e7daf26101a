"""A root in Cloud Storage that the tracking server can read and this machine cannot."""

from pathlib import Path

import pytest

from support.artifacts import MLMODEL
from support.fetched import fetched
from support.named_models import digests


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    (directory / "data").mkdir()
    (directory / "MLmodel").write_bytes(MLMODEL)
    (directory / "data/a b+c&d é.bin").write_bytes(bytes(range(256)) * 1024)
    (directory / "empty").write_bytes(b"")
    return directory


@pytest.fixture(scope="module", params=[2, 3])
def stored(request, mlflow_server, emulator, model):
    """A server that has a login for the bucket, and the model's URIs there."""
    server, bucket = mlflow_server(request.param), emulator.make_bucket("only-the-servers")
    root = f"gs://{bucket}/mlflow{request.param}"
    made = server.call("experiments/create", name=root, artifact_location=root)
    run = server.call("runs/create", experiment_id=made["experiment_id"])["run"]["info"]
    places = {f"runs:/{run['run_id']}/model": f"{run['artifact_uri']}/model"}
    if request.param == 3:
        made = server.call("logged-models", experiment_id=made["experiment_id"], name="model")
        made = made["model"]["info"]
        places[f"models:/{made['model_id']}"] = made["artifact_uri"]
    for place in places.values():
        for path in filter(Path.is_file, model.rglob("*")):
            name = f"{place}/{path.relative_to(model)}".removeprefix(f"gs://{bucket}/")
            emulator.put(bucket, name, path.read_bytes())
    return server, list(places)


@pytest.fixture
def fetch(stored, outcome, tmp_path):
    places = {"MLFLOW_TRACKING_URI": stored[0].uri, "tmp_dir": str(tmp_path / "work"),
              "AIP_MAX_RETRIES": "0"}

    def call(uri, storage, *args):
        return outcome("mlf-fetch", uri, "--no-cache", "--download", *args, env=places | storage)

    return call


@pytest.mark.parametrize("how", [401, 403, 404, 503, "closes"])
def test_the_server_reads_it(how, stored, fetch, faulty, model):
    service = faulty(how)
    for uri in stored[1]:
        done = fetch(uri, service.env() | {"MLFLOW_TRACKING_URI": stored[0].uri}, "-v")
        record, files = fetched(done)
        assert files == digests(model)
        assert record["notes"]["readFrom"] == "the tracking server"
        assert record["artifactUri"].startswith("gs://only-the-servers/mlflow")
        assert "cannot be read from here; the tracking server reads it" in done.stderr
    assert service.seen, "Cloud Storage comes first"


def test_who_can_read_it_does(stored, fetch, emulator, model):
    for uri in stored[1]:
        done = fetch(uri, emulator.env)
        record, files = fetched(done)
        assert files == digests(model)
        assert record["notes"]["readFrom"] == "Cloud Storage"
        assert "tracking server" not in done.stderr


def test_a_bucket_without_a_run_has_no_server(fetch, faulty):
    done = fetch("gs://only-the-servers/mlflow", {"STORAGE_EMULATOR_HOST": faulty(403).url})
    assert (done.status, done.stdout) == (4, "")
    assert "mlf-fetch: error: cannot list 'gs://only-the-servers/mlflow/'" in done.stderr
    assert ": 403 PERMISSION_DENIED: The caller does not have permission" in done.stderr
