"""The Makefile's stages, and installing."""

import os
import re
import subprocess
import sys

import pytest

from support.places import BIN, ROOT, TOOLS

FILES = ["1-fetch", "2-bundle", "3-upload", "4-model", "5-version"]


@pytest.fixture
def make(env, tmp_path):
    def run(*args, directory=ROOT, **variables):
        outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        return subprocess.run(
            ["make", "--no-print-directory", "-C", str(directory), f"BIN={BIN}", *args],
            env=outside | variables, capture_output=True, text=True, timeout=280, check=False,
        )

    return run


@pytest.fixture
def stages(make, env, pipeline, tmp_path):
    """`make …` on the local model; which documents are there, with their times."""
    out = tmp_path / "out"

    def run(*args):
        done = make(f"OUT={out}", *args, **(env | pipeline.env))
        times = {path.stem: path.stat().st_mtime_ns for path in out.glob("*.json")}
        return done, times

    run.out = out
    return run


def test_what_is_missing_is_made(stages):
    done, first = stages("version")
    assert done.returncode == 0, done.stderr
    assert sorted(first) == FILES
    done, second = stages("version")
    assert (done.returncode, second) == (0, first), done.stdout

    (stages.out / "3-upload.json").unlink()
    done, third = stages("version")
    assert done.returncode == 0, done.stderr
    assert [name for name in FILES if third[name] == first[name]] == FILES[:2]


def test_other_settings_make_other_documents(stages, pipeline):
    _, first = stages("bundle")
    pipeline.env["version_name"] = "v2"
    _, second = stages("bundle")
    assert all(second[name] > first[name] for name in FILES[:2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOOGLE_CLOUD_PROJECT", "other"),
        ("CLOUDSDK_CORE_PROJECT", "other"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_ML", "http://127.0.0.1:9/"),
        ("GOOGLE_CLOUD_REGION", "europe-west1"),
    ],
)
def test_so_do_the_variables_of_others(stages, pipeline, name, value):
    _, first = stages("fetch")
    _, second = stages("fetch")
    assert first == second
    pipeline.env[name] = value
    _, third = stages("fetch")
    assert third["1-fetch"] > first["1-fetch"]


def test_a_changed_template_makes_another_bundle(stages, local):
    _, first = stages("bundle")
    local.predictor.write_text(local.predictor.read_text() + "# changed\n")
    _, second = stages("bundle")
    assert first["1-fetch"] == second["1-fetch"]
    assert first["2-bundle"] < second["2-bundle"]

    local.predictor.unlink()
    (stages.out / "2-bundle.json").unlink()
    done, third = stages("bundle")
    assert done.returncode != 0 and sorted(third) == FILES[:1]
    assert "aip-bundle: error: " in done.stderr and "predictor.py" in done.stderr


def test_a_failed_stage_leaves_no_file(stages, pipeline, emulator):
    pipeline.env["production_bucket"] = late = pipeline.env["production_bucket"] + "_late"
    done, left = stages("version")
    assert done.returncode != 0 and sorted(left) == FILES[:2]
    assert "aip-upload: error: " in done.stderr

    emulator.make_bucket(late)
    done, after = stages("version")
    assert done.returncode == 0, done.stderr
    assert {name: after[name] for name in FILES[:2]} == left


def test_a_deployment_keeps_its_own_cache(make, tmp_path):
    """Only the tests' and the demo's is below .venv."""
    tool = tmp_path / "mlf-fetch"
    tool.write_text('#!/bin/sh\necho "$XDG_CACHE_HOME"\n')
    tool.chmod(0o755)
    out = tmp_path / "out"
    done = make(f"BIN={tmp_path}", f"OUT={out}", "fetch", XDG_CACHE_HOME="/own")
    assert done.returncode == 0, done.stderr
    assert (out / "1-fetch.json").read_text() == "/own\n"


def test_predict(stages, local):
    done, _ = stages("-s", "predict", f"INSTANCES={local.instances}")
    assert done.returncode == 0, done.stderr
    assert "5.0" in done.stdout.splitlines()[-1]


def test_install(make, tmp_path):
    """Binaries, manuals and completions, below any prefix."""
    done = make("install", "PROFILE=debug", "PREFIX=/opt/x", f"DESTDIR={tmp_path}",
                CARGO_TARGET_DIR=str(BIN.parent))
    assert done.returncode == 0, done.stderr
    there = tmp_path / "opt/x"
    for name in TOOLS:
        assert (there / "bin" / name).read_bytes() == (BIN / name).read_bytes()
        assert os.access(there / "bin" / name, os.X_OK)
        assert ".SH" in (there / f"share/man/man1/{name}.1").read_text()
        for path in (f"bash-completion/completions/{name}", f"zsh/site-functions/_{name}",
                     f"fish/vendor_completions.d/{name}.fish"):
            assert name in (there / "share" / path).read_text()
    bash = there / "share/bash-completion/completions/aip-version"
    subprocess.run(["bash", "-n", str(bash)], check=True)


@pytest.fixture
def poor(make, tmp_path):
    """Makes .venv/bin/uv where Python has neither venv nor pip."""
    place = tmp_path / "checkout"
    place.mkdir()
    for name in ("Makefile", "scripts", "tests"):
        (place / name).symlink_to(ROOT / name)
    programs = tmp_path / "programs"
    programs.mkdir()
    shim = programs / "python3"
    hidden = f'case "$*" in *ensurepip*|"-m pip"*) exit 1 ;; esac\nexec {sys.executable} "$@"\n'
    shim.write_text(f"#!/bin/sh\n{hidden}")
    shim.chmod(0o755)

    def run(**variables):
        path = f"{programs}:{os.environ['PATH']}"
        done = make(".venv/bin/uv", directory=place, PATH=path, **variables)
        return done, place / ".venv/bin/uv"

    return run


def test_uv_without_venv_and_pip(poor):
    done, uv = poor()
    assert done.returncode == 0, done.stderr
    said = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True).stdout
    assert f"uv=={said.split()[1]} " in (ROOT / "tests/requirements/uv.txt").read_text()


def test_without_any_way_to_uv_it_says_what_to_do(poor):
    done, uv = poor(PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode != 0 and not uv.exists()
    assert "get-uv: " in done.stderr and "apt install python3-venv" in done.stderr


def test_only_the_expected_uv_is_taken(tmp_path):
    pinned = (ROOT / "tests/requirements/uv.txt").read_text()
    (tmp_path / "uv.txt").write_text(re.sub(r"sha256:\w+", "sha256:0", pinned))
    script = [sys.executable, str(ROOT / "scripts/get-uv"), str(tmp_path / "uv.txt"), str(tmp_path / "uv")]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1 and "pinned SHA-256" in done.stderr
    assert not (tmp_path / "uv").exists()
