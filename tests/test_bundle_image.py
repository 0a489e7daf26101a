"""Bundles for Vertex AI with the real uv, pip and a registry."""

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from support import images
from support.index import Index
from support.outcome import run
from support.places import VENV, tool

MINOR = "%d.%d" % sys.version_info[:2]


class Bundler:
    """Bundles one local model, on a base of one file."""

    def __init__(self, outcome, local, directory):
        self.index = Index(directory)
        images.make_layout(directory / "base", {"etc/os-release": b"ID=test\n"})
        self.outcome, self.directory = outcome, directory
        self.env = self.index.env() | {"AIP_TARGET": "vertex", "tmp_dir": str(directory / "work")}
        (local.directory / "requirements.txt").write_text("mlflow==1.0\n")
        self.script = str(local.predictor)
        # What the article's predictor wants to know; the image has no use for it.
        local.predictor.write_text(local.predictor.read_text().replace("MODEL_ARTIFACT_URI", "x"))
        self.fetched = outcome("mlf-fetch", str(local.directory), env=self.env).stdout

    def run(self, *args, env=None, base="oci:base", command=None):
        base = ["--base-image", base] if base else []
        args = ["--prediction-script", self.script, *base, *args]
        return self.outcome(
            command or "aip-bundle", *args, stdin=self.fetched, env=self.env | (env or {})
        )

    def bundle(self, *args, **options):
        done = self.run(*args, **options)
        assert done.status == 0, done.stderr
        return json.loads(done.stdout)["stages"]["bundle"]


@pytest.fixture
def bundler(outcome, local, tmp_path):
    return Bundler(outcome, local, tmp_path)


def test_installers_take_the_wheel(bundler, tmp_path, env):
    bundle = bundler.bundle("--image", "ghcr.io/acme/server", base=None)
    wheel = Path(bundle["directory"]) / bundle["wheel"]["path"]
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        info = next(name for name in archive.namelist() if name.endswith("/RECORD"))
        for line in archive.read(info).decode().splitlines():
            path, digest, size = line.rsplit(",", 2)
            if path != info:
                content = archive.read(path)
                found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
                assert (digest, size) == ("sha256=" + found.decode(), str(len(content)))
    # A virtual environment of uv's has no pip of its own.
    python = sys._base_executable
    for installer in ([VENV / "bin/uv", "pip"], [python, "-m", "pip", "-q"]):
        place = tmp_path / f"by-{len(installer)}"
        args = [*installer, "install", "--no-deps", "--no-index", "--target", place, wheel]
        done = run(args, env=env | bundler.index.env(), cwd=tmp_path)
        assert done.status == 0, done.stderr
        look = (
            "import importlib.metadata as m, mlflow_aip_serving.messages, predictor\n"
            "d = m.distribution('deploy_from_script')\n"
            "print(d.version, sorted(d.requires), d.metadata['Requires-Python'])"
        )
        done = run([sys.executable, "-c", look], env=env | {"PYTHONPATH": str(place)}, cwd=tmp_path)
        wanted = ["httptools", "mlflow-skinny==1.0", "numpy", "pandas", "starlette", "uvicorn"]
        assert done.stdout == f"1 {wanted} >={MINOR}\n", done.stderr


def test_digests_are_the_same_under_other_pythons_and_masks(bundler, tmp_path):
    first = bundler.bundle("--no-expected", "--output", "one")
    digests = {first["digest"]}
    pythons = [path for path in map(shutil.which, ("python3", "/usr/bin/python3")) if path]
    for number, python in enumerate(pythons):
        command = tmp_path / f"masked-{number}"
        command.write_text(f'#!/bin/sh\numask 077\nexec {tool("aip-bundle")} "$@"\n')
        command.chmod(0o755)
        other = bundler.bundle(
            "--no-expected", "--output", f"two-{number}", command=command,
            env={
                "UV_PYTHON": python, "tmp_dir": str(tmp_path / f"work-{number}"),
                "TZ": "Asia/Tokyo", "UV_LINK_MODE": "copy", "UV_COMPILE_BYTECODE": "1",
            },
        )
        digests.add(other["digest"])
    assert len(pythons) > 0 and len(digests) == 1


def test_a_requirement_without_a_wheel(bundler, emulator):
    args = ["--requirement", "from-sources==1.0"]
    done = bundler.run(*args)
    assert (done.status, done.stdout) == (3, "")
    assert "error: no wheel for 'from-sources' that runs on linux/amd64\n" in done.stderr
    assert "hint: give --builder cloud-build" in done.stderr

    base = f"{emulator.url.removeprefix('http://')}/library/python:{{python}}-slim"
    bundle = bundler.bundle(*args, "--builder", "cloud-build", base=base)
    directory = Path(bundle["directory"])
    assert "from-sources==1.0 \\\n    --hash=sha256:" in (directory / bundle["lock"]["path"]).read_text()
    assert f"FROM {bundle['image']['base']}\n" in (directory / "Dockerfile").read_text()
    assert "@sha256:" in bundle["image"]["base"]
    assert bundle["image"]["builder"] == "cloud-build" and "digest" not in bundle["image"]
    listed = {file["path"] for file in json.loads((directory / "bundle.json").read_text())["files"]}
    assert {"Dockerfile", "cloudbuild.json", "requirements.lock"} <= listed
    assert not (directory / "image").exists()


def test_a_base_by_digest_needs_no_registry_twice(bundler, own_emulator):
    host = own_emulator.url.removeprefix("http://")
    named = bundler.bundle("--no-expected", base=f"{host}/library/python:{{python}}-slim")
    assert named["image"]["base"].startswith(f"{host}/library/python@sha256:")
    own_emulator.end()
    again = bundler.bundle("--no-expected", base=named["image"]["base"])
    assert again["image"]["digest"] == named["image"]["digest"]
    done = bundler.run("--no-expected", base=f"{host}/library/python:{MINOR}-slim")
    assert done.status == 5, done.stderr


def test_what_it_answers_is_recorded(bundler, local):
    (local.directory / "example.json").write_text('{"dataframe_split": {"columns": ["x"], "data": [[1.5]]}}')
    mlmodel = local.directory / "MLmodel"
    mlmodel.write_text(
        mlmodel.read_text()
        + "saved_input_example_info:\n  artifact_path: example.json\n  type: dataframe\n"
    )
    bundler.fetched = bundler.outcome("mlf-fetch", str(local.directory), env=bundler.env).stdout
    bundle = bundler.bundle()
    expected = Path(bundle["directory"]) / bundle["expected"]["path"]
    assert json.loads(expected.read_text()) == {"instances": [{"x": 1.5}], "predictions": [3.0]}


def test_ctrl_c_leaves_nothing_half(bundler, tmp_path, env):
    uv = tmp_path / "slow-uv"
    real = VENV / "bin/uv"
    uv.write_text(
        f'#!/bin/sh\ncase "$*" in "pip install"*) mkdir -p site/half; touch {tmp_path}/begun; exec sleep 30;; esac\n'
        f'exec {real} "$@"\n'
    )
    uv.chmod(0o755)
    args = [tool("aip-bundle"), "--prediction-script", bundler.script, "--base-image", "oci:base"]
    process = subprocess.Popen(
        args, env=env | bundler.env | {"UV": str(uv)}, cwd=tmp_path, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )
    process.stdin.write(bundler.fetched)
    process.stdin.close()
    end = time.monotonic() + 30
    while not (tmp_path / "begun").exists() and time.monotonic() < end:
        time.sleep(0.02)
    # To the whole group, as a terminal does.
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=10) == 130
    assert process.stdout.read() == ""
    assert "interrupted; no bundle was written\n" in process.stderr.read()
    assert not (tmp_path / "work/bundles").exists()
    bundle = bundler.bundle("--no-expected")
    layers = Path(bundle["directory"]) / "image/index.json"
    assert layers.exists() and not list(tmp_path.glob("work/cache/sites/*/half"))
