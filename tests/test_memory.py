"""What the tools hold in memory does not grow with the size of a model's files,
and by little with their number: docs/fetch.md has the figures of a fetch and a
bundle, docs/upload.md those of an upload."""

import json

import pytest

from support.artifacts import ArtifactServer
from support.measuring import measure
from support.places import tool

MIB = 1 << 20
MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
"""


@pytest.fixture
def peak(tmp_path, env, emulator, bucket):
    """Runs a stage over the document of the one before; its peak in MiB. What it
    said is `said`: the next document, or that of a verb that makes none."""
    document = tmp_path / "document.json"
    environment = env | emulator.env | {"XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(name, *args, **more):
        given = document.rename(tmp_path / "given.json") if document.exists() else None
        done = measure([tool(name), *args, "-q"], environment | more, tmp_path, given, document)
        run.said = json.loads(document.read_bytes())
        assert run.said.get("kind") == "Deployment" or run.said["verified"]
        return done.memory

    return run


@pytest.fixture
def serve():
    """Makes servers of one model each."""
    servers = []

    def start(files):
        servers.append(ArtifactServer(files))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


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
    assert peak("mlf-fetch", peak.said["stages"]["upload"]["deploymentUri"], "--output", "came") < 40
    assert peak.said["stages"]["fetch"]["notes"]["bytesFetched"] > 256 * MIB


def test_a_large_file_of_a_server(serve, peak):
    # Of zeros: nobody holds them before they are sent.
    server = serve({"weights.bin": bytes(256 * MIB)})
    fetch = ["mlf-fetch", server.run_id, "--output", "came"]
    assert peak(*fetch, MLFLOW_TRACKING_URI=server.url) < 24
    assert server.sent > 256 * MIB


def test_many_files(model, peak, bucket):
    for number in range(20_000):
        below = model / f"{number // 1000:02}"
        below.mkdir(exist_ok=True)
        (below / f"part-{number:05}.bin").write_text(str(number))
    fetch = ["mlf-fetch", str(model), "--output", "out"]
    figures = [peak(*fetch), peak(*fetch), peak("aip-bundle", "--model", "m", "--output", "b")]
    figures += [peak("aip-upload", "--bucket", bucket) for _ in range(2)]
    figures += [peak("aip-upload", "verify")]
    assert peak.said["objects"] > 20_000
    assert all(figure < 25 for figure in figures), figures


def test_many_files_of_a_server_and_deep_ones(serve, peak, tmp_path):
    """Most are empty: they are listed like others, and need no request each."""
    many = {f"{number // 1000:02}/part-{number:05}": b"" for number in range(20_000)}
    deep = {"/".join(["below"] * depth) + "/x": b"%d" % depth for depth in range(1, 61)}
    server = serve(many | deep)
    fetch = ["mlf-fetch", server.run_id, "--output", "came"]
    figures = [peak(*fetch, MLFLOW_TRACKING_URI=server.url) for _ in range(2)]
    assert all(figure < 28 for figure in figures), figures
    assert {it["path"]: it["size"] for it in peak.said["stages"]["fetch"]["files"]} == {
        path: len(content) for path, content in server.files.items()
    }
    for path, content in deep.items():
        assert (tmp_path / "came" / path).read_bytes() == content
