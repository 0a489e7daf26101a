"""Google's own command line against the emulator, where it is installed."""

import json
import os
import shutil
import subprocess

import pytest

from support.vertex import push_image

pytestmark = pytest.mark.skipif(not shutil.which("gcloud"), reason="no gcloud")


@pytest.fixture
def gcloud(env, emulator, tmp_path):
    """As `aip-emulator run` leads it there; with settings of its own."""
    env = env | emulator.env | {
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{emulator.url}/",
    }

    def run(*args):
        done = subprocess.run(
            ["gcloud", *map(str, args)], env=env, cwd=tmp_path, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=120, check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


@pytest.mark.parametrize("size", [11, 20 << 20], ids=["small", "large"])
def test_storage(gcloud, bucket, tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    uri = f"gs://{bucket}/dir/é file"
    gcloud("storage", "cp", "file", uri)
    assert gcloud("storage", "cat", uri) == data
    assert gcloud("storage", "ls", f"gs://{bucket}/**").decode().splitlines() == [uri]
    gcloud("storage", "cp", uri, "back")
    assert (tmp_path / "back").read_bytes() == data
    gcloud("storage", "rm", uri)
    assert gcloud("storage", "ls", f"gs://{bucket}").decode() == ""


def test_ai_platform(gcloud, pipeline, local):
    """It sees what our tools deployed, and asks it."""
    pipeline.run()
    name = pipeline.env["model_name"]

    def ask(*args):
        return json.loads(gcloud("ai-platform", *args, "--region=global", "--format=json"))

    models = [model["name"] for model in ask("models", "list")]
    assert f"projects/emulator/models/{name}" in models
    [version] = ask("versions", "list", "--model", name)
    assert (version["name"], version["state"]) == (f"projects/emulator/models/{name}/versions/v1", "READY")
    answer = ask("predict", "--model", name, "--version", "v1", "--json-request", local.instances)
    assert answer == {"predictions": [2.0, 5.0]}
    described = ask("versions", "describe", "v1", "--model", name)
    assert described["predictionClass"] == version["predictionClass"]


def test_vertex_ai(gcloud, emulator, unique, tmp_path):
    """gcloud polls operations on v1beta1, and looks at a model before it deploys it."""
    name = unique.replace("_", "-")[:50].strip("-")

    def ai(*args):
        said = gcloud("ai", *args, "--region=us-central1", "--format=json")
        return json.loads(said) if said.strip() else None

    ai("models", "upload", "--model-id", name, "--display-name", name,
       "--container-image-uri", push_image(emulator), "--container-predict-route=/predict",
       "--container-health-route=/health", "--container-env-vars=WEIGHTS=3")
    [model] = ai("models", "list", f"--filter=displayName={name}")
    assert model["name"].endswith(f"/models/{name}")
    assert [version["versionId"] for version in ai("models", "list-version", name)] == ["1"]
    ai("endpoints", "create", "--endpoint-id", name, "--display-name", name)
    ai("endpoints", "deploy-model", name, "--model", name, "--display-name=v1",
       "--deployed-model-id=77", "--machine-type=n1-standard-2", "--traffic-split=0=100")
    (tmp_path / "request.json").write_text('{"instances": [2]}')
    answer = ai("endpoints", "predict", name, "--json-request=request.json")
    assert (answer["predictions"], answer["deployedModelId"]) == ([6], "77")
    assert ai("endpoints", "raw-predict", name, "--request=@request.json") == {"predictions": [6.0]}
    ai("endpoints", "update", name, "--display-name=renamed", "--clear-traffic-split")
    assert "trafficSplit" not in ai("endpoints", "describe", name)
    ai("endpoints", "undeploy-model", name, "--deployed-model-id=77")
    ai("endpoints", "delete", name)
    ai("models", "delete", name)
