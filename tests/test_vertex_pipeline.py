"""The whole pipeline to Vertex AI with real models, and what it does the
second time, on another machine, or after an end that nobody wished."""

import json

import pytest

from support.outcome import run
from support.pipeline import NAMES, STAGES, Pipeline
from support.places import tool
from test_pipeline import equal, identity


@pytest.fixture
def vertex(mlflow_server, logged, emulator, bucket, outcome, unique, session_dir):
    """The stages over a real model of MLflow 3, or 2. Dependencies are large,
    and so the tests share what is kept of them."""

    def make(kind, major=3, **more):
        model = logged(major)[kind]
        env = emulator.env | {
            "AIP_TARGET": "vertex",
            "run_id": model["run_id"],
            "tracking_uri": mlflow_server(major).uri,
            "project_id": "emulator",
            "production_bucket": bucket,
            "production_route": f"models/{kind}",
            "tmp_dir": str(session_dir / "vertex-work"),
            "model_name": unique.replace("_", "-"),
            "version_name": "v1",
        }
        pipeline = Pipeline(outcome, env | more)
        pipeline.model = model
        return pipeline

    return make


def serves(pipeline):
    answer = pipeline.predict(pipeline.model["request"])
    assert equal(answer["predictions"], pipeline.model["predictions"]), answer


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kind", "major"),
    [("sklearn", 3), ("pickled", 3), ("bare", 3), ("pyfunc", 3), ("xgboost", 3), ("sklearn", 2), ("pyfunc", 2)],
)
def test_predictions_are_the_models_own(vertex, kind, major):
    pipeline = vertex(kind, major)
    stages = pipeline.run()["stages"]
    assert stages["upload"]["image"]["uri"].endswith(stages["bundle"]["image"]["digest"])
    assert stages["version"]["name"].endswith("@1") and stages["version"]["traffic"] == 100
    serves(pipeline)


@pytest.mark.timeout(600)
def test_a_second_run_changes_nothing(vertex, emulator):
    pipeline = vertex("sklearn")
    first = pipeline.run()
    assert first["stages"]["model"]["created"] and first["stages"]["version"]["created"]
    before = len(emulator.requests())
    second = pipeline.run()
    assert identity(second) == identity(first)
    assert not second["stages"]["model"]["created"] and not second["stages"]["version"]["created"]
    written = [
        (entry["method"], entry["path"]) for entry in emulator.requests()[before:]
        if entry["method"] not in ("GET", "HEAD") and entry["status"] < 400
    ]
    assert written == []


@pytest.mark.timeout(600)
def test_the_model_may_lie_in_the_image(vertex):
    pipeline = vertex("sklearn")
    pipeline.run(flags={"bundle": ["--embed-model"]})
    serves(pipeline)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("stage", NAMES[1:])
def test_a_stage_that_was_killed_is_run_again(vertex, stage, env):
    """By SIGKILL, at several moments of it."""
    pipeline = vertex("bare")
    place = NAMES.index(stage)
    pipeline.run(last=NAMES[place - 1])
    before = pipeline.documents[NAMES[place - 1]]
    name, *args = STAGES[place]
    for seconds in (0.05, 0.3, 1.0):
        run(
            ["timeout", "-s", "KILL", str(seconds), tool(name), *args],
            env=env | pipeline.env, cwd=pipeline.outcome.directory, stdin=before,
        )
    pipeline.run(first=stage)
    serves(pipeline)


@pytest.mark.timeout(600)
def test_another_machine_makes_the_same_image(vertex, tmp_path, env):
    """Another umask, time, user's home and working directory."""
    pipeline = vertex("bare")
    first = pipeline.run(last="bundle")["stages"]["bundle"]
    (tmp_path / "home").mkdir()
    other = env | pipeline.env | {"tmp_dir": str(tmp_path / "other"), "HOME": str(tmp_path / "home")}
    done = run(
        ["bash", "-c", f"umask 077; cd /; exec {tool('aip-bundle')}"],
        env=other, cwd=tmp_path, stdin=edited(pipeline.documents["fetch"], tmp_path / "other"),
    )
    assert done.status == 0, done.stderr
    second = json.loads(done.stdout)["stages"]["bundle"]
    assert second["directory"] != first["directory"]
    assert (second["digest"], second["image"]) == (first["digest"], first["image"])


def edited(text, work):
    document = json.loads(text)
    document["spec"]["workDir"] = str(work)
    return json.dumps(document)
