"""Every command of `mlflow deployments`, from the installed wheel, beside both
MLflows, against both services."""

import json

import pytest

from support.installed import MAJORS
from support.places import ROOT
from support.story import alike

TARGETS = ["vertex", "ai-platform"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", TARGETS)
def test_a_deployments_life(story, target, snapshot):
    def happens(tell):
        name, instances = tell.name, tell.instances
        tell("create", "--name", name, "-m", tell.model)
        tell("create", "--name", name, "-m", tell.model)
        tell("create", "--name", name, "-m", tell.other, status=1)
        done = tell("predict", "--name", name, "-I", instances)
        assert json.loads(done.stdout)["predictions"] == [2, 5]
        tell("update", "--name", name, "-m", tell.other, "-f", "python_function")
        tell("predict", "--name", name, "-I", instances, "-O", "answer.json")
        answer = json.loads((tell.directory / "answer.json").read_text())
        assert answer["predictions"] == [3, 7.5]
        tell("get", "--name", name)
        listed = tell("list").stdout
        assert f"'name': '{name}'" in listed
        tell.told.pop()  # with what other tests have deployed
        tell("list", "--endpoint", name)
        tell("explain", "--name", name, "-I", instances, status=1)
        tell("delete", "--name", name)
        tell("delete", "--name", name)
        tell("get", "--name", name, status=1)
        tell("update", "--name", name, "-m", tell.model, status=1)
        tell("predict", "--name", name, "-I", instances, status=1)

    assert alike(story, target, happens) == snapshot


@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", TARGETS)
def test_versions_of_an_endpoint(story, target, snapshot):
    """With --endpoint, the deployment's name is the version's."""
    def happens(tell):
        there = ("--endpoint", tell.name)
        tell("create", "--name", "first", "-m", tell.model, *there)
        tell("create", "--name", "second", "-m", tell.other, *there)
        tell("list", *there)
        tell("get", "--name", "second", *there)
        tell("predict", *there, "-I", tell.instances)
        tell("update", "--name", "second", "-C", "promote=true", *there)
        done = tell("predict", *there, "-I", tell.instances)
        assert json.loads(done.stdout)["predictions"] == [3, 7.5]
        tell("delete", "--name", "first", *there)
        tell("delete", "--name", "first", *there)
        tell("get", "--name", "first", *there, status=1)
        tell("delete-endpoint", *there)

    assert alike(story, target, happens) == snapshot


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", TARGETS)
def test_endpoints(story, target, snapshot):
    """MLflow's own create-endpoint fails with every plugin: its function calls
    the option --endpoint by another name."""

    def happens(tell):
        there = ("--endpoint", tell.name)
        tell("create-endpoint", *there, status=1)
        tell("get-endpoint", *there, status=1)
        tell("create", "--name", "v1", "-m", tell.model, *there)
        tell("get-endpoint", *there)
        tell("update-endpoint", *there, "-C", "promote=v1")
        assert f"'name': '{tell.name}'" in tell("list-endpoints").stdout
        tell.told.pop()  # with what other tests have deployed
        tell("delete-endpoint", *there)
        tell("delete-endpoint", *there)

    assert alike(story, target, happens) == snapshot


@pytest.mark.timeout(300)
def test_what_is_asked_wrongly(story, snapshot):
    def happens(tell):
        model = ("-m", tell.model)
        name = ("--name", tell.name)
        tell("create", *name, *model, target="nobody", status=1)
        tell("create", *name, *model, target="aiplatform:/p/r/more", status=1)
        tell("create", *name, *model, target="aiplatform:?regoin=r", status=1)
        tell("create", *name, *model, "-C", "buckett=b", status=1)
        tell("create", *name, *model, "-C", "dedicated=perhaps", status=1)
        tell("create", *name, *model, "-C", "vertex={", status=1)
        tell("create", *name, *model, "-C", "bucket=a", "-C", "production_bucket=b", status=1)
        tell("create", *name, *model, "-C", "bucket=a", "-C", "bucket=b", status=1)
        tell("create", *name, *model, "-C", "bucket", status=2)
        tell("create", *name, *model, "-f", "sklearn", status=1)
        tell("create", *name, "-m", "models:/nobody/1", status=1, env={"MLFLOW_TRACKING_URI": "file:///nowhere"})
        tell("create", *name, status=2)
        tell("update", *name, status=1)
        tell("predict", "-I", tell.instances, status=2)
        tell("predict", *name, "--endpoint", "e", "-I", tell.instances, status=2)

    assert alike(story, "vertex", happens) == snapshot


def test_help_is_the_documentations(story):
    """docs/plugin-help.txt is its output."""
    for major in MAJORS:
        done = story(major, "vertex")("help")
        assert done.stdout == (ROOT / "docs/plugin-help.txt").read_text()


@pytest.mark.parametrize(
    ("uri", "project", "region"),
    [
        ("aiplatform:/elsewhere/europe-west1", "elsewhere", "europe-west1"),
        ("aiplatform://elsewhere/europe-west4?target=vertex", "elsewhere", "europe-west4"),
        ("aiplatform:?region=us-east1", "emulator", "us-east1"),
    ],
)
def test_a_target_says_where(story, emulator, uri, project, region):
    tell = story(3, "vertex")
    before = len(emulator.requests())
    tell("list", target=uri)
    asked = {entry["path"].split("?")[0] for entry in emulator.requests()[before:]}
    assert f"/v1/projects/{project}/locations/{region}/endpoints" in asked
