"""Endpoints and versions of Vertex AI: made once however often it is asked for,
taken up wherever a run was ended, replaced and removed while requests go on."""

import json
import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.between import Between
from support.places import tool
from support.version import Versions

PARENT = "/v1/projects/emulator/locations/us-central1"


@pytest.fixture
def versions(emulator, outcome, unique):
    return Versions(emulator, outcome, "v-" + unique.replace("_", "-")[-40:])


def listed(versions):
    done = versions.outcome("aip-version", "list", env=versions.env)
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)["versions"]


def delete(versions, name, *args, status=0):
    done = versions.outcome(
        "aip-version", "delete", "--version-name", name, *args, env=versions.env
    )
    assert done.status == status, done.stderr
    return json.loads(done.stdout) if status == 0 else done.stderr


def written(emulator, before):
    """What was changed since."""
    return [
        (entry["method"], entry["path"].rsplit("/", 1)[-1]) for entry in emulator.requests()[before:]
        if entry["path"].startswith("/v1/") and entry["method"] != "GET" and entry["status"] < 400
    ]


def test_the_same_twice_is_one_version(versions):
    first = versions.deploy("v1", 2)["stages"]
    assert first["model"]["created"] and first["version"]["created"]
    stage = first["version"]
    assert stage["name"] == f"projects/emulator/locations/us-central1/models/{versions.model}@1"
    assert (stage["state"], stage["traffic"]) == ("READY", 100)
    before = len(versions.emulator.requests())
    second = versions.deploy("v1", 2)["stages"]
    assert written(versions.emulator, before) == []
    assert not second["model"]["created"] and not second["version"]["created"]
    assert second["version"] == stage | {"created": False}
    assert [one["aliases"] for one in listed(versions)] == [["default", "v1"]]


def test_what_comes_after_the_first_waits_for_its_traffic(versions):
    versions.deploy("v1", 2)
    done = versions.create(versions.document("v2", 3))
    assert json.loads(done.stdout)["stages"]["version"]["traffic"] == 0
    assert "aip-version traffic promote" in done.stderr
    third = versions.deploy("v3", 4, "--traffic", "25")
    assert third["stages"]["version"]["traffic"] == 25
    assert [one["traffic"] for one in listed(versions)] == [75, 0, 25]
    assert versions.traffic()["history"] == [{"v1": 100}]


def test_another_content_needs_to_be_asked_for(versions):
    versions.deploy("v1", 2)
    refused = versions.create(versions.document("v1", 3), status=4)
    assert "made of something else: " in refused.stderr and "--replace" in refused.stderr
    refused = versions.create(versions.document("v1", 2), "--machine-type", "e2-standard-4", status=4)
    assert 'machineType is "n1-standard-2", not "e2-standard-4"' in refused.stderr
    assert len(listed(versions)) == 1


def test_a_version_is_replaced_without_a_gap(versions):
    versions.deploy("v1", 2, "--alias", "champion")
    over, answers = threading.Event(), []

    def ask():
        body = {"instances": [7]}
        while not over.is_set():
            path = f"{PARENT}/endpoints/{versions.model}:predict"
            answers.append(versions.emulator.call("POST", path, body))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        versions.deploy("v1", 3, "--replace")
    finally:
        over.set()
        asking.join()
    assert {status for status, _ in answers} == {200}
    assert [body["predictions"] for _, body in answers if body["predictions"] != [14]][-1] == [21]
    old, new = listed(versions)
    assert (old["aliases"], old["deployedAs"], old["traffic"]) == ([], [], 0)
    assert (new["aliases"], new["traffic"]) == (["champion", "default", "v1"], 100)
    # In another way, the same version: deployed beside, then alone.
    stage = versions.deploy("v1", 3, "--replace", "--max-replicas", "2")["stages"]["version"]
    assert not stage["created"] and stage["traffic"] == 100
    assert [len(one["deployedModelIds"]) for one in listed(versions)] == [0, 1]
    assert delete(versions, "1")["deleted"], "by its number, for it has no name"


STEPS = {
    "endpoints": "POST", "models:upload": "POST", ":deployModel": "POST", "endpoints/": "PATCH",
    ":undeployModel": "POST", ":deleteVersion": "DELETE",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_lost_answer_is_no_second_version(versions, step):
    def lose(request):
        path = request.path.split("?")[0]
        return request.method == STEPS[step] and (step in path if "/" in step else path.endswith(step))

    versions.deploy("v1", 2)
    model = versions.model
    if step == "endpoints":
        versions.env["model_name"] = versions.model = model + "-2"
    with Between(versions.emulator.url, lose=lose) as between:
        versions.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM"] = between.url
        stage = versions.deploy("v2", 3, "--traffic", "100")["stages"]["version"]
        assert stage["traffic"] == 100
        if step in (":undeployModel", ":deleteVersion"):
            assert delete(versions, "v2")["undeployed"] == [stage["deployedModelId"]]
            assert [one["traffic"] for one in listed(versions)] == [100]
        elif step != "endpoints":
            assert [one["traffic"] for one in listed(versions)] == [0, 100]
    assert between.lost


def ended_at(versions, document, number, *args):
    """A run that is ended when its request of this number arrives, or at its own
    end; how many requests came."""
    made = versions.outcome("aip-model", "create", stdin=document, env=versions.env)
    assert made.status == 0, made.stderr
    seen, started = [], threading.Event()

    def end(_):
        started.wait()
        if len(seen) == number:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        seen.append(1)

    with Between(versions.emulator.url, meanwhile=end) as between:
        env = versions.outcome.env | versions.env
        env["CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM"] = between.url
        process = subprocess.Popen(
            [tool("aip-version"), "create", *args], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        started.set()
        _, stderr = process.communicate(made.stdout, timeout=60)
        # How often it asks whether it is done depends on the machine.
        killed = number is not None and len(seen) > number
        assert process.returncode == (-signal.SIGKILL if killed else 0), stderr
    return len(seen)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("replace", [False, True])
def test_a_run_that_is_killed_anywhere_is_taken_up(emulator, outcome, versions, env, replace):
    """Once for each of its requests."""
    outcome.env = env
    args = ["--replace"] if replace else []

    def run(number):
        own = Versions(emulator, outcome, f"{versions.model[:50]}-{number}")
        if replace:
            own.deploy("v1", 2)
        document = own.document("v1", 3)
        count = ended_at(own, document, number, *args)
        stage = json.loads(own.create(document, *args).stdout)["stages"]["version"]
        assert (stage["state"], stage["traffic"]) == ("READY", 100), number
        *old, new = listed(own)
        assert [(one["deployedModelIds"], one["traffic"]) for one in old] == [([], 0)] * replace, number
        assert "v1" in new["aliases"] and len(new["deployedModelIds"]) == 1, number
        return count

    count = run(None)
    assert count > 5
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(count)))


def test_who_does_not_wait_can_do_so_later(versions):
    begun = json.loads(versions.create(versions.document("v1", 2), "--no-wait").stdout)
    stage = begun["stages"]["version"]
    assert stage["state"] == "CREATING" and "/operations/" in stage["operation"]
    done = versions.outcome("aip-version", "wait", stdin=begun, env=versions.env)
    assert done.status == 0, done.stderr
    stage = json.loads(done.stdout)["stages"]["version"]
    assert (stage["state"], stage["traffic"], stage["created"]) == ("READY", 100, True)
    assert "operation" not in stage
    again = versions.outcome("aip-version", "wait", stdin=done.stdout, env=versions.env)
    assert again.status == 0 and json.loads(again.stdout)["stages"]["version"] == stage


def test_a_container_that_ends_is_heard(versions):
    document = versions.document("v1", 2)
    versions.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING"] = versions.emulator.url
    done = versions.create(document, "--env", "FACTOR=x", status=1)
    assert "Model server exited unexpectedly" in done.stderr
    assert "the container's log ends so:" in done.stderr
    assert "ValueError: invalid literal for int()" in done.stderr
    assert "the container ended before it was healthy" in done.stderr
    document["stages"]["upload"]["image"]["uri"] += "0"
    refused = versions.create(document, status=4)
    assert "made of something else: containerSpec" in refused.stderr


def test_requests_go_elsewhere_before_a_version_goes(versions):
    for name, factor, traffic in [("v1", 2, 100), ("v2", 3, 40), ("v3", 4, 20)]:
        versions.deploy(name, factor, "--traffic", str(traffic))
    assert [one["traffic"] for one in listed(versions)] == [48, 32, 20]
    dry = delete(versions, "v3", "--dry-run")["requests"]
    assert [request.split()[0] for request in dry] == ["PATCH", "POST", "DELETE"]
    delete(versions, "v3")
    assert [one["traffic"] for one in listed(versions)] == [60, 40]
    assert "no other version 'v9'" in delete(versions, "v1", "--to", "v9", status=2)
    delete(versions, "v1", "--to", "v2")
    (left,) = listed(versions)
    assert (left["aliases"], left["traffic"]) == (["default", "v2"], 100)
    assert "requests would fail" in delete(versions, "v2", status=4)
    assert versions.ask([7])["predictions"] == [21]
    endpoint = versions.outcome("aip-model", "delete", env=versions.env)
    assert endpoint.status == 4 and "aip-version delete --last" in endpoint.stderr
    assert delete(versions, "v2", "--last")["deleted"]
    gone = delete(versions, "v2", "--last")
    assert (gone["deleted"], gone["undeployed"]) == (False, [])
    for deleted in (True, False):
        done = versions.outcome("aip-model", "delete", env=versions.env)
        assert done.status == 0 and json.loads(done.stdout)["deleted"] is deleted


def test_an_endpoint_that_is_otherwise_is_reported(versions):
    document = versions.document("v1", 2)
    flags = ["--label", "team=a", "--request-response-logging", "bq://acme.d.t", "--sampling-rate", "0.5"]
    first = versions.outcome("aip-model", "create", *flags, stdin=document, env=versions.env)
    assert first.status == 0 and json.loads(first.stdout)["results"] == []
    again = versions.outcome("aip-model", "create", *flags, stdin=document, env=versions.env)
    assert json.loads(again.stdout)["results"] == []
    flags = ["--label", "team=b", "--dedicated", "--description", "x"]
    other = versions.outcome("aip-model", "create", *flags, stdin=document, env=versions.env)
    assert other.status == 0
    messages = [result["message"] for result in json.loads(other.stdout)["results"]]
    assert {message.split("already, ")[1] for message in messages} == {
        "and its dedicatedEndpointEnabled is not set, and should be true",
        'and its description is not set, and should be "x"', "without the labels team=b",
    }
    listing = ["list", "--filter", f'displayName="{versions.model}"']
    done = versions.outcome("aip-model", *listing, env=versions.env)
    (endpoint,) = json.loads(done.stdout)["endpoints"]
    assert endpoint["labels"] == {"team": "a", "managed_by": "mlflow-aip"}


@pytest.mark.parametrize(
    ("target", "args"),
    [
        ("vertex", ["aip-version", "create", "--set-default"]),
        ("vertex", ["aip-version", "create", "--runtime-version", "2.11"]),
        ("vertex", ["aip-version", "set-default"]),
        ("vertex", ["aip-model", "create", "--online-prediction-logging"]),
        ("vertex", ["aip-model", "list", "--regional-endpoint"]),
        ("ai-platform", ["aip-version", "create", "--traffic", "10"]),
        ("ai-platform", ["aip-version", "create", "--env", "A=1"]),
        ("ai-platform", ["aip-version", "delete", "--last"]),
        ("ai-platform", ["aip-model", "create", "--dedicated"]),
        ("ai-platform", ["aip-model", "list", "--endpoint-id", "x"]),
    ],
)
def test_flags_of_the_other_target_are_refused(versions, target, args):
    document = versions.document("v1", 2)
    document["spec"]["target"] = target
    document["stages"]["model"] = {"name": "x", "created": False}
    names = {"version_name": "v1", "AIP_TARGET": target, "model_name": "iris"}
    document["spec"]["model"] = "iris"
    done = versions.outcome(*args, stdin=document, env=versions.env | names)
    assert done.status == 2 and done.stdout == "", done.stderr
    flag = args[2] if len(args) > 2 else "default version"
    assert flag in done.stderr and f"'{target}'" in done.stderr
