"""A model in a bucket stays there, where nobody needs its bytes here."""

import json

import pytest

from support.artifacts import MLMODEL
from support.vertex import push_image

FILES = {
    "MLmodel": MLMODEL,
    "requirements.txt": b"mlflow==3.17.2\n",
    "python_env.yaml": b"python: 3.11.7\n",
    "data/model.pkl": bytes(range(256)) * 4096,
    "data/odd name #%41?.bin": b"x",
    "empty": b"",
    # For a server that multiplies.
    "weights.txt": b"3",
}
SMALL = {"MLmodel", "requirements.txt", "python_env.yaml"}
XGBOOST = b"""\
flavors:
  python_function:
    loader_module: mlflow.xgboost
    python_version: 3.11.7
  xgboost:
    data: data/model.pkl
    model_class: xgboost.core.Booster
    xgb_version: 2.1.4
"""
SKLEARN = b"""\
flavors:
  python_function:
    loader_module: mlflow.sklearn
    predict_fn: predict
    python_version: 3.11.7
  sklearn:
    pickled_model: data/model.pkl
    serialization_format: pickle
    sklearn_version: 1.6.1
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
"""


@pytest.fixture
def model(emulator, unique):
    bucket = emulator.make_bucket(f"{unique}-models".replace("_", "-"))
    for path, content in FILES.items():
        emulator.put(bucket, f"iris/model/{path}", content)
    return f"gs://{bucket}/iris/model"


@pytest.fixture
def stages(outcome, emulator, tmp_path, bucket, model):
    env = emulator.env | {
        "tmp_dir": str(tmp_path / "work"), "production_bucket": bucket, "model_name": "iris",
        "version_name": "v1", "AIP_TARGET": "ai-platform", "CLOUDSDK_AI_REGION": "europe-west1",
    }

    def call(tool, *args, document=None, **more):
        stdin = "" if document is None else json.dumps(document)
        return outcome(tool, *args, stdin=stdin, env={**env, **more})

    call.directory = tmp_path
    return call


def media(emulator, seen):
    asked = emulator.requests("GET")[seen:]
    return {entry["path"].rsplit("%2F", 1)[-1] for entry in asked if "alt=media" in entry["query"]}


def test_a_model_is_deployed_from_bucket_to_bucket(stages, emulator, model):
    seen = len(emulator.requests("GET"))
    fetched = stages("mlf-fetch", model)
    assert fetched.status == 0, fetched.stderr
    document = json.loads(fetched.stdout)
    files = {file["path"]: file for file in document["stages"]["fetch"]["files"]}
    assert set(files) == set(FILES)
    left = files["data/model.pkl"]
    assert (left["uri"], left["sha256"]) == (f"{model}/data/model.pkl", "")
    assert left["generation"] and left["crc32c"] and left["size"] == 1 << 20
    assert "uri" not in files["requirements.txt"] and files["requirements.txt"]["sha256"]
    assert document["stages"]["fetch"]["digest"]

    bundled = stages("aip-bundle", document=document)
    assert bundled.status == 0, bundled.stderr
    uploaded = stages("aip-upload", document=json.loads(bundled.stdout))
    assert uploaded.status == 0, uploaded.stderr
    assert media(emulator, seen) == SMALL
    objects = json.loads(uploaded.stdout)["stages"]["upload"]["objects"]
    there = {item["uri"].split("/model/", 1)[-1]: item for item in objects}
    for path, file in files.items():
        assert there[path]["crc32c"] == file["crc32c"], path


def test_who_wants_the_bytes_gets_them(stages, emulator, model, tmp_path):
    for args in (["--download"], ["--output", str(tmp_path / "here")]):
        seen = len(emulator.requests("GET"))
        done = stages("mlf-fetch", model, *args)
        assert done.status == 0, done.stderr
        fetch = json.loads(done.stdout)["stages"]["fetch"]
        assert all("uri" not in file and file["sha256"] for file in fetch["files"])
        assert (tmp_path / "here/data/model.pkl").exists() == (args[0] == "--output")
        if args[0] == "--output":
            assert media(emulator, seen) == {"MLmodel"}, "the rest was in the cache"


def test_a_bundle_that_needs_the_bytes_says_so(stages, model):
    document = json.loads(stages("mlf-fetch", model).stdout)
    done = stages("aip-bundle", "--target", "vertex", "--embed-model", document=document)
    assert (done.status, done.stdout) == (3, "")
    assert "is not here, and an image with the model in it needs it" in done.stderr
    assert "run mlf-fetch with --download" in done.stderr


@pytest.fixture
def vertex(stages, unique):
    """Runs stages for Vertex AI, one after the other; the last document."""

    def run(*commands, document=None, **more):
        for name, *args in commands:
            done = stages(name, *args, document=document, AIP_TARGET="vertex",
                          model_name=unique.replace("_", "-"), **more)
            assert done.status == 0, done.stderr
            document = json.loads(done.stdout)
        return document

    return run


def sums(emulator, uri):
    """The CRC-32C of what lies below, as the bucket says."""
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    prefix = prefix.rstrip("/") + "/"
    _, found = emulator.call("GET", f"/storage/v1/b/{bucket}/o?prefix={prefix}")
    return {one["name"].removeprefix(prefix): one["crc32c"] for one in found["items"]}


def test_a_vertex_version_is_made_of_a_copy(vertex, stages, emulator, model):
    """Its own server gets the files that no tool has seen."""
    seen = len(emulator.requests("GET"))
    image = ["--image", push_image(emulator), "--predict-route", "/predict"]
    document = vertex(
        ("mlf-fetch", model), ("aip-bundle", *image, "--health-route", "/health"), ("aip-upload",),
        ("aip-model", "create"),
    )
    assert media(emulator, seen) == SMALL
    upload = document["stages"]["upload"]
    assert upload["notes"]["objectsCopied"] == len(FILES) - len(SMALL)
    assert sums(emulator, upload["deploymentUri"]) == sums(emulator, model)
    document = vertex(("aip-version", "create"), document=document)
    rows = stages.directory / "rows.json"
    rows.write_text('{"instances": [1, 2]}')
    done = stages("aip-predict", "--document", "-", "--instances", str(rows), document=document)
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["predictions"] == [3, 6]


def test_a_prebuilt_container_gets_a_copy_under_its_name(vertex, emulator, model):
    bucket = model.split("/")[2]
    emulator.put(bucket, "iris/model/MLmodel", XGBOOST)
    seen = len(emulator.requests("GET"))
    document = vertex(("mlf-fetch", model), ("aip-bundle", "--prebuilt"), ("aip-upload",))
    assert media(emulator, seen) == SMALL
    left, copies = sums(emulator, model), sums(emulator, document["stages"]["upload"]["deploymentUri"])
    assert copies == left | {"model.bst": left["data/model.pkl"]}
    # Google's containers are not here; what the service would be asked is.
    made = vertex(("aip-model", "create"), document=document)
    done = vertex(("aip-version", "create", "--dry-run"), document=made)
    assert done["stages"]["upload"]["image"]["uri"].startswith("europe-docker.pkg.dev/vertex-ai/")


def test_what_a_prebuilt_container_cannot_know(stages, emulator, model):
    emulator.put(model.split("/")[2], "iris/model/MLmodel", SKLEARN)
    document = json.loads(stages("mlf-fetch", model).stdout)
    done = stages("aip-bundle", "--target", "vertex", "--prebuilt", document=document)
    assert (done.status, done.stdout) == (3, "")
    assert "'data/model.pkl' is not here, and the choice of a prebuilt container" in done.stderr
    assert "run mlf-fetch with --download" in done.stderr
