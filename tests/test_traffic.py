"""Who gets an endpoint's traffic: shown, split, promoted, rolled back, by any
machine and by several at a time; and versions that are asked first."""

import json

import pytest

from support.between import Between
from support.outcome import run
from support.pipeline import Pipeline
from support.places import tool
from support.version import Versions

ENDPOINT = "/v1/projects/emulator/locations/us-central1/endpoints"


@pytest.fixture
def versions(emulator, outcome, unique):
    return Versions(emulator, outcome, "t-" + unique.replace("_", "-")[-40:])


@pytest.fixture
def two(versions):
    """v1 doubles and has all the traffic, v2 triples and has none."""
    versions.deploy("v1", 2)
    versions.deploy("v2", 3)
    return versions


def endpoint(versions, method="GET", query="", body=None):
    path = f"{ENDPOINT}/{versions.model}{query}"
    status, answer = versions.emulator.call(method, path, body)
    assert status == 200, answer
    return answer


def test_traffic_is_counted_as_it_is_split(two):
    shown = two.traffic()
    assert shown["traffic"] == {"v1": 100, "v2": 0}
    assert [one["version"] for one in shown["deployed"]] == ["v1", "v2"]
    changed = two.traffic("--set", "v2=10,v1=90")
    assert (changed["changed"], changed["before"]) == (True, {"v1": 100})
    answer = two.ask(list(range(1, 101)), "--max-instances", "1", "--default-version")
    assert answer["answeredBy"] == {"v1": 90, "v2": 10}
    factors = [given / one for one, given in enumerate(answer["predictions"], 1)]
    assert (factors.count(2), factors.count(3)) == (90, 10)


def test_promote_and_rollback_from_another_machine(two):
    """All that is known of before stands at the service."""
    two.traffic("--set", "v1=90,v2=10")
    two.traffic("promote", "--version-name", "v2")
    assert two.ask([7])["predictions"] == [21]
    elsewhere = {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"}
    shown = two.traffic(env=elsewhere)
    assert shown["history"] == [{"v1": 90, "v2": 10}, {"v1": 100}]
    assert two.traffic("rollback", env=elsewhere)["traffic"] == {"v1": 90, "v2": 10}
    assert two.traffic("rollback", env=elsewhere)["traffic"] == {"v1": 100, "v2": 0}
    assert "no split before this one" in two.traffic("rollback", status=4)
    two.traffic("promote", "--version-name", "v2")
    two.traffic("--set", "v1=50,v2=50")
    assert two.traffic("rollback", "--steps", "2")["traffic"] == {"v1": 100, "v2": 0}


def test_the_users_own_labels_and_words_stay(two):
    labels = endpoint(two).get("labels", {}) | {"team": "flowers"}
    endpoint(two, "PATCH", "?updateMask=labels,description", {"labels": labels, "description": "mine"})
    two.traffic("promote", "--version-name", "v2")
    two.traffic("rollback")
    found = endpoint(two)
    assert found["description"] == "mine"
    assert found["labels"]["team"] == "flowers"


def test_what_cannot_be(two):
    assert "takes no verb" in two.traffic("--set", "v1=100", "rollback", status=2)
    assert "99 % in all" in two.traffic("--set", "v1=90,v2=9", status=2)
    refused = two.traffic("--set", "v1=90,v7=10", status=4)
    assert "'v7' is not deployed" in refused and "deployed are 'v1', 'v2'" in refused
    refused = two.traffic("promote", "--version-name", "v9", status=4)
    assert "'v9' is not deployed" in refused
    assert two.traffic()["traffic"] == {"v1": 100, "v2": 0}


def test_nothing_is_written_that_is_so_already_or_only_asked_about(two):
    before = endpoint(two)["etag"]
    assert not two.traffic("promote", "--version-name", "v1")["changed"]
    dry = two.traffic("promote", "--version-name", "v2", "--dry-run")
    assert "PATCH" in dry["requests"][0] and "updateMask=trafficSplit,labels" in dry["requests"][0]
    assert endpoint(two)["etag"] == before


def test_what_is_gone_is_not_brought_back(two):
    two.traffic("promote", "--version-name", "v2")
    done = two.outcome("aip-version", "delete", "--version-name", "v1", env=two.env)
    assert done.status == 0, done.stderr
    refused = two.traffic("rollback", status=4)
    assert "(gone) 100 %" in refused and "is no longer there" in refused
    assert two.traffic()["traffic"] == {"v2": 100}


def test_two_at_a_time_do_not_overwrite_each_other(two):
    """Another one writes between our look and our write."""
    url = two.emulator.url
    seen = []

    def meanwhile(request):
        if request.method == "PATCH" and not seen:
            seen.append(request)
            ids = {one["displayName"]: one["id"] for one in endpoint(two)["deployedModels"]}
            split = {ids["v1"]: 70, ids["v2"]: 30}
            endpoint(two, "PATCH", "?updateMask=trafficSplit", {"trafficSplit": split})

    with Between(url, meanwhile) as between:
        env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": between.url}
        refused = two.traffic("promote", "--version-name", "v2", status=4, env=env)
    assert "somebody else has changed it meanwhile: v1 70 %, v2 30 %" in refused
    assert two.traffic()["traffic"] == {"v1": 70, "v2": 30}


def test_a_change_beside_the_traffic_is_no_conflict(two):
    seen = []

    def meanwhile(request):
        if request.method == "PATCH" and not seen:
            seen.append(request)
            endpoint(two, "PATCH", "?updateMask=description", {"description": "new"})

    with Between(two.emulator.url, meanwhile) as between:
        env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": between.url}
        changed = two.traffic("promote", "--version-name", "v2", env=env)
    assert changed["traffic"] == {"v1": 0, "v2": 100}
    assert endpoint(two)["description"] == "new"


def test_a_lost_answer_is_looked_at(two):
    with Between(two.emulator.url, lose=lambda request: request.method == "PATCH") as between:
        env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": between.url}
        changed = two.traffic("promote", "--version-name", "v2", env=env)
        assert [request.method for request in between.requests].count("PATCH") == 1
    assert changed["changed"] and changed["traffic"] == {"v1": 0, "v2": 100}
    assert two.traffic()["history"] == [{"v1": 100}]


RECORDED = {"instances": [1, 2.5], "predictions": [3, 7.5]}


def test_a_canary_that_passes(versions):
    versions.deploy("v1", 2)
    dry = versions.create(versions.document("v2", 3, **RECORDED), "--canary", "10", "--dry-run")
    assert "dry run: ask version 'v2' for 2 recorded predictions" in dry.stderr
    assert versions.traffic()["traffic"] == {"v1": 100}
    before = len(versions.emulator.requests())
    stage = versions.deploy("v2", 3, "--canary", "10", **RECORDED)["stages"]["version"]
    assert (stage["state"], stage["traffic"]) == ("READY", 10)
    assert versions.traffic()["traffic"] == {"v1": 90, "v2": 10}
    # What it was asked at is gone.
    assert left(versions) == []
    asked = [one for one in versions.emulator.requests()[before:] if ":rawPredict" in one["path"]]
    assert ["/endpoints/check-" in one["path"] for one in asked] == [True]
    again = versions.deploy("v2", 3, "--canary", "10", **RECORDED)["stages"]["version"]
    assert again["traffic"] == 10 and not again["created"]


def test_the_first_version_gets_all_when_it_passes(versions):
    stage = versions.deploy("v1", 3, "--canary", "10", **RECORDED)["stages"]["version"]
    assert stage["traffic"] == 100
    assert versions.ask([2])["predictions"] == [6]


def test_a_canary_that_fails_its_check_gets_nothing(versions):
    versions.deploy("v1", 2)
    document = versions.document("v2", 4, **RECORDED)
    failed = versions.create(document, "--canary", "10", status=1)
    assert failed.stdout == ""
    assert "predictions[0] is 4, not 3" in failed.stderr
    assert "predictions[1] is 10.0, not 7.5" in failed.stderr
    assert "it stays deployed, without traffic: aip-version delete" in failed.stderr
    assert versions.traffic()["traffic"] == {"v1": 100, "v2": 0}
    assert left(versions) == []
    failed = versions.create(document, "--canary", "10", "--undeploy-on-failure", status=1)
    assert "it is off the endpoint" in failed.stderr
    assert versions.traffic()["traffic"] == {"v1": 100}
    # With what it is held against put right, it passes.
    path = versions.outcome.directory / "right.json"
    path.write_text(json.dumps({"instances": [1], "predictions": [4.0000001]}))
    versions.create(document, "--canary", "25", "--expect", str(path))
    assert versions.traffic()["traffic"] == {"v1": 75, "v2": 25}


def test_without_anything_recorded_nothing_is_deployed(versions):
    document = versions.document("v1", 2)
    failed = versions.create(document, "--canary", "10", status=3)
    assert "no recorded predictions" in failed.stderr and "--no-check" in failed.stderr
    assert versions.traffic()["traffic"] == {}
    versions.create(document, "--canary", "10", "--no-check")
    assert versions.traffic()["traffic"] == {"v1": 100}


def test_a_container_that_can_be_invoked_is_asked_where_it_is(versions):
    """Then nothing else of its own can be asked: `predict` is refused."""
    dedicated = ("--dedicated",)
    document = versions.document("v1", 3, **RECORDED)
    document["spec"]["vertex"] = {"model": {"containerSpec": {"invokeRoutePrefix": "/*"}}}
    versions.create(document, "--canary", "10", model_args=dedicated)
    asked = [one["path"] for one in versions.emulator.requests() if "/invoke/" in one["path"]]
    assert any(f"/endpoints/{versions.model}/deployedModels/" in path for path in asked)


@pytest.mark.timeout(900)
def test_a_real_model_predicts_what_was_recorded(mlflow_server, logged, emulator, bucket, outcome, unique, tmp_path):
    """MLflow's own, from its server: what the bundle recorded is what the
    deployed image answers."""
    model = logged(3)["sklearn"]
    env = emulator.env | {
        "AIP_TARGET": "vertex", "project_id": "emulator", "production_bucket": bucket,
        "run_id": model["run_id"], "tracking_uri": mlflow_server(3).uri,
        "tmp_dir": str(tmp_path / "work"), "model_name": unique.replace("_", "-"),
    }
    first = Pipeline(outcome, env | {"version_name": "v1"})
    assert first.run()["stages"]["version"]["traffic"] == 100
    second = Pipeline(outcome, env | {"version_name": "v2"})
    stages = second.run(flags={"version": ["--canary", "20"]})["stages"]
    assert stages["bundle"]["expected"]["path"]
    assert stages["version"]["traffic"] == 20
    answer = second.predict(model["request"], "--default-version")
    assert list(answer["answeredBy"]) in (["v1"], ["v2"])


def test_a_canary_that_was_killed_is_run_again(versions, env):
    """At several moments of it; what it was asked at does not stay."""
    versions.deploy("v1", 2)
    document = versions.document("v2", 3, **RECORDED)
    model = versions.outcome("aip-model", "create", stdin=document, env=versions.env).stdout
    for seconds in (0.3, 0.6, 0.9, 1.2):
        run(
            ["timeout", "-s", "KILL", str(seconds), tool("aip-version"), "create", "--canary", "10"],
            env=env | versions.env, cwd=versions.outcome.directory, stdin=model,
        )
    versions.create(document, "--canary", "10")
    assert versions.traffic()["traffic"] == {"v1": 90, "v2": 10}
    assert left(versions) == []


def left(versions):
    """Endpoints that were made for asking alone."""
    _, answer = versions.emulator.call("GET", ENDPOINT)
    names = [one["displayName"] for one in answer.get("endpoints", [])]
    return [name for name in names if name.startswith(versions.model) and name.endswith("check")]
