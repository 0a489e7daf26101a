"""A model in a bucket stays there, where nobody needs its bytes here."""

import json
import urllib.parse
import urllib.request

import pytest

from support.artifacts import MLMODEL

FILES = {
    "MLmodel": MLMODEL,
    "requirements.txt": b"mlflow==3.17.2\n",
    "python_env.yaml": b"python: 3.11.7\n",
    "data/model.pkl": bytes(range(256)) * 4096,
    "data/odd name #%41?.bin": b"x",
    "empty": b"",
}


@pytest.fixture
def model(emulator, unique):
    bucket = emulator.make_bucket(f"{unique}-models".replace("_", "-"))
    for path, content in FILES.items():
        name = urllib.parse.quote(f"iris/model/{path}", safe="")
        request = urllib.request.Request(
            f"{emulator.url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}",
            content, method="POST",
        )
        urllib.request.urlopen(request, timeout=60).close()
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
    came = {name for name in media(emulator, seen)}
    assert came == {"MLmodel", "requirements.txt", "python_env.yaml"}
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
