"""The whole pipeline with real models, and what it does the second time."""

import json
import math

import pytest

from support.models import KINDS
from support.pipeline import NAMES, Pipeline


def equal(served, own):
    if isinstance(own, float):
        return math.isclose(served, own, rel_tol=1e-12)
    if isinstance(own, list):
        return len(served) == len(own) and all(map(equal, served, own))
    return served == own


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("major", [3, 2])
def test_predictions_are_the_models_own(
    mlflow_server, logged, emulator, bucket, outcome, unique, tmp_path, major, kind
):
    model = logged(major)[kind]
    env = emulator.env | {
        "run_id": model["run_id"],
        "tracking_uri": mlflow_server(major).uri,
        "project_id": "emulator",
        "production_bucket": bucket,
        "production_route": f"models/{kind}",
        "tmp_dir": str(tmp_path / "work"),
        "model_name": unique,
        "version_name": "v1",
    }
    pipeline = Pipeline(outcome, env)
    document = pipeline.run()
    assert document["stages"]["version"]["state"] == "READY"
    assert document["stages"]["fetch"]["lineage"]["runId"] == model["run_id"]
    answer = pipeline.predict(model["request"])
    assert equal(answer["predictions"], model["predictions"]), answer


@pytest.mark.parametrize("major", [3, 2])
def test_a_server_with_a_direct_root(mlflow_server, outcome, tmp_path, major):
    """Artifacts that the server does not pass on lie where it says."""
    server = mlflow_server(major, proxied=False)
    model = server.log("bare")["bare"]
    env = {"tracking_uri": server.uri, "tmp_dir": str(tmp_path / "work")}
    for uri in (model["run_id"], f"runs:/{model['run_id']}/model"):
        done = outcome("mlf-fetch", uri, env=env)
        assert done.status == 0, done.stderr
        fetch = json.loads(done.stdout)["stages"]["fetch"]
        assert fetch["lineage"]["runId"] == model["run_id"] and "sklearn" in fetch["flavors"]


def identity(document):
    """What a stage has done, without what it says about it."""
    stages = json.loads(json.dumps(document["stages"]))
    for stage in stages.values():
        stage.pop("notes", None)
        stage.pop("created", None)
    return stages


def test_a_second_run_changes_nothing(pipeline, emulator):
    first = pipeline.run()
    assert first["stages"]["model"]["created"] and first["stages"]["version"]["created"]
    before = len(emulator.requests())
    second = pipeline.run()
    assert identity(second) == identity(first)
    assert not second["stages"]["model"]["created"] and not second["stages"]["version"]["created"]
    written = [
        entry for entry in emulator.requests()[before:]
        if entry["method"] not in ("GET", "HEAD") and entry["status"] < 400
    ]
    assert written == []


def test_a_stage_takes_up_its_own_document(pipeline):
    """`tee` anywhere, and go on from there."""
    first = pipeline.run()
    for name in NAMES[1:]:
        assert identity(pipeline.run(first=name)) == identity(first)


def test_a_changed_file_alone_is_sent_again(pipeline, local):
    pipeline.run(last="upload")
    (local.directory / "factor.txt").write_text("3.0")
    pipeline.env["version_name"] = "v1"
    document = pipeline.run(last="upload", flags={"upload": ("--overwrite",)})
    objects = document["stages"]["upload"]["objects"]
    assert 1 <= document["stages"]["upload"]["notes"]["objectsSent"] < len(objects)


def test_the_bundle_is_the_same_bytes_twice(pipeline, tmp_path):
    first = pipeline.run(last="bundle")["stages"]["bundle"]
    pipeline.env["tmp_dir"] = str(tmp_path / "elsewhere")
    second = pipeline.run(last="bundle")["stages"]["bundle"]
    assert second["directory"] != first["directory"]
    assert (second["digest"], second["sdist"]) == (first["digest"], first["sdist"])


def test_replace(pipeline, outcome, local):
    """Under the same name, also where it is the default and has a sibling."""
    pipeline.run()
    pipeline.run("--version-name", "v2", first="version", flags={"version": ("--version-name", "v2")})
    (local.directory / "factor.txt").write_text("10.0")
    pipeline.run(last="model", flags={"upload": ("--overwrite",)})
    done = outcome("aip-version", "create", stdin=pipeline.documents["model"], env=pipeline.env)
    assert (done.status, done.stdout) == (4, "") and "--replace" in done.stderr

    document = pipeline.run(first="version", flags={"version": ("--replace",)})
    assert document["stages"]["version"]["state"] == "READY"
    assert pipeline.predict({"instances": [[1]]}, "--version-name", "v1") == {"predictions": [10.0]}
    listed = json.loads(outcome("aip-version", "list", *names(pipeline), env=pipeline.env).stdout)
    default = [v["name"].rsplit("/")[-1] for v in listed["versions"] if v.get("isDefault")]
    assert default == ["v1"], "what was the default is the default"


def names(pipeline):
    return ("--project", "emulator", "--model", pipeline.env["model_name"])


def test_wait_takes_up_where_no_wait_left(pipeline, outcome):
    document = pipeline.run(flags={"version": ("--no-wait",)})
    assert document["stages"]["version"]["operation"].startswith("projects/emulator/operations/")
    done = outcome("aip-version", "wait", stdin=pipeline.documents["version"], env=pipeline.env)
    assert done.status == 0, done.stderr
    version = json.loads(done.stdout)["stages"]["version"]
    assert version["state"] == "READY" and "operation" not in version


def test_queries(pipeline, outcome):
    pipeline.run()
    pipeline.run(first="version", flags={"version": ("--version-name", "v2")})
    where, name = names(pipeline), pipeline.env["model_name"]

    def ask(*command):
        done = outcome(*command, *where, env=pipeline.env)
        assert done.status == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    assert ask("aip-model", "get")["name"] == f"projects/emulator/models/{name}"
    models = ask("aip-model", "list")["models"]
    assert f"projects/emulator/models/{name}" in [model["name"] for model in models]
    versions = ask("aip-version", "list")["versions"]
    assert sorted(v["name"].rsplit("/")[-1] for v in versions) == ["v1", "v2"]
    ask("aip-version", "set-default", "--version-name", "v2")
    assert ask("aip-version", "get", "--version-name", "v2")["isDefault"]

    refused = outcome("aip-model", "delete", *where, env=pipeline.env)
    assert refused.status == 4
    for version in ("v1", "v2", "v2"):
        ask("aip-version", "delete", "--version-name", version)
    ask("aip-model", "delete")
    assert outcome("aip-model", "get", *where, env=pipeline.env).status == 4


def test_labels_carry_the_lineage(pipeline, outcome):
    pipeline.run(flags={"version": ("--label", "team=flowers")})
    done = outcome("aip-version", "get", *names(pipeline), "--version-name", "v1", env=pipeline.env)
    labels = json.loads(done.stdout)["labels"]
    assert labels["team"] == "flowers"
    assert "fedcba9876543210fedcba9876543210" in labels.values(), labels


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("json", '{"instances": [[1], [2.5]]}'),
        ("json", "[[1], [2.5]]"),
        ("jsonl", "[1]\n[2.5]\n"),
        ("csv", "x\n1\n2.5\n"),
        ("csv", '"y","x"\r\n"a, b",1\r\n,2.5\r\n'),
    ],
)
def test_forms_of_instances(pipeline, outcome, tmp_path, format, content):
    pipeline.run()
    where = (*names(pipeline), "--format", format)
    (tmp_path / "rows").write_text(content)
    from_file = outcome("aip-predict", "--instances", "rows", *where, env=pipeline.env)
    from_stdin = outcome("aip-predict", "--instances", "-", *where, stdin=content, env=pipeline.env)
    for done in (from_file, from_stdin):
        assert done.status == 0, done.stderr
        numbers = [float(word) for word in done.stdout.replace("[", " ").replace("]", " ")
                   .replace(",", " ").split() if word.replace(".", "").isdigit()]
        assert numbers == [2.0, 5.0], done.stdout


def test_large_requests_are_split(pipeline, outcome, emulator, tmp_path):
    """At the service's limit of 1.5 MB; the answers are joined in order."""
    pipeline.run()
    rows = [[i, "x" * 1000] for i in range(4000)]
    (tmp_path / "rows.json").write_text(json.dumps({"instances": rows}))
    before = len(emulator.requests("POST"))
    done = outcome("aip-predict", "--instances", "rows.json", *names(pipeline), env=pipeline.env)
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout) == {"predictions": [2.0 * i for i in range(4000)]}
    asked = [entry for entry in emulator.requests("POST")[before:] if ":predict" in entry["path"]]
    assert len(asked) >= 3
