"""MLflow with a gs:// artifact store on the emulator, and mlf-fetch from it."""

import json
import subprocess

import pytest

from support.pipeline import Pipeline
from support.places import python
from test_pipeline import equal


@pytest.fixture(scope="module")
def stored(mlflow_server, emulator):
    """A model of MLflow 3 in a bucket."""
    emulator.make_bucket("mlflow")
    env = emulator.env | {"EXPERIMENT_ROOT": "gs://mlflow/experiment"}
    server = mlflow_server(3)
    return server.log("sklearn", env=env)["sklearn"] | {"tracking": server.uri}


def test_mlflow_itself_reads_what_it_wrote(stored, env, emulator, tmp_path):
    script = (
        "import json, sys, mlflow, pandas; m = mlflow.pyfunc.load_model(sys.argv[1]); "
        "rows = pandas.DataFrame(json.loads(sys.argv[2]), columns=m.metadata.signature.inputs"
        ".input_names()); json.dump(m.predict(rows).tolist(), sys.stdout)"
    )
    uri = f"runs:/{stored['run_id']}/model"
    done = subprocess.run(
        [python(3), "-c", script, uri, json.dumps(stored["request"]["instances"])],
        env=env | emulator.env | {"MLFLOW_TRACKING_URI": stored["tracking"]},
        cwd=tmp_path, stdout=subprocess.PIPE, timeout=120, check=True,
    )
    assert json.loads(done.stdout) == stored["predictions"]


def test_mlf_fetch_reads_it_from_the_bucket(stored, emulator, outcome, tmp_path):
    env = emulator.env | {"tracking_uri": stored["tracking"], "tmp_dir": str(tmp_path / "work")}
    seen = len(emulator.requests("GET"))
    # All of it, whatever an earlier test left in the cache.
    done = outcome("mlf-fetch", stored["run_id"], "--download", "--no-cache", env=env)
    assert done.status == 0, done.stderr
    fetched = json.loads(done.stdout)["stages"]["fetch"]
    assert fetched["artifactUri"].startswith("gs://mlflow/experiment/")
    assert fetched["notes"]["readFrom"] == "Cloud Storage"
    asked = emulator.requests("GET")[seen:]
    media = {entry["path"] for entry in asked if "alt=media" in entry["query"]}
    assert len(media) == len(fetched["files"])
    assert {file["path"] for file in fetched["files"]} >= {"MLmodel", "requirements.txt"}


@pytest.mark.timeout(600)
def test_vertex_serves_it_without_a_download(stored, emulator, bucket, unique, outcome, tmp_path):
    """The image has what the model needs, and not the model: a copy within the
    service is what the server gets."""
    env = emulator.env | {
        "AIP_TARGET": "vertex", "tracking_uri": stored["tracking"], "run_id": stored["run_id"],
        "tmp_dir": str(tmp_path / "work"), "production_bucket": bucket, "version_name": "v1",
        "model_name": unique.replace("_", "-"),
    }
    pipeline = Pipeline(outcome, env)
    seen = len(emulator.requests("GET"))
    document = pipeline.run(last="model")
    asked = emulator.requests("GET")[seen:]
    came = {one["path"].rsplit("%2F", 1)[-1] for one in asked if "alt=media" in one["query"]}
    files = {file["path"]: file for file in document["stages"]["fetch"]["files"]}
    left = {path for path, file in files.items() if "uri" in file}
    assert left and not came & left, "of those files no byte came"
    objects = document["stages"]["upload"]["objects"]
    there = {one["uri"].split("/model/", 1)[-1]: one["crc32c"] for one in objects}
    for path in left:
        assert there[path] == files[path]["crc32c"], path
    pipeline.run(first="version")
    assert equal(pipeline.predict(stored["request"])["predictions"], stored["predictions"])
