"""What the tools say and do when something is wrong."""

import json
import os
import signal
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from support.local import MLMODEL
from support.pipeline import STAGES, Pipeline
from support.places import tool

HOW = [401, 403, 404, 409, 429, 500, "closes", "silent"]
RUN = "0123456789abcdef0123456789abcdef"

# Enough to see that there are retries, without waiting for them.
IMPATIENT = {"AIP_MAX_RETRIES": "1", "AIP_HTTP_TIMEOUT": "1"}

EXPECTED = {401: 4, 403: 4, 404: 4, 409: 4, 429: 5, 500: 5, "closes": 5, "silent": 5}


@pytest.mark.parametrize(
    "command",
    [
        ("mlf-fetch", RUN),
        ("aip-upload",),
        ("aip-model", "create"),
        ("aip-model", "list"),
        ("aip-version", "create"),
        ("aip-version", "delete"),
        ("aip-predict", "--model", "iris", "--instances", "instances.json"),
    ],
    ids=" ".join,
)
def test_a_service_that_is_not_well(command, pipeline, outcome, faulty, snapshot):
    last = {"aip-upload": "bundle", "aip-model": "upload", "aip-version": "model"}.get(command[0])
    stdin = ""
    if last and command[-1] != "list":
        pipeline.run(last=last)
        stdin = pipeline.documents[last]
    texts = []
    for how in HOW:
        service = faulty(how)
        env = pipeline.env | {"model_name": "iris"} | service.env() | IMPATIENT
        done = outcome(*command, stdin=stdin, env=env, timeout=60)
        assert service.seen, "it was not asked"
        # What is gone already is as good as deleted.
        is_gone = "delete" in command and how == 404
        assert (done.stdout == "") is not is_gone
        assert all(line.startswith(f"{command[0]}: ") for line in done.stderr.splitlines())
        retried = max(service.seen.count(request) for request in service.seen) > 1
        assert done.status == (0 if is_gone else EXPECTED[how]), how
        assert retried is (EXPECTED[how] == 5), how
        texts.append(f"# {how}\n{shown(done, pipeline)}")
    assert "\n\n".join(texts) == snapshot


def fails_at(pipeline, outcome, stage, **options):
    """Runs up to the stage before; the outcome of this one."""
    names = [command[0] for command in STAGES]
    at = names.index(stage)
    if at:
        pipeline.run(last=["fetch", "bundle", "upload", "model"][at - 1])
        options["stdin"] = list(pipeline.documents.values())[-1]
    return outcome(*STAGES[at], env=pipeline.env, **options)


def shown(done, pipeline):
    text = done.text()
    for name in ("production_bucket", "model_name"):
        text = text.replace(pipeline.env[name], name.upper())
    return text


def test_a_predictor_that_does_not_load(pipeline, outcome, local, snapshot):
    local.predictor.write_text(
        local.predictor.read_text().replace("for directory", 'raise ValueError("no weights")\n        for directory')
    )
    done = fails_at(pipeline, outcome, "aip-version")
    assert (done.status, done.stdout) == (1, "")
    assert shown(done, pipeline) == snapshot


def test_a_predictor_that_raises(pipeline, outcome, tmp_path, snapshot):
    """The service answers 200 and an error; that is a failure all the same."""
    pipeline.run()
    (tmp_path / "bad.json").write_text('{"instances": [["no number"]]}')
    name = pipeline.env["model_name"]
    done = outcome("aip-predict", "--model", name, "--instances", "bad.json", env=pipeline.env)
    assert done.status != 0 and done.stdout == ""
    assert shown(done, pipeline) == snapshot


def test_a_template_that_does_not_render(pipeline, outcome, tmp_path, snapshot):
    template = tmp_path / "predictor.py.tera"
    template.write_text("class Predictor:\n    uri = {{ no_such_thing | py }}\n")
    pipeline.env["prediction_script"] = str(template)
    done = fails_at(pipeline, outcome, "aip-bundle")
    assert (done.status, done.stdout) == (1, "")
    assert shown(done, pipeline) == snapshot


def test_a_template_that_is_no_python(pipeline, outcome, local, snapshot):
    local.predictor.write_text("class Predictor:\n    def predict(self, instances:\n")
    done = fails_at(pipeline, outcome, "aip-bundle")
    assert (done.status, done.stdout) == (1, "")
    assert shown(done, pipeline) == snapshot


def test_a_bucket_that_is_not_there(pipeline, outcome, snapshot):
    pipeline.env["production_bucket"] = "nobody-made-this-bucket"
    done = fails_at(pipeline, outcome, "aip-upload")
    assert (done.status, done.stdout) == (4, "")
    assert shown(done, pipeline) == snapshot


def test_a_model_that_is_not_there(pipeline, outcome, snapshot):
    name = "nobody_made_this"
    done = outcome(
        "aip-predict", "--model", name, "--instances", "instances.json", env=pipeline.env
    )
    assert (done.status, done.stdout) == (4, "")
    assert done.text() == snapshot


HOSTILE = ["../../evil", "/etc/evil", "a/../../evil", "a//b", "nul\0", "./a", "..", "sub/..",
           "MLmodel/below"]
VALID = MLMODEL.format(python="3.11.7")


def listing(name):
    """Answers of an MLflow server whose run has a model with a file of this name."""
    sizes = {"MLmodel": len(VALID), name: 5}
    run = {
        "info": {"run_id": RUN, "experiment_id": "1", "status": "FINISHED",
                 "artifact_uri": f"mlflow-artifacts:/1/{RUN}/artifacts"},
        "data": {"tags": []}, "outputs": {},
    }

    def files(root):
        return [{"path": root + path, "is_dir": False, "file_size": size} for path, size in sizes.items()]

    def answers(method, path):
        if "/runs/get" in path:
            return 200, {"run": run}
        if "/artifacts/list" in path:
            return 200, {"root_uri": run["info"]["artifact_uri"], "files": files("model/")}
        if "mlflow-artifacts/artifacts?" in path:
            return 200, {"files": files("")}
        if "/logged-models/search" in path:
            return 200, {}
        if "/mlflow-artifacts/artifacts/" in path or "get-artifact" in path:
            return 200, VALID.encode() if path.endswith("MLmodel") else b"evil!"
        return None

    return answers


def test_hostile_names_in_a_listing(outcome, faulty, tmp_path, snapshot):
    """Nothing is written outside of the model's directory, nor taken as done."""
    place = tmp_path / "deep" / "er"
    place.mkdir(parents=True)

    def fetch(name):
        service = faulty(404, listing(name))
        env = {"tracking_uri": service.url, "tmp_dir": str(place / "work")} | IMPATIENT
        return outcome("mlf-fetch", f"runs:/{RUN}/model", env=env)

    texts = []
    for name in HOSTILE:
        done = fetch(name)
        assert (done.status, done.stdout) == (1, ""), (name, done.stderr)
        texts.append(f"# {name!r}\n{done.text()}")
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert written == [] and not os.path.exists("/etc/evil"), name
    assert "\n\n".join(texts) == snapshot
    # It was the name that was wrong.
    done = fetch("a file")
    assert done.status == 0, done.stderr
    files = json.loads(done.stdout)["stages"]["fetch"]["files"]
    assert [file["path"] for file in files] == ["MLmodel", "a file"]


@pytest.mark.parametrize("name", ["../../evil", "/evil", "a/../../../evil"])
def test_hostile_names_in_a_bucket(name, outcome, emulator, bucket, tmp_path, snapshot):
    for path, content in (("MLmodel", VALID), (name, "evil!")):
        where = urllib.parse.quote(f"model/{path}", safe="")
        request = urllib.request.Request(
            f"{emulator.url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={where}",
            content.encode(), {"Content-Type": "text/plain"},
        )
        urllib.request.urlopen(request, timeout=30).close()
    place = tmp_path / "deep" / "er" / "still"
    place.mkdir(parents=True)
    done = outcome("mlf-fetch", f"gs://{bucket}/model", env=emulator.env | {"tmp_dir": str(place / "work")})
    assert (done.status, done.stdout) == (1, "")
    assert done.text().replace(bucket, "BUCKET") == snapshot
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_ctrl_c_says_how_to_go_on(pipeline, emulator, local, env, tmp_path):
    """And going on as it says works, on a version that is slow to load."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    local.predictor.write_text(
        local.predictor.read_text().replace("for directory", f'open({str(gate)!r}).read()\n        for directory')
    )
    pipeline.run(last="model")
    before = len(emulator.requests("GET"))
    waiting = subprocess.Popen(
        [tool("aip-version"), "create"], env=env | pipeline.env, cwd=tmp_path, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A test run in the background ignores Ctrl-C, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    waiting.stdin.write(pipeline.documents["model"])
    waiting.stdin.close()
    waiting.stdin = None
    deadline = time.monotonic() + 60
    while not any("/operations/" in e["path"] for e in emulator.requests("GET")[before:]):
        assert time.monotonic() < deadline and waiting.poll() is None
        time.sleep(0.05)
    waiting.send_signal(signal.SIGINT)
    stdout, stderr = waiting.communicate(timeout=30)
    assert (waiting.returncode, stdout) == (130, ""), stderr
    assert "aip-version: hint: run the same command again" in stderr

    # It goes on: the predictor may load now.
    with open(gate, "w") as writer:
        writer.write("go")
    document = pipeline.run(first="version")
    assert document["stages"]["version"]["state"] == "READY"


def test_credentials_do_not_go_over_http(pipeline, outcome, tmp_path):
    token = tmp_path / "token"
    token.write_text("sesame")
    env = pipeline.env | {"CLOUDSDK_API_ENDPOINT_OVERRIDES_ML": "http://192.0.2.1:9/"}
    done = outcome(
        "aip-model", "list", "--project", "p", "--access-token-file", str(token), env=env | IMPATIENT
    )
    assert done.status != 0 and "sesame" not in done.stdout + done.stderr
    assert "http" in done.stderr


def test_secrets_are_nowhere(outcome, emulator, local, bucket, unique, tmp_path):
    """A token and a password go through the whole pipeline and are never seen."""
    token = tmp_path / "token"
    token.write_text("sesame-token")
    env = emulator.env | local.env(bucket, unique) | {
        "GOOGLE_OAUTH_ACCESS_TOKEN": "sesame-env",
        "MLFLOW_TRACKING_PASSWORD": "sesame-password", "MLFLOW_TRACKING_USERNAME": "ana",
        "tracking_uri": "http://ana:sesame-uri@127.0.0.1:9/",
    }
    said, before = [], len(emulator.requests())

    def spied(*args, **options):
        done = outcome(*args, "-vv", **options)
        said.append(done.stdout + done.stderr)
        return done

    spied.directory = tmp_path
    Pipeline(spied, env).run()
    assert len(said) == 5 and "sesame" not in "".join(said)
    asked = emulator.requests()[before:]
    assert asked and all("authorization" in entry["requestHeaders"] for entry in asked)
    assert json.loads(said[0].splitlines()[0])["spec"].get("trackingUri") != env["tracking_uri"]
