"""What `make demo` runs, and the article's example of asking a version."""

import json
import subprocess

import pytest

from support.places import BIN, ROOT, python


@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", ["vertex", "ai-platform"])
def test_the_demo(env, target):
    done = subprocess.run(
        [ROOT / "scripts/demo"], env=env | {"BIN": str(BIN), "AIP_TARGET": target},
        capture_output=True, text=True, timeout=550, check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-5000:]}"
    assert "are those of the model itself" in done.stdout
    assert '"predictions"' in done.stdout
    assert ("without Docker" in done.stdout) == (target == "vertex")


def test_a_demo_whose_server_does_not_start_shows_why(env, tmp_path):
    server = tmp_path / "mlflow"
    server.write_text("#!/bin/sh\necho no such database\nexit 3\n")
    server.chmod(0o755)
    done = subprocess.run(
        [ROOT / "scripts/demo"], env=env | {"BIN": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "demo: the MLflow server did not start; its log:", "no such database"
    ]


def test_the_articles_example_asks_what_the_tools_deployed(pipeline, emulator, env, tmp_path):
    pipeline.run()
    name = f"projects/emulator/models/{pipeline.env['model_name']}/versions/v1"
    done = subprocess.run(
        [python(3), ROOT / "scripts/predict.py", name, "instances.json"],
        env=env | emulator.env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [2.0, 5.0]
