"""aip-upload prune: what no version uses goes, and nothing else."""

import json

import pytest

from support.between import Between
from support.clock import Clock
from support.pipeline import Pipeline
from support.upload import until

# What is young would stay.
NOW = ("--min-age", "0s")


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


def outcome_of(pipeline, *args):
    done = pipeline.outcome(
        "aip-upload", "prune", "--document", "-", *args,
        stdin=pipeline.documents["upload"], env=pipeline.env, timeout=120,
    )
    assert done.status == 0, done.stderr
    return done


def prune(pipeline, *args):
    return json.loads(outcome_of(pipeline, *args).stdout)


def test_what_is_unused_goes_when_asked_to(pruning, own_emulator):
    before = names(own_emulator)
    assert prune(pruning)["kept"] == [{"uri": "gs://models/route/v1/", "reason": "too young"}]
    [unused] = prune(pruning, *NOW)["unused"]
    assert unused["uri"] == "gs://models/route/v1/" and unused["objects"] == len(before)
    assert prune(pruning, *NOW, "--delete", "--dry-run")["deleted"] is False
    assert names(own_emulator) == before, "nothing goes without --delete"
    assert prune(pruning, *NOW, "--delete")["objectsDeleted"] == len(before)
    assert names(own_emulator) == set()


def test_what_is_not_ours_stays(pruning, own_emulator):
    others = {"route/v1/notes.txt", "route/readme", "other/v1/model/x", "route2/v1/model/x"}
    leftovers = {"route/v1/.parts/k/00", "route/v0/model/x"}
    for name in others | leftovers:
        put(own_emulator, name)
    found = prune(pruning, *NOW, "--delete")
    assert found["others"] == 2
    assert names(own_emulator) == others


def add_version(emulator, model, region="us-central1"):
    body = {"model": {"displayName": "m", "containerSpec": {"imageUri": "x/y"}} | model}
    path = f"/v1/projects/emulator/locations/{region}/models:upload"
    status, answer = emulator.call("POST", path, body)
    assert status == 200, answer
    until(lambda: emulator.call("GET", f"/v1/{answer['name']}")[1].get("done"))


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
    add_version(own_emulator, model)
    before = names(own_emulator)
    found = prune(pruning, *NOW, "--delete")
    assert {"uri": "gs://models/route/v1/", "reason": "used by a version"} in found["kept"]
    assert before - names(own_emulator) == {"route/v1/.parts/k/00", "route/v0/model/x"}


def test_what_an_ai_platform_version_names_stays(pruning, own_emulator):
    pruning.env["AIP_TARGET"] = "ai-platform"
    pruning.run()
    before = names(own_emulator)
    for target in ("ai-platform", "vertex"):
        assert not prune(pruning, *NOW, "--delete", "--target", target)["unused"]
    assert names(own_emulator) == before


def test_what_a_version_in_another_region_names_stays(pruning, own_emulator):
    add_version(own_emulator, {"artifactUri": "gs://models/route/v1/model"}, "us-east1")
    [unused] = prune(pruning, *NOW)["unused"]
    assert unused["uri"] == "gs://models/route/v1/", "nobody said to ask there"
    put(own_emulator, "route/v0/model/x")
    before = names(own_emulator)
    regions = ("--other-region", "europe-west1", "--other-region", "us-east1")
    found = prune(pruning, *NOW, "--delete", *regions)
    assert found["kept"] == [{"uri": "gs://models/route/v1/", "reason": "used by a version"}]
    assert before - names(own_emulator) == {"route/v0/model/x"}


@pytest.mark.parametrize(
    ("state", "stays"),
    [
        ({"state": "JOB_STATE_QUEUED"}, True),
        ({"state": "JOB_STATE_CANCELLING"}, True),
        ({}, True),
        ({"state": "JOB_STATE_CANCELLED"}, False),
    ],
    ids=["queued", "cancelling", "unknown", "cancelled"],
)
def test_what_a_batch_job_under_way_reads_stays(pruning, own_emulator, state, stays):
    """No version names it: the job brings a model of its own."""
    job = {"unmanagedContainerModel": {"artifactUri": "gs://models/route/v1/model"}}
    before = names(own_emulator)

    def alter(request, answer):
        if request.path.partition("?")[0].endswith("/us-central1/batchPredictionJobs"):
            answer["batchPredictionJobs"] = [job | state]

    with Between(own_emulator.url, alter=alter) as between:
        pruning.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM"] = between.url
        prune(pruning, *NOW, "--delete")
    assert names(own_emulator) == (before if stays else set())


def test_what_is_written_meanwhile_stays(pruning, own_emulator):
    """An upload to the same place began after it was looked at."""
    before, again = names(own_emulator), "route/v1/model/factor.txt"

    def meanwhile(request):
        if request.method == "DELETE" and "factor.txt" in request.path:
            put(own_emulator, again)

    with Between(own_emulator.url, meanwhile=meanwhile) as between:
        pruning.env["STORAGE_EMULATOR_HOST"] = between.url
        done = outcome_of(pruning, *NOW, "--delete")
    assert f"'gs://models/{again}' was written meanwhile: it stays" in done.stderr
    assert json.loads(done.stdout)["objectsDeleted"] == len(before) - 1
    assert names(own_emulator) == {again}


def test_what_a_version_names_by_now_stays(pruning, own_emulator, tmp_path):
    """Removing takes its time: the services are asked again before a folder goes."""
    for version in ("v0", "v2"):
        put(own_emulator, f"route/{version}/model/x")
    before, clock, made = names(own_emulator), Clock(tmp_path), []

    def meanwhile(request):
        if request.method == "DELETE" and not made:
            made.append(request.path)
            add_version(own_emulator, {"artifactUri": "gs://models/route/v1/model"})
            clock.forward()

    with Between(own_emulator.url, meanwhile=meanwhile) as between:
        # A request that is under way is to outlast the minute.
        pruning.env |= {"STORAGE_EMULATOR_HOST": between.url, "AIP_HTTP_TIMEOUT": "600"} | clock.env
        found = prune(pruning, *NOW, "--delete")
    assert "v0" in made[0], "what goes first"
    gone = {"route/v0/model/x", "route/v2/model/x"}
    assert before - names(own_emulator) == gone and found["objectsDeleted"] == len(gone)
    assert [one["uri"] for one in found["unused"]] == [f"gs://models/route/{v}/" for v in ("v0", "v2")]
    assert found["kept"] == [{"uri": "gs://models/route/v1/", "reason": "used by a version"}]


def test_a_service_that_cannot_be_asked(pruning, own_emulator, outcome):
    body = {"everyone": True, "instructions": {"ml.projects.models.list": ["return-403"]}}
    own_emulator.call("POST", "/retry_test", body)
    before = names(own_emulator)
    done = outcome(
        "aip-upload", "prune", "--document", "-", *NOW, "--delete",
        stdin=pruning.documents["upload"], env=pruning.env,
    )
    assert (done.status, done.stdout) == (4, "") and names(own_emulator) == before


def test_a_bucket_alone_is_no_route(pruning, outcome):
    done = outcome("aip-upload", "prune", "--project", "p", "--bucket", "models", "--route", "/",
                   env=pruning.env)
    assert (done.status, done.stdout) == (2, "")
