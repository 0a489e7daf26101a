"""The installed plugin through get_deploy_client, and what MLflow itself expects
of a plugin."""

import json

import pytest

from support.installed import MAJORS
from support.places import TESTS

TARGETS = ["vertex", "ai-platform"]
ROWS = {"instances": [[1], [2.5]]}


@pytest.fixture
def client(story):
    """Calls methods in one process beside this MLflow; their answers."""

    def make(major, target):
        tell = story(major, target)

        def call(*calls, uri="aiplatform"):
            path = tell.directory / "calls.json"
            path.write_text(json.dumps(calls, default=str))
            done = tell.installed.run(
                [TESTS / "support/calls.py", uri, path], env=tell.env, cwd=tell.directory
            )
            assert done.status == 0, done.stderr
            return json.loads(done.stdout)

        call.tell = tell
        return call

    return make


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("major", MAJORS)
def test_every_method(client, major, target):
    call = client(major, target)
    name, model, other = call.tell.name, str(call.tell.model), str(call.tell.other)
    there = {"endpoint": name}
    answers = iter(call(
        ("create_endpoint", {"name": name}),
        ("create_endpoint", {"name": name}),
        ("create_deployment", {"name": "one", "model_uri": model, **there}),
        ("create_deployment", {"name": "two", "model_uri": other, "flavor": "python_function",
                               "config": {"description": "the other"}, **there}),
        ("list_deployments", {}),
        ("list_deployments", there),
        ("get_deployment", {"name": "two", **there}),
        ("predict", {"inputs": ROWS, **there}),
        ("update_deployment", {"name": "two", "config": {"promote": True}, **there}),
        ("predict", {"deployment_name": name, "inputs": ROWS}),
        ("predict_stream", {"inputs": ROWS, **there}),
        ("explain", {"df": ROWS, **there}),
        ("list_endpoints", {}),
        ("get_endpoint", there),
        ("update_endpoint", {"config": {"promote": "one"}, **there}),
        ("predict", {"inputs": ROWS, **there}),
        ("delete_deployment", {"name": "two", **there}),
        ("delete_deployment", {"name": "two", **there}),
        ("get_deployment", {"name": "two", **there}),
        ("delete_endpoint", there),
        ("delete_endpoint", there),
        ("get_endpoint", there),
        ("predict", {"deployment_name": name, "inputs": ROWS}),
    ))

    def answer():
        said = next(answers)
        assert "error" not in said, said
        return said["answer"]

    def error():
        return next(answers)["error"]

    def names(listed):
        assert all(one["flavor"] == "python_function" for one in listed)
        return [one["name"] for one in listed]

    assert answer()["name"] == name and error() == "RESOURCE_ALREADY_EXISTS"
    for version in ("one", "two"):
        made = answer()
        assert (made["name"], made["flavor"]) == (version, "python_function")
    assert name in names(answer()) and sorted(names(answer())) == ["one", "two"]
    assert answer()["name"] == "two"
    assert answer()["predictions"] == [2, 5]
    assert answer()["flavor"] == "python_function"
    assert answer()["predictions"] == [3, 7.5]
    assert [one["predictions"] for one in answer()] == [[3], [7.5]]
    assert error() in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")
    assert name in names(answer()) and answer()["name"] == name
    answer()
    assert answer()["predictions"] == [2, 5]
    assert (answer(), answer(), error()) == (None, None, "RESOURCE_DOES_NOT_EXIST")
    assert (answer(), answer(), error()) == (None, None, "RESOURCE_DOES_NOT_EXIST")
    assert error() == "RESOURCE_DOES_NOT_EXIST"


# What mlflow/tests/deployments asserts of its own fake plugin, of ours.
CONTRACT = """
import inspect, json, os, sys
from mlflow.deployments import BaseDeploymentClient, get_deploy_client, set_deployments_target
from mlflow.deployments.interface import _target_help, plugin_store
from mlflow.exceptions import MlflowException

module = plugin_store["aiplatform"]
classes = [one for _, one in inspect.getmembers(module, inspect.isclass)
           if issubclass(one, BaseDeploymentClient) and one is not BaseDeploymentClient]
assert len(classes) == 1, classes
for name, method in inspect.getmembers(BaseDeploymentClient, inspect.isfunction):
    ours, theirs = inspect.signature(getattr(classes[0], name)), inspect.signature(method)
    assert list(ours.parameters) == list(theirs.parameters), name
    assert getattr(classes[0], name) is not method or name == "__init__", name
assert list(inspect.signature(module.run_local).parameters) == ["name", "model_uri", "flavor", "config"]
assert module.target_help() == _target_help("aiplatform")

try:
    get_deploy_client("wrong")
except MlflowException as error:
    assert 'No plugin found for managing model deployments to "wrong"' in str(error), error
else:
    raise AssertionError("a wrong target was taken")

assert get_deploy_client() is None
for uri, taken in [("aiplatform://p/r", True), ("aiplatform", False), ("aiplatform:/p/r", False)]:
    try:
        set_deployments_target(uri)
    except MlflowException:
        assert not taken, uri
    else:
        assert taken and get_deploy_client().target_uri == uri
for uri in ("aiplatform", "aiplatform:/p/r", "aiplatform://p/r?target=vertex"):
    assert isinstance(get_deploy_client(uri), classes[0])
"""

# MLflow 3 offers the commands to agents; the server itself needs fastmcp.
AGENTS = """
import json, sys
from mlflow.deployments import cli
from mlflow.mcp.decorator import get_mcp_tool_name
from mlflow.mcp.server import fn_wrapper, get_input_schema

tools = {get_mcp_tool_name(one): one for one in cli.commands.commands.values()}
asked, arguments = sys.argv[1], json.loads(sys.argv[2])
schema = get_input_schema(tools[asked].params)
assert "aiplatform" in schema["properties"]["target"]["description"]
print(json.dumps([sorted(name for name in tools if name), fn_wrapper(tools[asked])(**arguments)]))
"""


@pytest.mark.parametrize("major", MAJORS)
def test_what_mlflow_asserts_of_a_plugin(story, major):
    tell = story(major, "vertex")
    script = tell.directory / "contract.py"
    script.write_text(CONTRACT)
    done = tell.installed.run([script], env=tell.env, cwd=tell.directory)
    assert done.status == 0, done.stderr


@pytest.mark.timeout(300)
def test_agents_may_use_it(story):
    tell = story(3, "vertex")
    script = tell.directory / "agents.py"
    script.write_text(AGENTS)

    def ask(tool, **arguments):
        arguments |= {"target": "aiplatform", "name": tell.name}
        done = tell.installed.run(
            [script, tool, json.dumps(arguments, default=str)], env=tell.env, cwd=tell.directory
        )
        assert done.status == 0, done.stderr
        return json.loads(done.stdout)

    tools, said = ask("create_deployment", model_uri=tell.model, config=["description=an agent's"])
    assert f"python_function deployment {tell.name} is created" in said
    assert len(tools) == 13 and "predict_with_deployment" in tools
    _, said = ask("predict_with_deployment", input_path=tell.instances)
    assert json.loads(said.splitlines()[-1])["predictions"] == [2, 5]
