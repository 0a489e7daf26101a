"""What the tools hold in memory does not grow with the size of a model's files,
and by little with their number: docs/fetch.md has the figures."""

import json

import pytest

from support.measuring import measure
from support.places import tool

MIB = 1 << 20
MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
"""


@pytest.fixture
def peak(tmp_path, env, emulator, bucket):
    """Runs a stage over the document of the one before; its peak in MiB."""
    document = tmp_path / "document.json"
    environment = env | emulator.env | {"XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(name, *args):
        given = document.rename(tmp_path / "given.json") if document.exists() else None
        done = measure([tool(name), "-q", *args], environment, tmp_path, given, document)
        assert json.loads(document.read_bytes())["kind"] == "Deployment"
        return done.memory

    return run


@pytest.fixture
def model(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "MLmodel").write_text(MLMODEL)
    return directory


def test_a_large_file(model, peak, bucket):
    with open(model / "weights.bin", "wb") as file:
        file.truncate(256 * MIB)
    assert peak("mlf-fetch", str(model), "--output", "out") < 24
    assert peak("aip-bundle", "--model", "m", "--output", "bundle") < 24
    assert peak("aip-upload", "--bucket", bucket) < 24


def test_many_files(model, peak, bucket):
    for number in range(20_000):
        below = model / f"{number // 1000:02}"
        below.mkdir(exist_ok=True)
        (below / f"part-{number:05}.bin").write_text(str(number))
    fetch = ["mlf-fetch", str(model), "--output", "out"]
    figures = [peak(*fetch), peak(*fetch), peak("aip-bundle", "--model", "m", "--output", "b")]
    figures += [peak("aip-upload", "--bucket", bucket) for _ in range(2)]
    assert all(figure < 25 for figure in figures), figures
