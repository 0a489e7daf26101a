"""Instances that cannot be sent: what aip-predict says, before it asks anyone."""

import pytest

FORMS = {
    "json": {
        "empty": "",
        "truncated": '{"instances": [[1], [2',
        "a number": "7",
        "a string": '"rows"',
        "no instances": '{"rows": [[1]]}',
        "instances that are no list": '{"instances": {"x": 1}}',
        "two values": "[[1]] [[2]]",
        "not a number": "[[NaN]]",
        "no utf-8": b'[["\xff"]]',
        "one instance too large": '[["' + "x" * 1_600_000 + '"]]',
    },
    "jsonl": {
        "truncated": "[1]\n[2",
        "no utf-8": b'[1]\n["\xff"]\n',
        "two values": "[1]\n[2] [3]\n",
    },
    "csv": {
        "empty": "",
        "ragged": "x,y\n1,2\n3\n",
        "no utf-8": b"x\n\xff\n",
    },
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_bad_instances(outcome, faulty, tmp_path, form, way, snapshot):
    service = faulty(500)
    texts = []
    for what, content in FORMS[form].items():
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "rows").write_bytes(content)
        done = outcome(
            "aip-predict", "--project", "p", "--model", "m", "--format", form, "--jobs", "1",
            "--instances", "rows" if way == "file" else "-",
            stdin=content if way == "stdin" else "", env=service.env() | {"AIP_MAX_RETRIES": "0"},
        )
        assert done.stdout == "", what
        texts.append(f"# {what}\n{done.text()}")
    assert service.seen == []
    assert "\n\n".join(texts) == snapshot


def test_rows_that_the_signature_does_not_allow(outcome, pipeline, emulator, tmp_path, snapshot):
    pipeline.run()
    before = len(emulator.requests("POST"))
    texts = []
    for content in ("y\n1\n", "x\n1\ntwo\n", ""):
        (tmp_path / "rows.csv").write_text(content)
        done = outcome(
            "aip-predict", "--document", "-", "--instances", "rows.csv",
            stdin=pipeline.documents["version"], env=pipeline.env,
        )
        assert (done.status, done.stdout) == (3, "")
        texts.append(done.text())
    assert len(emulator.requests("POST")) == before
    assert "\n\n".join(texts) == snapshot


def test_files_that_are_not_there(outcome, faulty, snapshot):
    service = faulty(500)
    env = service.env() | {"project_id": "p", "model_name": "m"}
    texts = [
        outcome("aip-predict", "--instances", name, "--model", "m", env=env).text()
        for name in ("nowhere.json", ".")
    ]
    texts.append(outcome("aip-predict", "--instances", "-", "--document", "-", env=env).text())
    assert service.seen == []
    assert "\n\n".join(texts) == snapshot
