"""Models by the names that MLflow has for them, and what is said when there is
none of that name."""

import json
import subprocess
import time

import pytest

from support.mlflow_server import MlflowServer
from support.places import TESTS, python

NOBODY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module", params=[3, 2])
def registry(request, session_dir, env):
    """A server whose registry nobody else fills, and what is in it."""
    server = MlflowServer(request.param, session_dir / f"registry{request.param}", env)
    done = subprocess.run(
        [python(request.param), TESTS / "support/registry.py"],
        env=env | {"MLFLOW_TRACKING_URI": server.uri}, cwd=server.directory,
        capture_output=True, timeout=200, check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    yield json.loads(done.stdout) | {"uri": server.uri, "major": request.param}
    server.end()


@pytest.fixture
def fetch(registry, outcome, tmp_path):
    def call(uri):
        env = {"tracking_uri": registry["uri"], "tmp_dir": str(tmp_path / "work")}
        return outcome("mlf-fetch", uri, env=env)

    return call


def test_every_name_gives_the_files_that_mlflow_gives(registry, fetch):
    files = registry["files"]
    assert len(files) == (8 if registry["major"] == 3 else 6)
    assert files["models:/flowers@champion"] == files["models:/flowers/1"]
    assert files["models:/flowers/latest"] == files["models:/flowers/2"]
    assert files["models:/flowers/1"] != files["models:/flowers/2"]
    for uri, expected in files.items():
        done = fetch(uri)
        assert done.status == 0, done.stderr
        record = json.loads(done.stdout)["stages"]["fetch"]
        assert {file["path"]: file["sha256"] for file in record["files"]} == expected, uri
        first = expected == files["models:/flowers/1"]
        assert record["lineage"]["runId"] == registry["runs"][0 if first else 1], uri
        if "flowers" in uri:
            lineage = record["lineage"]
            found = lineage["registeredModel"], str(lineage["registeredVersion"])
            assert found == ("flowers", "1" if first else "2")


def test_a_run_of_several_models_is_a_question(registry, fetch, snapshot):
    done = fetch(registry["several"])
    assert (done.status, done.stdout) == (2, "")
    assert done.text() == snapshot
    # The commands that it offers work.
    offers = [line.split("mlf-fetch ")[-1].split()[0] for line in done.stderr.splitlines()
              if "mlf-fetch runs:" in line or "mlf-fetch models:" in line]
    assert len(offers) == 2
    fetched = [json.loads(fetch(uri).stdout)["stages"]["fetch"]["files"] for uri in offers]
    assert len(fetched[0]) == len(fetched[1]) > 1 and fetched[0] != fetched[1]


MISSING = {
    "version": "models:/flowers/9",
    "alias": "models:/flowers@loser",
    "stage": "models:/flowers/Production",
    "registered model": "models:/weeds/1",
    "artifact path": "runs:/{run}/modle",
    "run": "runs:/{nobody}/model",
    "bare run": "{nobody}",
    "logged model": "models:/m-{nobody}",
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_not_there(registry, fetch, what, snapshot):
    """Is said at once, with what is there: MLflow's client takes minutes."""
    start = time.monotonic()
    done = fetch(MISSING[what].format(run=registry["runs"][0], nobody=NOBODY))
    assert time.monotonic() - start < 5
    assert (done.status, done.stdout) == (4, "")
    assert done.text() == snapshot
