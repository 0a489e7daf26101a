"""The Makefile's stages, and installing."""

import os
import subprocess

import pytest

from support.places import BIN, ROOT, TOOLS

FILES = ["1-fetch", "2-bundle", "3-upload", "4-model", "5-version"]


@pytest.fixture
def make(env, tmp_path):
    def run(*args, **variables):
        outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        return subprocess.run(
            ["make", "--no-print-directory", "-C", str(ROOT), f"BIN={BIN}", *args],
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


def test_a_failed_stage_leaves_no_file(stages, pipeline, emulator):
    pipeline.env["production_bucket"] = late = pipeline.env["production_bucket"] + "_late"
    done, left = stages("version")
    assert done.returncode != 0 and sorted(left) == FILES[:2]
    assert "aip-upload: error: " in done.stderr

    emulator.make_bucket(late)
    done, after = stages("version")
    assert done.returncode == 0, done.stderr
    assert {name: after[name] for name in FILES[:2]} == left


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
