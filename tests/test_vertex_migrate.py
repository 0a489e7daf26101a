"""What AI Platform serves, brought to Vertex AI: from the document of its
deployment, and from the record that the service has of it."""

import json
import shutil

import pytest

from support.pipeline import Pipeline

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def old(local, emulator, bucket, outcome, unique):
    """A model on AI Platform, and the last document about it."""
    host = emulator.url.removeprefix("http://")
    env = emulator.env | local.env(bucket, unique[:30].strip("_")) | {
        "version_name": "v_1",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{emulator.url}/",
        "AIP_IMAGE_REPOSITORY": f"{host}/emulator/models",
        "AIP_BASE_IMAGE": f"{host}/library/python:{{python}}-slim",
    }
    pipeline = Pipeline(outcome, env)
    pipeline.run(flags={
        "bundle": ["--target", "ai-platform"],
        "version": ["--machine-type", "mls1-c4-m2", "--nodes", "2", "--label", "team=a", "--description", "doubles"],
    })
    assert pipeline.predict({"instances": [[1], [2.5]]})["predictions"] == [2.0, 5.0]
    pipeline.old = pipeline.documents["version"]
    # From here on, all is in the documents.
    keep = ("CLOUDSDK", "STORAGE", "GOOGLE", "AIP", "tmp_dir")
    for name in [name for name in env if not name.startswith(keep)]:
        del pipeline.env[name]
    return pipeline


def migrated(pipeline, given, *args):
    done = pipeline.outcome(
        "aip-version", "create", "--target", "vertex", *args, stdin=given, env=pipeline.env, timeout=500
    )
    assert done.status == 0, done.stderr
    assert "version 'v_1' is called 'v-1' on Vertex AI" in done.stderr
    document = json.loads(done.stdout)
    stage = document["stages"]["version"]
    assert stage["name"].startswith("projects/emulator/locations/us-central1/models/")
    assert (stage["state"], stage["traffic"]) == ("READY", 100)
    pipeline.documents["version"] = done.stdout
    assert pipeline.predict({"instances": [[1], [2.5]]})["predictions"] == [2.0, 5.0]
    deployed = document["spec"]["vertex"]["deployedModel"]["dedicatedResources"]
    assert deployed["machineSpec"]["machineType"] == "n1-standard-4"
    assert (deployed["minReplicaCount"], deployed["maxReplicaCount"]) == (2, 2)
    assert document["spec"]["vertex"]["model"]["labels"] == {"team": "a"}
    assert document["spec"]["vertex"]["model"]["versionDescription"] == "doubles"
    return document


def test_a_document_goes_on_to_vertex(old):
    first = migrated(old, old.old)
    assert first["stages"]["version"]["created"]
    again = migrated(old, old.old)
    assert not again["stages"]["version"]["created"]


def test_a_document_whose_files_are_gone(old, local):
    shutil.rmtree(local.directory)
    shutil.rmtree(local.directory.parent / "kept")
    document = migrated(old, old.old)
    before = json.loads(old.old)["stages"]["fetch"]
    now = document["stages"]["fetch"]
    assert content(now) == content(before)
    assert now["lineage"] == before["lineage"]


def content(fetch):
    """Whether the files came, or stay in their bucket."""
    return {file["path"]: (file["size"], file["crc32c"]) for file in fetch["files"]}


def test_a_record_of_the_service_is_enough(old, local):
    names = ["--document", "-"]
    record = old.outcome("aip-version", "get", *names, stdin=old.old, env=old.env)
    assert record.status == 0, record.stderr
    refused = old.outcome("aip-version", "create", stdin=record.stdout, env=old.env)
    assert refused.status == 3 and "--target vertex" in refused.stderr
    shutil.rmtree(local.directory)
    local.predictor.unlink()
    document = migrated(old, record.stdout)
    assert document["spec"]["predictionScript"].endswith("predictor.py")
    assert document["stages"]["fetch"]["lineage"]["runId"] == "fedcba9876543210fedcba9876543210"
    # The old version still serves, and what it was made of is untouched.
    old.documents["version"] = old.old
    assert old.predict({"instances": [[3]]})["predictions"] == [6.0]


def test_a_dry_migration_changes_nothing(old, emulator):
    before = len(emulator.requests())
    done = old.outcome(
        "aip-version", "create", "--target", "vertex", "--dry-run", stdin=old.old, env=old.env
    )
    assert done.status == 0, done.stderr
    assert "models:upload" in done.stderr and ":deployModel" in done.stderr
    assert all(entry["method"] in ("GET", "HEAD") for entry in emulator.requests()[before:])


def test_a_stage_that_fails_ends_it(old):
    document = json.loads(old.old)
    document["stages"]["upload"]["deploymentUri"] = "gs://nowhere/at/all/"
    document["stages"]["fetch"]["directory"] = "/nonexistent"
    done = old.outcome("aip-version", "create", "--target", "vertex", stdin=document, env=old.env)
    assert done.status == 4 and done.stdout == ""
    assert "mlf-fetch: error" in done.stderr
    assert "caused by: mlf-fetch ended with exit status: 4" in done.stderr
