"""MLflow's client and this plugin, against the emulator: what is created,
updated, listed and deleted, on both services."""

import inspect
import json
import os
import shlex
import subprocess
import sys
import threading
import time

import pytest
from mlflow.deployments.base import BaseDeploymentClient
from mlflow.exceptions import MlflowException
from mlflow_aip import deployments, pipeline, settings, stages
from mlflow_aip.deployments import AIPlatformDeploymentClient

from support.local import LocalModel
from support.places import BIN
from support.plugin import SOURCE
from support.vertex import CONTAINER, push_image

TARGETS = ["ai-platform", "vertex"]


@pytest.fixture
def enter(env, emulator, monkeypatch, tmp_path):
    """This process as one that the emulator is there for."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    more = {"AIP_BIN": str(BIN), "tmp_dir": str(tmp_path / "work")}
    for name, value in (env | emulator.env | more).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AIP_TARGET")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def image(emulator):
    return push_image(emulator)


class Service:
    """One of the two, with a model that it deploys in a second."""

    def __init__(self, target, model, bucket, name, image):
        self.target, self.model, self.name = target, model, name
        self.uri = f"aiplatform://emulator/us-central1?target={target}"
        self.client = AIPlatformDeploymentClient(self.uri)
        # Where the image's server takes its factor from.
        (model.directory / "weights.txt").write_text("2")
        self.config = {"production_bucket": bucket}
        if target == "ai-platform":
            scripts = {"prediction_script": model.predictor, "setup_file": model.setup}
            self.config.update(scripts)
        else:
            self.config.update(CONTAINER, image=image)

    def create(self, name=None, **more):
        config = {**self.config, **more.pop("config", {})}
        return self.client.create_deployment(
            name or self.name, str(self.model.directory), config=config, **more
        )

    def update(self, name=None, **more):
        config = {**self.config, **more.pop("config", {})}
        return self.client.update_deployment(
            name or self.name, str(self.model.directory), config=config, **more
        )

    def traffic(self):
        return self.client.get_deployment(self.name)["traffic"]

    def versions(self):
        return [one["name"] for one in self.client.list_deployments(endpoint=self.name)]

    def change_model(self, factor):
        (self.model.directory / "factor.txt").write_text(str(factor))


@pytest.fixture
def service(request, enter, local, bucket, unique, image):
    name = unique if request.param == "ai-platform" else unique.replace("_", "-")
    return Service(request.param, local, bucket, name, image)


both = pytest.mark.parametrize("service", TARGETS, indirect=True)
vertex = pytest.mark.parametrize("service", ["vertex"], indirect=True)
ai_platform = pytest.mark.parametrize("service", ["ai-platform"], indirect=True)


def code(call, *args, **options):
    with pytest.raises(MlflowException) as raised:
        call(*args, **options)
    return raised.value.error_code, raised.value.message


def test_mlflow_finds_one_client_with_its_methods():
    """It takes whatever class of its kind the module shows, and looks at names
    of parameters."""
    classes = [
        one for _, one in inspect.getmembers(deployments, inspect.isclass)
        if issubclass(one, BaseDeploymentClient) and one is not BaseDeploymentClient
    ]
    assert classes == [AIPlatformDeploymentClient]
    for name, base in inspect.getmembers(BaseDeploymentClient, inspect.isfunction):
        own = getattr(AIPlatformDeploymentClient, name)
        assert [*inspect.signature(own).parameters] == [*inspect.signature(base).parameters], name
        assert name == "__init__" or own is not base, f"{name} is left out"
    run_local = inspect.signature(deployments.run_local)
    assert [*run_local.parameters] == ["name", "model_uri", "flavor", "config"]


def test_help_names_every_setting():
    from mlflow_aip import keys

    text = deployments.target_help()
    for key in {*keys.fields(), *keys.flags()}:
        assert any(name in text for name, one in keys.names().items() if one.name == key), key
    assert max(map(len, text.splitlines())) <= 100


@both
def test_the_life_of_a_deployment(service, emulator, capsys):
    client, name = service.client, service.name
    made = service.create()
    assert (made["name"], made["flavor"], made["version"]) == (name, "python_function", "v1")
    assert made["created"] and made["target"] == service.target
    said = capsys.readouterr().err
    assert "aip-upload: " in said and f"version 'v1' of '{name}' is deployed" in said
    assert service.create()["created"] is False

    service.change_model(3)
    uploaded = emulator.requests("POST")
    problem, message = code(service.create)
    assert problem == "RESOURCE_ALREADY_EXISTS"
    # What the live version was made of is as it was.
    assert emulator.requests("POST") == uploaded
    assert "made of something else" in message and "mlflow deployments update" in message
    # A version of another name is no way around it.
    problem, message = code(service.create, config={"version": "v7"})
    assert problem == "RESOURCE_ALREADY_EXISTS" and f"'{name}' is there already, with v1" in message
    assert service.versions() == ["v1"]

    updated = service.update()
    assert (updated["flavor"], updated["version"]) == ("python_function", "v2")
    assert service.traffic() == {"v2": 100}
    found = client.list_deployments(endpoint=name)
    assert [(one["name"], one["traffic"]) for one in found] == [("v1", 0), ("v2", 100)]
    assert name in [one["name"] for one in client.list_deployments()]
    assert client.get_deployment("v2", endpoint=name)["traffic"] == 100

    client.delete_deployment("v1", endpoint=name)
    client.delete_deployment("v1", endpoint=name)
    assert service.versions() == ["v2"]
    client.delete_deployment(name)
    client.delete_deployment(name)
    assert code(client.get_deployment, name)[0] == "RESOURCE_DOES_NOT_EXIST"
    assert name not in [one["name"] for one in client.list_endpoints()]


@both
def test_what_is_not_there(service):
    client, name = service.client, service.name
    for call, args in (
        (client.get_deployment, (name,)), (client.get_deployment, ("v1", name)),
        (client.get_endpoint, (name,)), (service.update, ()),
        (client.update_deployment, (name, None, None, {"promote": "v1"})),
    ):
        assert code(call, *args)[0] == "RESOURCE_DOES_NOT_EXIST", call
    problem, message = code(client.update_deployment, name, str(service.model.directory), endpoint="e")
    assert problem == "RESOURCE_DOES_NOT_EXIST" and "mlflow deployments create" in message


@both
def test_an_endpoint_comes_first_and_takes_versions(service):
    client, name = service.client, service.name
    made = client.create_endpoint(name)
    assert made["name"] == name
    problem, message = code(client.create_endpoint, name)
    assert problem == "RESOURCE_ALREADY_EXISTS"
    assert client.get_endpoint(name)["traffic"] == {}
    assert service.create("one", endpoint=name)["endpoint"] == name
    assert service.create("two", endpoint=name)["name"] == "two"
    assert service.traffic() == {"one": 100}
    assert client.update_endpoint(name, {"promote": "two"})["name"] == name
    assert service.traffic() == {"two": 100}
    assert client.update_deployment("one", config={"promote": "true"}, endpoint=name)["name"] == "one"
    assert service.traffic() == {"one": 100}
    client.delete_endpoint(name)
    client.delete_endpoint(name)


@both
def test_a_version_is_replaced_by_its_name(service):
    service.create("one", endpoint=service.name)
    service.change_model(3)
    problem, _ = code(service.create, "one", endpoint=service.name)
    assert problem == "RESOURCE_ALREADY_EXISTS"
    assert service.update("one", endpoint=service.name)["version"] == "one"
    assert service.traffic() == {"one": 100}
    # Vertex AI keeps what it was made of before, as a number without a name.
    assert service.versions() == (["one"] if service.target == "ai-platform" else ["1", "one"])


@both
def test_a_name_is_free_once_it_is_deleted(service):
    """What the bucket still has of the version that was goes when told to."""
    service.create()
    service.client.delete_deployment(service.name)
    service.change_model(3)
    with pytest.raises(MlflowException, match="holds another upload") as refused:
        service.create()
    assert "overwrite" in str(refused.value)
    assert service.create(config={"overwrite": True})["created"]


@vertex
def test_traffic(service):
    service.create()
    service.update(config={"canary": "10", "no_check": "true"})
    assert service.traffic() == {"v1": 90, "v2": 10}
    change = service.client.update_deployment
    change(service.name, config={"traffic": "v1=30,v2=70"})
    assert service.traffic() == {"v1": 30, "v2": 70}
    change(service.name, config={"traffic": {"v1": 50, "v2": 50}})
    change(service.name, config={"rollback": "2"})
    assert service.traffic() == {"v1": 90, "v2": 10}
    assert service.update(config={"traffic": 0})["version"] == "v3"
    assert service.traffic() == {"v1": 90, "v2": 10}


@both
def test_what_cannot_be_asked_for(service):
    client, name = service.client, service.name
    before = {"flavor": "spark"}
    for call, options, said in (
        (service.create, before, "flavor 'spark' cannot be deployed"),
        (service.update, before, "flavor 'spark' cannot be deployed"),
        (service.create, {"config": {"machine_tipe": "x"}}, "did you mean 'machine_type'?"),
        (service.create, {"config": {"timeout": "soon"}}, "'timeout' is not an integer: 'soon'"),
        (service.create, {"config": {"label": "no-equals-sign"}}, "--label"),
        (client.update_deployment, {"name": name}, "nothing to update"),
        (client.update_deployment, {"name": name, "config": {"promote": "a", "rollback": 1}}, "at once"),
        (client.update_deployment, {"name": name, "config": {"timeout": 1}}, "without a new version"),
        (client.update_deployment, {"name": name, "config": {"promote": "a", "bucket": "b"}}, "'bucket'"),
        (client.create_endpoint, {"name": name, "config": {"timeout": 1}}, "not about endpoints"),
        (service.create, {"name": "!"}, "'!' cannot be the name of a model"),
        (service.create, {"name": "a\0b"}, "NUL"),
    ):
        problem, message = code(call, **options)
        assert problem == "INVALID_PARAMETER_VALUE" and said in message, message
    # All that before anything was done.
    assert not os.path.exists("work")


@both
def test_an_update_is_without_a_pause(service):
    """Somebody asks all the time, and is answered by the one or the other."""
    service.create()
    ask, answers, done = service.client.predict, [], threading.Event()

    def go_on_asking():
        while not done.is_set():
            try:
                answers.extend(ask(service.name, [{"x": 1.0}] if ai else [1.0])["predictions"])
            except MlflowException as error:
                answers.append(error.message)

    ai = service.target == "ai-platform"
    (service.model.directory / "weights.txt").write_text("3")
    service.change_model(3)
    asking = threading.Thread(target=go_on_asking)
    asking.start()
    try:
        service.update()
        time.sleep(0.5)
    finally:
        done.set()
        asking.join()
    assert {*answers} == {2, 3} and answers == sorted(answers)


@both
def test_nothing_is_left_of_what_is_deleted(service, emulator):
    service.create()
    service.update()
    service.client.delete_deployment(service.name)
    service.client.delete_deployment(service.name)
    assert service.name not in [one["name"] for one in service.client.list_deployments()]
    kinds = ["models"] if service.target == "ai-platform" else ["endpoints", "models"]
    where = "" if service.target == "ai-platform" else "/locations/us-central1"
    for kind in kinds:
        status, found = emulator.call("GET", f"/v1/projects/emulator{where}/{kind}")
        assert status == 200 and service.name not in json.dumps(found)


@both
def test_a_name_is_the_calls_own(service, monkeypatch):
    """A variable that is there for another deployment makes nobody lose it."""
    service.create()
    monkeypatch.setenv("model_name", service.name)
    monkeypatch.setenv("version_name", "v1")
    client, model = service.client, str(service.model.directory)
    for nothing in (None, "", " "):
        for call, *args in (
            (client.delete_deployment, nothing),
            (client.delete_deployment, nothing, None, service.name),
            (client.delete_endpoint, nothing),
            (client.update_deployment, nothing, None, None, {"promote": "v1"}),
            (client.update_deployment, nothing, model),
            (client.create_deployment, nothing, model),
            (client.create_endpoint, nothing),
            (client.get_deployment, nothing),
            (client.predict, nothing, [1]),
        ):
            problem, message = code(call, *args)
            assert (problem, message.splitlines()[0]) == ("INVALID_PARAMETER_VALUE", "no deployment is named")
    assert service.versions() == ["v1"]


@ai_platform
def test_what_is_taken_is_nothing_to_go_on_with(service):
    """The rest of the stages would take the place of what is live."""
    service.create()
    service.change_model(3)
    problem, message = code(service.create)
    assert problem == "RESOURCE_ALREADY_EXISTS" and "to go on" not in message


@ai_platform
@pytest.mark.parametrize("place", ["/dev/null", "/proc/there/is/none"])
def test_where_nothing_may_be_written(service, place):
    problem, message = code(service.create, config={"out": place})
    assert problem == "INVALID_PARAMETER_VALUE"
    assert message.startswith(f"cannot write the stages' documents to '{place}': ")
    assert "out=DIR" in message and "Errno" not in message


@pytest.mark.parametrize("name", ["../../../up", "/etc", ".", "..", "a/b"])
def test_documents_stay_in_their_directory(tmp_path, name):
    spec = {"workDir": str(tmp_path), "model": name}
    below = tmp_path / "deployments"
    for more in ({}, {"version": name}):
        found = pipeline.directory(settings.Settings({"spec": {**spec, **more}}))
        assert len(found.resolve().relative_to(below).parts) == 2
    assert found != pipeline.directory(settings.Settings({"spec": spec}))


def test_two_in_the_same_second_have_their_own_directories(tmp_path):
    wanted = settings.Settings({"spec": {"workDir": str(tmp_path), "model": "m"}})
    assert pipeline.directory(wanted) != pipeline.directory(wanted)


def test_headers_are_not_repeated():
    line = stages.shell(["true", "--header=Authorization: Bearer sesame", "--header=@file"])
    assert "sesame" not in line and "--header=@file" in line and "Authorization:" in line


@both
def test_all_pages_are_listed(service, emulator):
    parent = "/v1/projects/emulator"
    where = {
        "ai-platform": (f"{parent}/models", lambda name: {"name": name}),
        "vertex": (f"{parent}/locations/us-central1/endpoints", lambda name: {"displayName": name}),
    }
    path, body = where[service.target]
    # AI Platform has room for 100, and gives 100 at once unless asked for fewer.
    names = {f"page_{number}" for number in range(105 if service.target == "vertex" else 5)}
    for name in names:
        assert emulator.call("POST", path, body(name))[0] == 200
    found = [one["name"] for one in service.client.list_deployments()]
    assert names <= {*found} and len(found) == len({*found})
    for one in service.client.list_deployments():
        if one["name"] in names:
            emulator.call("DELETE", f"/v1/{one['resource']}")


@both
def test_a_dry_run(service, tmp_path, capsys, emulator):
    before = len(emulator.requests())
    made = service.create(config={"dry_run": "true"})
    assert made["created"] is False
    written = [one for one in emulator.requests()[before:] if one["method"] != "GET"]
    assert written == []
    said = capsys.readouterr().err
    assert "dry run: POST" in said and "this was a dry run" in said


@ai_platform
def test_two_at_the_same_time(service):
    outcomes = {}

    def deploy(name):
        outcomes[name] = service.create(name)

    names = [f"{service.name[:60]}_{one}" for one in "ab"]
    threads = [threading.Thread(target=deploy, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: one["created"] for name, one in outcomes.items()} == dict.fromkeys(names, True)
    assert len({one["documents"] for one in outcomes.values()}) == 2


@both
def test_a_shell_goes_on_where_it_failed(service, tmp_path, env):
    """By the line that the exception ends with, with no variable but where the
    emulator is."""
    problem, message = code(service.create, config={"production_bucket": "no-such-bucket", "out": "here"})
    assert problem == "RESOURCE_DOES_NOT_EXIST"
    here = tmp_path / "here"
    assert sorted(os.listdir(here)) == ["0-settings.json", "1-fetch.json", "2-bundle.json"]
    document = here / "2-bundle.json"
    last = message.splitlines()[-1]
    assert last.startswith("hint: to go on from here: ")
    line = last.split(": ", 2)[2]
    assert f"<{shlex.quote(str(document))} |" in line
    fixed = json.loads(document.read_bytes())
    fixed["spec"]["bucket"] = service.config["production_bucket"]
    document.write_text(json.dumps(fixed))
    environ = {name: value for name, value in os.environ.items() if name not in ("tmp_dir",)}
    done = subprocess.run(line, shell=True, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert service.versions() == ["v1"] and service.traffic() == {"v1": 100}


KILLED = """
import sys
from mlflow_aip.deployments import AIPlatformDeploymentClient
uri, name, model, out = sys.argv[1:]
AIPlatformDeploymentClient(uri).create_deployment(name, model, config={"out": out})
"""
# A tool that waits for what does not come.
WAITING = """#!/bin/bash
echo $$ >pid.new; mv pid.new pid
exec {} < <(sleep 600)
"""


@ai_platform
def test_python_is_killed_and_a_shell_goes_on(service, tmp_path):
    """Nobody can say anything then: the program that ran is gone as well, and
    the documents up to it are there."""
    slow = tmp_path / "bin"
    slow.mkdir()
    for program in BIN.iterdir():
        if program.name in ("mlf-fetch", "aip-bundle"):
            (slow / program.name).symlink_to(program)
    (slow / "aip-upload").write_text(WAITING.format(BIN / "aip-upload"))
    (slow / "aip-upload").chmod(0o755)
    variables = {name: str(value) for name, value in service.config.items()}
    environ = {**os.environ, **variables, "AIP_BIN": str(slow), "PYTHONPATH": str(SOURCE)}
    out = tmp_path / "out"
    python = subprocess.Popen(
        [sys.executable, "-c", KILLED, service.uri, service.name, str(service.model.directory), str(out)],
        env=environ, stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    pid = int((tmp_path / "pid").read_text())
    python.kill()
    python.wait()
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}"), "the program went on by itself"
    line = f"aip-upload <{out}/2-bundle.json | aip-model create | aip-version create"
    done = subprocess.run(line, shell=True, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert service.traffic() == {"v1": 100}


@ai_platform
def test_the_documents_of_each_stage(service, tmp_path):
    made = service.create(config={"out": tmp_path / "a b"})
    assert made["documents"] == str(tmp_path / "a b")
    files = [stages.FIRST, *(stage.file for stage in stages.ALL)]
    assert sorted(os.listdir(tmp_path / "a b")) == files
    last = json.loads((tmp_path / "a b" / files[-1]).read_bytes())
    assert last["stages"]["version"]["name"] == made["resource"]
    # A deployment that starts again there does not leave what the last one made.
    code(service.create, config={"out": tmp_path / "a b", "production_bucket": "no-such-bucket"})
    assert sorted(os.listdir(tmp_path / "a b")) == files[:3]


def test_a_model_that_only_mlflow_can_bring(enter, tmp_path, monkeypatch):
    """Here, from a store whose records no tool of ours reads."""
    import mlflow

    model = LocalModel(tmp_path)
    asked = []

    def download(uri, tracking_uri):
        asked.append((uri, tracking_uri))
        if uri.endswith("gone"):
            raise OSError("no such bucket")
        return str(model.directory)

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    client = AIPlatformDeploymentClient("aiplatform:/emulator/us-central1?target=ai-platform")
    for uri, tracking in (("s3://bucket/model", None), ("runs:/0/model", "databricks")):
        config = {"dry_run": True, "bucket": "anybucket", **({"tracking_uri": tracking} if tracking else {})}
        client.create_deployment("brought", uri, config=config)
    assert asked == [("s3://bucket/model", None), ("runs:/0/model", "databricks")]
    problem, message = code(client.create_deployment, "brought", "s3://bucket/gone")
    assert problem == "RESOURCE_DOES_NOT_EXIST" and "no such bucket" in message
