"""How an upload tells that it gets on: a bar to who watches, events to a program,
nothing to a file."""

import json
import os

import pytest

from support.places import tool
from support.terminal import watched

FILES = 6  # the package, four of the model, and one of some size


@pytest.fixture
def bundled(pipeline, local):
    (local.directory / "weights.bin").write_bytes(os.urandom(300_000))
    pipeline.run(last="bundle")
    # What a terminal's shell says of it.
    pipeline.env["TERM"] = "xterm"
    return pipeline


def said(stdout):
    """Where to, and how many bytes went there."""
    document = json.loads(stdout)
    upload, spec = document["stages"]["upload"], document["spec"]
    assert len(upload["objects"]) == FILES
    return f"gs://{spec['bucket']}/{spec['route']}/{spec['version']}/", upload["notes"]["bytesSent"]


@pytest.fixture
def upload(bundled, env, tmp_path):
    def call(*args):
        done = watched(
            [tool("aip-upload"), *args], env=env | bundled.env, cwd=tmp_path,
            stdin=bundled.documents["bundle"], columns=160,
        )
        assert done.status == 0, done.stderr
        return done.stdout, done.stderr

    return call


def test_who_watches_sees_a_bar(upload):
    stdout, shown = upload("--limit-rate", "1M")
    place, sent = said(stdout)
    *drawn, last = shown.split("\r\x1b[2K")
    assert any(f"to {place} " in line and f"/{FILES} files) █" in line for line in drawn), drawn
    summary = f"aip-upload: {FILES} of {FILES} objects sent ({sent} bytes) to '{place}'\r\n"
    assert last == summary, "the bar is gone"


def test_who_wants_quiet_sees_none(upload):
    stdout, shown = upload("--quiet")
    assert said(stdout) and shown == ""


def test_a_file_gets_no_bar(bundled, outcome):
    done = outcome("aip-upload", stdin=bundled.documents["bundle"], env=bundled.env)
    place, sent = said(done.stdout)
    summary = f"aip-upload: {FILES} of {FILES} objects sent ({sent} bytes) to '{place}'\n"
    assert done.stderr == summary


def test_a_program_gets_events(bundled, outcome):
    done = outcome(
        "aip-upload", "--log-format", "json", stdin=bundled.documents["bundle"], env=bundled.env
    )
    place, sent = said(done.stdout)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    *_, told = [event for event in events if event.get("event") == "progress"]
    del told["seconds"]
    assert told == {
        "tool": "aip-upload", "severity": "info", "event": "progress", "stage": "upload",
        "message": f"to {place}", "bytes": {"done": sent, "total": sent},
        "files": {"done": FILES, "total": FILES},
    }
