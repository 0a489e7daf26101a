"""Images that Cloud Build makes from the bundle's Dockerfile."""

import io
import json
import os
import shutil
import tarfile
import urllib.parse
import urllib.request
import zipfile

import pytest

from support.cloud_build import CloudBuild
from support.docker_registry import DockerRegistry
from support.images import layout_document

WHEEL, LOCK = "dist/deploy-0.1-py3-none-any.whl", "requirements.lock"


@pytest.fixture(scope="module")
def registry(session_dir, env):
    registry = DockerRegistry(session_dir / "build-registry", env)
    yield registry
    registry.end()


@pytest.fixture
def cloud_build():
    services = []

    def start(end):
        services.append(CloudBuild(end))
        return services[-1]

    yield start
    for service in services:
        service.end()


def succeeded(digest):
    return lambda build: {
        "status": "SUCCESS",
        "results": {"images": [{"name": build["images"][0], "digest": digest}]},
    }


def for_cloud_build(pipeline, **image):
    """The pipeline's bundle as one that Cloud Build is to build."""
    pipeline.run(last="bundle")
    document = json.loads(pipeline.documents["bundle"])
    bundle = document["stages"]["bundle"]
    directory = bundle["directory"]
    files = {"Dockerfile": "FROM scratch\n", WHEEL: "a wheel", LOCK: "# nothing\n"}
    for path, text in files.items():
        with open(os.path.join(directory, path), "w") as file:
            file.write(text)
    bundle["wheel"], bundle["lock"] = {"path": WHEEL, "size": 7}, {"path": LOCK, "size": 10}
    bundle["image"] = {"builder": "cloud-build", "embedsModel": False, **image}
    return document


@pytest.fixture
def build(pipeline, outcome, registry, unique):
    def call(document, service, *flags):
        repository = f"{registry.host}/acme/{unique}"
        env = pipeline.env | service.env()
        return outcome("aip-upload", "--image-repository", repository, "--region", "europe-west1",
                       *flags, stdin=document, env=env)

    return call


def in_registry(outcome, registry, tmp_path, unique):
    """An image under the name that the build is to give it."""
    bundle, digest = layout_document(tmp_path / "built", {"base": b"1"})
    bundle["spec"] |= {"model": unique, "version": "v1"}
    repository = f"{registry.host}/acme/{unique}"
    done = outcome("aip-upload", "--image-repository", repository, stdin=bundle)
    assert done.status == 0, done.stderr
    return digest


def archive(emulator, source):
    name = urllib.parse.quote(source["object"], safe="")
    path = f"/storage/v1/b/{source['bucket']}/o/{name}?alt=media&generation={source['generation']}"
    with urllib.request.urlopen(emulator.url + path) as answer:
        return tarfile.open(fileobj=io.BytesIO(answer.read()))


def test_an_image_is_built_and_pinned(
    build, cloud_build, pipeline, emulator, outcome, registry, tmp_path, unique
):
    digest = in_registry(outcome, registry, tmp_path, unique)
    service = cloud_build(succeeded(digest))
    document = for_cloud_build(pipeline)
    done = build(document, service, "--build-service-account", "builder@acme.iam.gserviceaccount.com")
    assert done.status == 0, done.stderr
    upload = json.loads(done.stdout)["stages"]["upload"]
    assert upload["image"]["digest"] == digest and upload["image"]["uri"].endswith(f"@{digest}")
    [made] = service.builds.values()
    assert made["serviceAccount"] == "projects/emulator/serviceAccounts/builder@acme.iam.gserviceaccount.com"
    assert made["options"] == {"logging": "CLOUD_LOGGING_ONLY"} and made["timeout"] == "1800s"
    assert upload["notes"]["build"] == made["name"]
    assert made["name"].startswith("projects/emulator/locations/europe-west1/builds/")
    context = archive(emulator, made["source"]["storageSource"])
    assert context.getnames() == ["Dockerfile", "dist", WHEEL, LOCK]
    assert {(entry.mtime, entry.uid, entry.mode) for entry in context if entry.isfile()} == {(0, 0, 0o644)}
    assert any(o["uri"].endswith("/model/MLmodel") for o in upload["objects"])

    again = build(document, service)
    assert json.loads(again.stdout)["stages"]["upload"]["image"] == upload["image"]
    assert service.created == 1, "the same context is not built twice"


def test_the_same_files_are_the_same_context(build, cloud_build, pipeline, outcome, registry, tmp_path, unique):
    digest = in_registry(outcome, registry, tmp_path, unique)
    service = cloud_build(succeeded(digest))
    document = for_cloud_build(pipeline, embedsModel=True)
    assert build(document, service).status == 0
    # Elsewhere, written by somebody with another umask, at another time.
    bundle = document["stages"]["bundle"]
    for key in ("directory", "modelDirectory"):
        there = tmp_path / f"elsewhere-{key}"
        shutil.copytree(bundle[key], there, copy_function=shutil.copyfile)
        for path in there.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
            os.utime(path, (1, 1))
        bundle[key] = str(there)
    assert build(document, service).status == 0 and service.created == 1
    with open(os.path.join(bundle["directory"], "Dockerfile"), "a") as file:
        file.write("USER 1\n")
    assert build(document, service).status == 0 and service.created == 2


def test_a_build_whose_image_is_gone_is_made_again(build, cloud_build, pipeline):
    """The registry does not know the digest that the earlier build gave."""
    service = cloud_build(succeeded("sha256:" + "0" * 64))
    document = for_cloud_build(pipeline)
    for created in (1, 2):
        assert build(document, service).status == 0
        assert service.created == created


DOCKERFILE = f"""\
FROM {{base}}

COPY requirements.lock /opt/mlflow-aip/
RUN python3 -m pip install --no-cache-dir --no-compile --no-deps --require-hashes \\
    --target /opt/mlflow-aip/site -r /opt/mlflow-aip/requirements.lock

COPY {WHEEL} /tmp/
RUN python3 -m zipfile -e /tmp/{os.path.basename(WHEEL)} /opt/mlflow-aip/app && rm /tmp/{os.path.basename(WHEEL)}

ENV PYTHONUNBUFFERED=1
USER 65534:65534
EXPOSE 8080
ENTRYPOINT ["python3", "/opt/mlflow-aip/app/mlflow_aip_serving"]
"""


def test_the_emulators_cloud_build_builds(pipeline, emulator, outcome, unique):
    """The whole way: context, build, registry, digest."""
    document = for_cloud_build(pipeline)
    directory = document["stages"]["bundle"]["directory"]
    host = emulator.url.removeprefix("http://")
    with open(os.path.join(directory, "Dockerfile"), "w") as file:
        file.write(DOCKERFILE.format(base=f"{host}/library/python:3.11-slim"))
    with zipfile.ZipFile(os.path.join(directory, WHEEL), "w") as wheel:
        wheel.writestr("mlflow_aip_serving/__main__.py", "print('served')\n")
    env = pipeline.env | {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD": f"{emulator.url}/"}
    args = ("aip-upload", "--image-repository", f"{host}/acme/{unique}")
    done = outcome(*args, stdin=document, env=env)
    assert done.status == 0, done.stderr
    image = json.loads(done.stdout)["stages"]["upload"]["image"]
    # What was built is there, for our machine, and is looked at as any other.
    existing = json.loads(done.stdout)
    existing["stages"]["bundle"]["image"] = {
        "builder": "existing", "uri": image["uri"], "embedsModel": False,
    }
    again = outcome("aip-upload", stdin=existing, env=env)
    assert again.status == 0, again.stderr
    assert json.loads(again.stdout)["stages"]["upload"]["image"] == image

    once_more = outcome(*args, stdin=document, env=env)
    assert once_more.status == 0 and "going on with build" in once_more.stderr


FAILURES = {
    "step": {
        "status": "FAILURE", "statusDetail": "Build step failure: build step 0 failed",
        "failureInfo": {"type": "USER_BUILD_STEP", "detail": "Build step failure: exit status 1"},
    },
    "push": {"status": "FAILURE", "failureInfo": {"type": "PUSH_NOT_AUTHORIZED", "detail": "denied"}},
    "timeout": {"status": "TIMEOUT"},
    "nothing": {"status": "SUCCESS", "results": {}},
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_build_that_fails(how, build, cloud_build, pipeline, snapshot, unique, bucket):
    done = build(for_cloud_build(pipeline), cloud_build(lambda build: FAILURES[how]))
    text = done.text().replace(unique.replace("_", "-"), "NAME").replace(unique, "NAME")
    assert done.stdout == "" and text.replace(bucket, "BUCKET") == snapshot


def test_a_refused_build_names_the_role(build, pipeline, faulty):
    class Refusing:
        @staticmethod
        def env():
            return {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD": faulty(403).url}

    done = build(for_cloud_build(pipeline), Refusing)
    assert (done.status, done.stdout) == (4, "")
    assert "roles/cloudbuild.builds.editor" in done.stderr and "services enable" in done.stderr


def test_a_dry_run_builds_nothing(build, cloud_build, pipeline, outcome, emulator):
    service = cloud_build(succeeded("sha256:" + "0" * 64))
    before = len(emulator.requests("POST"))
    done = build(for_cloud_build(pipeline), service, "--dry-run")
    assert done.status == 0, done.stderr
    assert "POST" in done.stderr and "/locations/europe-west1/builds" in done.stderr
    assert service.created == 0 and len(emulator.requests("POST")) == before
    assert json.loads(done.stdout)["stages"]["upload"]["image"]["uri"].endswith(":v1")
