"""The image's server with MLflow's models, from the image and from Cloud Storage."""

import subprocess
import tempfile

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from support.serving import Server, Tree, built_in_predictor


@pytest.fixture(scope="module")
def models(logged, mlflow_server):
    """For each kind its directory, a request, and what the model itself says."""
    found = logged(3)
    for path in (mlflow_server(3).directory / "artifacts").rglob("MLmodel"):
        for model in found.values():
            if f"run_id: {model['run_id']}\n" in path.read_text():
                model["directory"] = path.parent
    return found


@pytest.fixture
def start(tmp_path, env):
    servers = []

    def start(model=None, **variables):
        # The temporary directory of the server alone.
        (tmp_path / "scratch").mkdir(exist_ok=True)
        tree = Tree(tmp_path, built_in_predictor(), model)
        own = env | {"TMPDIR": str(tmp_path / "scratch")}
        servers.append(Server(tree, own, **variables))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def upload(emulator, bucket, directory, prefix):
    client = storage.Client(
        project="emulator", credentials=AnonymousCredentials(),
        client_options={"api_endpoint": emulator.url},
    )
    there = client.bucket(bucket)
    for path in directory.rglob("*"):
        if path.is_file():
            there.blob(prefix + path.relative_to(directory).as_posix()).upload_from_filename(path)
    return there


def test_columns_from_the_image(start, models):
    """The seed's lists; MLflow's own server takes only records for such a model."""
    model = models["sklearn"]
    server = start(model["directory"]).ready()
    rows = model["request"]["instances"]
    assert server.predict(rows) == (200, {"predictions": model["predictions"]})
    names = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    records = [dict(zip(reversed(names), reversed(row))) for row in rows]
    assert server.predict(records) == (200, {"predictions": model["predictions"]})
    assert server.predict([]) == (200, {"predictions": []})
    for instances, message in (
        ([[1, 2, 3]], "a row has 3 values, the model 4 columns"),
        ([["a", 1, 2, 3]], "'sepal length (cm)' takes numbers"),
        ([[True, 1, 2, 3]], "'sepal length (cm)' takes numbers"),
        ([{"sepal length (cm)": 1}], "column 'sepal width (cm)' is missing"),
        ([[None, 1, 2, 3]], "NaN"),
        (["a"], "the instances must all be rows or all be objects"),
    ):
        status, answer = server.predict(instances)
        assert (status, message in answer["error"]) == (400, True), answer
    assert server.end() == 0
    assert all(isinstance(entry, dict) for entry in server.entries())


ODD = ["a b/ü#?%25+&.txt", "deep/er/日本", "empty"]


def test_params_and_code_from_cloud_storage(start, models, emulator, bucket, tmp_path):
    """The managed copy that Vertex makes of a model's artifacts."""
    model = models["pyfunc"]
    there = upload(emulator, bucket, model["directory"], "vertex/1/model/")
    for name in ODD:
        there.blob("vertex/1/model/" + name).upload_from_string("" if name == "empty" else name)
    # As consoles make a directory, and a neighbour that is no part of it.
    there.blob("vertex/1/model/folder/").upload_from_string("")
    there.blob("vertex/1/model-2/MLmodel").upload_from_string("no part of it")
    uri = f"gs://{bucket}/vertex/1/model"
    server = start(AIP_STORAGE_URI=uri, STORAGE_EMULATOR_HOST=emulator.url).ready()
    status, answer = server.call("/predict", model["request"])
    assert (status, answer) == (200, {"predictions": model["predictions"]})
    assert server.predict([{"label": "a"}])[1] == {"predictions": ["ROSÉ!"]}
    [root] = (tmp_path / "scratch").glob("model-*")
    for name in ODD:
        assert (root / name).read_text() == ("" if name == "empty" else name)
    assert not (root / "folder").exists()
    assert (root / "MLmodel").read_bytes() == (model["directory"] / "MLmodel").read_bytes()
    assert server.end() == 0
    assert list((tmp_path / "scratch").iterdir()) == []


# Nothing there is writable but /tmp, nobody is root, and home is nowhere.
CONFINED = """
mount --make-rprivate / && mount -o remount,bind,ro /
mount -t tmpfs tmp "$0" && exec unshare --user --map-user=65534 --map-group=65534 "$@"
"""


def test_tensors_for_nobody_on_a_read_only_root(start, models, env):
    confine = ["unshare", "--mount", "sh", "-ec", CONFINED]
    try:
        subprocess.run([*confine, "/mnt", "true"], env=env, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no namespaces here")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        model = models["xgboost"]
        server = start(
            model["directory"], before=[*confine, scratch], TMPDIR=scratch, HOME="/nonexistent"
        ).ready()
        status, answer = server.call("/predict", model["request"])
        assert (status, answer) == (200, {"predictions": model["predictions"]})
        status, answer = server.predict([[1, 2]])
        assert status == 400, answer
