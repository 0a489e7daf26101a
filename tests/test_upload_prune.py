"""aip-upload prune: what no version uses goes, and nothing else."""

import json

import pytest

from support.pipeline import Pipeline


@pytest.fixture
def pruning(outcome, own_emulator, local):
    bucket = own_emulator.make_bucket("models")
    pipeline = Pipeline(outcome, own_emulator.env | local.env(bucket, "iris"))
    pipeline.run(last="upload")
    return pipeline


def names(emulator):
    _, found = emulator.call("GET", "/storage/v1/b/models/o")
    return {item["name"] for item in found.get("items", [])}


def put(emulator, name):
    path = f"/upload/storage/v1/b/models/o?uploadType=media&name={name}"
    assert emulator.call("POST", path, "x", {"Content-Type": "text/plain"})[0] == 200


def prune(pipeline, *args):
    done = pipeline.outcome(
        "aip-upload", "prune", "--document", "-", *args,
        stdin=pipeline.documents["upload"], env=pipeline.env, timeout=120,
    )
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_unused_goes_when_asked_to(pruning, own_emulator):
    before = names(own_emulator)
    assert prune(pruning)["kept"] == [{"uri": "gs://models/route/v1/", "reason": "too young"}]
    [unused] = prune(pruning, "--min-age", "0s")["unused"]
    assert unused["uri"] == "gs://models/route/v1/" and unused["objects"] == len(before)
    assert prune(pruning, "--min-age", "0s", "--delete", "--dry-run")["deleted"] is False
    assert names(own_emulator) == before, "nothing goes without --delete"
    assert prune(pruning, "--min-age", "0s", "--delete")["objectsDeleted"] == len(before)
    assert names(own_emulator) == set()


def test_what_is_not_ours_stays(pruning, own_emulator):
    others = {"route/v1/notes.txt", "route/readme", "other/v1/model/x", "route2/v1/model/x"}
    leftovers = {"route/v1/.parts/k/00", "route/v0/model/x"}
    for name in others | leftovers:
        put(own_emulator, name)
    found = prune(pruning, "--min-age", "0s", "--delete")
    assert found["others"] == 2
    assert names(own_emulator) == others


@pytest.mark.parametrize(
    "model",
    [
        {"artifactUri": "gs://models/route/v1/model"},
        {"containerSpec": {"imageUri": "x/y", "args": ["--from=gs://models/route/v1/model/"]}},
    ],
    ids=["artifacts", "arguments"],
)
def test_what_a_vertex_version_names_stays(pruning, own_emulator, model):
    put(own_emulator, "route/v1/.parts/k/00")
    put(own_emulator, "route/v0/model/x")
    body = {"model": {"displayName": "m", "containerSpec": {"imageUri": "x/y"}} | model}
    path = "/v1/projects/emulator/locations/us-central1/models:upload"
    status, answer = own_emulator.call("POST", path, body)
    assert status == 200, answer
    before = names(own_emulator)
    found = prune(pruning, "--min-age", "0s", "--delete")
    assert {"uri": "gs://models/route/v1/", "reason": "used by a version"} in found["kept"]
    assert before - names(own_emulator) == {"route/v1/.parts/k/00", "route/v0/model/x"}


def test_what_an_ai_platform_version_names_stays(pruning, own_emulator):
    pruning.env["AIP_TARGET"] = "ai-platform"
    pruning.run()
    before = names(own_emulator)
    for target in ("ai-platform", "vertex"):
        assert not prune(pruning, "--min-age", "0s", "--delete", "--target", target)["unused"]
    assert names(own_emulator) == before


def test_a_service_that_cannot_be_asked(pruning, own_emulator, outcome):
    body = {"everyone": True, "instructions": {"ml.projects.models.list": ["return-403"]}}
    own_emulator.call("POST", "/retry_test", body)
    before = names(own_emulator)
    done = outcome(
        "aip-upload", "prune", "--document", "-", "--min-age", "0s", "--delete",
        stdin=pruning.documents["upload"], env=pruning.env,
    )
    assert (done.status, done.stdout) == (4, "") and names(own_emulator) == before


def test_a_bucket_alone_is_no_route(pruning, outcome):
    done = outcome("aip-upload", "prune", "--project", "p", "--bucket", "models", "--route", "/",
                   env=pruning.env)
    assert (done.status, done.stdout) == (2, "")
