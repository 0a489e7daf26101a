"""The document's contract, through the tools as they are built."""

import json
import os
import re
import subprocess

import jsonschema
import pytest

from support.pipeline import NAMES
from support.places import PIPE_TOOLS, ROOT, TOOLS, tool

DOCUMENT = {"apiVersion": "mlflow-aip/v1", "kind": "Deployment", "spec": {}, "stages": {}}

READERS = {
    "mlf-fetch": ("mlf-fetch", "--document", "-", "runs:/0123456789abcdef0123456789abcdef/model"),
    "aip-bundle": ("aip-bundle",),
    "aip-upload": ("aip-upload",),
    "aip-model": ("aip-model", "create"),
    "aip-version": ("aip-version", "create"),
    "aip-version wait": ("aip-version", "wait"),
    "aip-predict": ("aip-predict", "--document", "-", "--instances", "instances.json"),
}

BAD_INPUTS = {
    "empty": "",
    "blank": " \n",
    "truncated": '{"apiVersion": "mlflow-aip/v1", "kind": "Depl',
    "no object": "[]",
    "wrong kind": json.dumps(DOCUMENT | {"kind": "Pod"}),
    "unknown version": json.dumps(DOCUMENT | {"apiVersion": "mlflow-aip/v9"}),
    "second value": json.dumps(DOCUMENT) + "\n" + json.dumps(DOCUMENT),
    "65 MiB": json.dumps(DOCUMENT) + " " * (65 << 20),
    "no utf-8": b'{"kind": "\xff"}',
    "unusable field": json.dumps(DOCUMENT | {"spec": {"project": 7}}),
    "stage missing": json.dumps(DOCUMENT),
}


@pytest.mark.parametrize("name", READERS)
def test_bad_input_is_exit_3(outcome, faulty, local, name, snapshot):
    """And nothing is sent anywhere."""
    service = faulty(500)
    env = service.env() | {"project_id": "p", "production_bucket": "bucket", "model_name": "m",
                           "version_name": "v"}
    texts = []
    for what, content in BAD_INPUTS.items():
        if name in ("mlf-fetch", "aip-predict") and what == "stage missing":
            continue  # They need no stage; names are in the environment here.
        done = outcome(*READERS[name], stdin=content, env=env)
        assert (done.status, done.stdout) == (3, ""), what
        texts.append(f"# {what}\n{done.text()}")
    assert service.seen == []
    assert "\n\n".join(texts) == snapshot


def test_a_chain_stops_at_its_beginning(env, faulty, tmp_path, snapshot):
    """Even without pipefail: each stage says why, and nothing is touched."""
    service = faulty(500)
    script = 'false | aip-bundle | aip-upload | aip-model create; echo "${PIPESTATUS[@]}"'
    done = subprocess.run(
        ["bash", "-c", script], env=env | service.env(), cwd=tmp_path,
        capture_output=True, text=True, timeout=60, check=True,
    )
    assert done.stdout == "1 3 3 3\n"
    assert sorted(done.stderr.splitlines()) == snapshot
    assert service.seen == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TOOLS)
def test_help_has_examples_and_the_exit_table(outcome, name):
    done = outcome(name, "--help")
    assert (done.status, done.stderr) == (0, "")
    assert re.search(rf"^Examples:\n  .*{name}", done.stdout, re.MULTILINE)
    assert re.search(r"^Exit status:$", done.stdout, re.MULTILINE)
    assert re.fullmatch(rf"{name} \d+\.\d+\.\d+\n", outcome(name, "--version").stdout)


@pytest.mark.parametrize("name", TOOLS)
def test_unknown_flags_are_exit_2(outcome, name):
    done = outcome(name, "--no-such-flag")
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{name}: error: ")
    assert all(line.startswith(f"{name}: ") for line in done.stderr.splitlines())


@pytest.fixture
def fetched(outcome, pipeline):
    """A document that the next stage can use without any service."""
    pipeline.run(last="bundle")
    return pipeline


def test_a_full_or_broken_stdout_is_exit_1(fetched, env):
    text = fetched.documents["fetch"]
    options = {"input": text.encode(), "env": env | fetched.env, "timeout": 60, "check": False}
    with open("/dev/full", "wb") as full:
        done = subprocess.run([tool("aip-bundle")], stdout=full, stderr=subprocess.PIPE, **options)
    assert done.returncode == 1
    assert b"aip-bundle: error: cannot write the document to stdout\n" in done.stderr
    assert b"aip-bundle: caused by: No space left on device" in done.stderr

    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([tool("aip-bundle")], stdout=writing, stderr=subprocess.PIPE, **options)
    os.close(writing)
    assert done.returncode == 1 and b"stdout" in done.stderr


MARK = '{"text":"é \\u0000 日本 😀","big":123456789012345678901234567890,"small":1e-400,"null":null}'


def marked(text):
    """Puts what nobody knows into every object of a document that has fields.
    Settings that are passed on to the service as they are have none to spare."""
    if not text:
        return text

    def mark(value, path):
        if isinstance(value, list):
            return [mark(child, path) for child in value]
        if not isinstance(value, dict):
            return value
        children = {
            key: mark(child, f"{path}.{key}") for key, child in value.items() if key != "x-unknown"
        }
        whole = re.search(r"\.(flavors|signature|notes|aiPlatform\.\w+)\b", path)
        return children if whole else children | {"x-unknown": "MARK"}

    return json.dumps(mark(json.loads(text), "")).replace('"MARK"', MARK)


def test_unknown_fields_survive_every_stage(pipeline):
    """At every level, digit for digit."""
    sent = []

    def between(text):
        sent.append(marked(text))
        return sent[-1]

    pipeline.run(between=between)
    for name, before in zip(NAMES[1:], sent[1:], strict=True):
        after = pipeline.documents[name]
        assert re.sub(r"\s", "", before).count(re.sub(r"\s", "", MARK)) > 5
        lost = missing(json.loads(before, parse_float=str), json.loads(after, parse_float=str), "")
        assert not [path for path in lost if "x-unknown" in path], name
        assert "123456789012345678901234567890" in after


def missing(before, after, path):
    """Where `after` lacks what `before` has."""
    if isinstance(before, dict):
        for key, value in before.items():
            if not isinstance(after, dict) or key not in after:
                yield f"{path}.{key}"
            else:
                yield from missing(value, after[key], f"{path}.{key}")
    elif isinstance(before, list):
        for i, value in enumerate(before):
            if not isinstance(after, list) or i >= len(after):
                yield f"{path}[{i}]"
            else:
                yield from missing(value, after[i], f"{path}[{i}]")
    elif before != after and "x-unknown" in path:
        yield path


def test_documents_are_one_line_and_fit_the_published_schema(pipeline):
    pipeline.run()
    schema = json.loads((ROOT / "docs/deployment.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for text in pipeline.documents.values():
        assert text.endswith("}\n") and text.count("\n") == 1
        jsonschema.validate(json.loads(text), schema)
    broken = json.loads(text)
    broken["stages"]["version"]["created"] = "yes"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_flag_document_environment(outcome, pipeline):
    """The order of precedence, as -v tells it."""
    pipeline.run(last="bundle")
    document = json.loads(pipeline.documents["bundle"])
    document["spec"]["bucket"] = "from-document"
    args = ("aip-upload", "-v", "--dry-run")
    env = pipeline.env | {"production_bucket": "from-environment"}

    def bucket(stdin, *more):
        done = outcome(*args, *more, stdin=stdin, env=env)
        assert done.status == 0, done.stderr
        return json.loads(done.stdout)["spec"]["bucket"], done.stderr

    value, said = bucket(document, "--bucket", "from-flag")
    assert value == "from-flag" and "bucket = 'from-flag' (from --bucket)" in said
    value, said = bucket(document)
    assert value == "from-document" and "(from spec.bucket)" in said
    del document["spec"]["bucket"]
    value, said = bucket(document)
    assert value == "from-environment" and "(from environment variable production_bucket)" in said


def test_a_dry_run_touches_nothing(outcome, local, faulty, tmp_path):
    """From the first stage to the last, over a service that must not be asked."""
    service = faulty(500)
    env = service.env() | local.env("bucket", "model")
    before = sorted(tmp_path.rglob("*"))
    text = ""
    for command in (("mlf-fetch", "--dry-run"), ("aip-bundle",), ("aip-upload",),
                    ("aip-model", "create"), ("aip-version", "create")):
        done = outcome(*command, stdin=text, env=env)
        assert done.status == 0, done.stderr
        text = done.stdout
    assert json.loads(text)["spec"]["dryRun"] is True
    assert service.seen == [] and sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", PIPE_TOOLS)
def test_messages_as_json(outcome, name):
    verb = ("create",) if name in ("aip-model", "aip-version") else ()
    verb = ("--document", "-", "--instances", "x") if name == "aip-predict" else verb
    stdin = "nothing" if name != "mlf-fetch" else ""
    done = outcome(name, "--log-format", "json", *verb, stdin=stdin)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.status in (2, 3) and events
    assert all(event["tool"] == name for event in events)
    assert events[-1]["severity"] == "error" and events[-1]["message"]


@pytest.mark.parametrize("target", ["vertex", "ai-platform"])
def test_messages_as_json_have_the_services_status(outcome, emulator, target):
    """A program tells by it what is not there from what may not be seen."""
    args = ("aip-model", "get", "--target", target, "--model", "nowhere", "--log-format", "json")
    done = outcome(*args, env=emulator.env)
    assert done.status == 4
    assert json.loads(done.stderr.splitlines()[-1])["httpStatus"] == 404
