"""Predictions through MLflow's client, of what is deployed."""

import json
import os
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from mlflow.deployments import PredictionsResponse
from mlflow.exceptions import MlflowException
from mlflow_aip.deployments import AIPlatformDeploymentClient

from support.places import BIN
from support.version import Versions

VERTEX = "aiplatform://emulator/us-central1?target=vertex"


@pytest.fixture
def enter(env, monkeypatch):
    """Makes an environment this process's own, so that it leads the client."""

    def change(more):
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in (env | more | {"AIP_BIN": str(BIN)}).items():
            monkeypatch.setenv(name, value)

    return change


@pytest.fixture
def versions(emulator, outcome, unique, enter):
    versions = Versions(emulator, outcome, "q-" + unique.replace("_", "-")[-40:])
    versions.deploy("v1", 2)
    enter(emulator.env)
    return versions


@pytest.fixture
def client():
    return AIPlatformDeploymentClient(VERTEX)


def refusal(call, *args, **options):
    with pytest.raises(MlflowException) as caught:
        call(*args, **options)
    return caught.value


def test_a_deployment_answers(versions, client):
    answer = client.predict(versions.model, pd.DataFrame({"n": [1, 3]}))
    assert isinstance(answer, PredictionsResponse)
    assert answer == {"predictions": [2, 6], "answeredBy": {"v1": 1}}
    assert json.loads(answer.to_json()) == answer
    assert answer.get_predictions()[0].tolist() == [2, 6]
    assert client.predict(versions.model, np.array([1.5]))["predictions"] == [3]
    request = {"instances": [1, 2], "parameters": {"plus": 1}}
    assert client.predict(versions.model, request)["predictions"] == [3, 5]
    assert client.predict(versions.model, pd.DataFrame({"instances": [1, 2]}))["predictions"] == [2, 4]
    assert client.predict(versions.model, [])["predictions"] == []


def test_names_of_endpoints_and_versions(versions, client, monkeypatch):
    monkeypatch.setenv("version_name", "v9")
    monkeypatch.setenv("model_name", "other")
    assert client.predict(endpoint=versions.model, inputs=[1])["predictions"] == [2]
    assert client.predict(versions.model, [1])["predictions"] == [2]
    assert client.predict("v1", [1], endpoint=versions.model)["predictions"] == [2]
    error = refusal(client.predict, "v2", [1], endpoint=versions.model)
    assert "version 'v2' is not deployed" in error.message and "there are 'v1'" in error.message
    error = refusal(client.predict, "nobody", [1])
    assert error.error_code == "RESOURCE_DOES_NOT_EXIST" and "'nobody'" in error.message


def test_what_the_model_says_is_heard(versions, client):
    for call in (client.predict, lambda *args: list(client.predict_stream(*args))):
        error = refusal(call, versions.model, [1, "x"])
        assert error.error_code == "INVALID_PARAMETER_VALUE"
        assert "the container answered 400: an instance is no number" in error.message
        assert "hint: the predictor could not handle them" in error.message


def test_many_rows_go_in_requests_that_the_service_takes(versions, client):
    frame = pd.DataFrame({"n": np.arange(40_000), "pad": "x" * 80})
    before = len(versions.emulator.requests())
    answer = client.predict(versions.model, frame)
    assert answer["predictions"] == (2 * frame["n"]).tolist()
    sent = versions.emulator.requests()[before:]
    sizes = [int(one["requestHeaders"]["content-length"]) for one in sent if "redict" in one["path"]]
    assert len(sizes) == 3 and max(sizes) <= 1_500_000
    assert answer["answeredBy"] == {"v1": 3}


def test_a_stream_is_answered_bit_by_bit(versions, client):
    before = len(versions.emulator.requests())
    stream = client.predict_stream(versions.model, (n for n in range(1000)))
    assert next(stream) == {"predictions": [0]}
    assert list(stream) == [{"predictions": [2 * n]} for n in range(1, 1000)]
    asked = [one for one in versions.emulator.requests()[before:] if "redict" in one["path"]]
    assert len(asked) == 16
    request = {"instances": [1], "parameters": {"plus": 1}}
    assert list(client.predict_stream(versions.model, request)) == [{"predictions": [3]}]


def test_a_stream_that_nobody_reads_ends_its_program(versions, client):
    stream = client.predict_stream(versions.model, list(range(100_000)))
    next(stream)
    assert len(children()) == 1
    stream.close()
    deadline = time.monotonic() + 10
    while children():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children():
    """Programs of ours that this process runs."""
    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "comm="], capture_output=True, text=True, check=False
    )
    return [name for name in listed.stdout.split() if name == "aip-predict"]


def test_explanations_need_a_specification_of_them(versions, client):
    error = refusal(client.explain, versions.model, pd.DataFrame({"n": [1]}))
    assert error.error_code == "INVALID_PARAMETER_VALUE"
    assert "does not support explanations" in error.message
    assert "explanationSpec" in error.message


def test_explanations_come_with_the_predictions(faulty, enter, client):
    told = {"predictions": [1.5], "explanations": [{"attributions": [{"a": 0.25}]}]}
    endpoint = {"name": "e", "deployedModels": [], "trafficSplit": {}}
    service = faulty(404, lambda method, path: (200, told if path.endswith(":explain") else endpoint))
    enter({"CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": service.url})
    assert client.explain("iris", pd.DataFrame({"n": [1]})) == told


def test_ai_platform_answers_too(pipeline, emulator, enter):
    pipeline.run()
    enter(emulator.env)
    model = pipeline.env["model_name"]
    client = AIPlatformDeploymentClient("aiplatform://emulator?target=ai-platform")
    assert client.predict(model, pd.DataFrame({"x": [1, 2.5]})) == {"predictions": [2, 5]}
    assert client.predict("v1", pd.DataFrame([[1], [2.5]]), endpoint=model)["predictions"] == [2, 5]
    assert [*client.predict_stream(model, [[3]])] == [{"predictions": [6]}]
    error = refusal(client.explain, model, [[1]])
    assert error.error_code == "INVALID_PARAMETER_VALUE" and "'vertex'" in error.message

