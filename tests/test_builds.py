"""Cloud Build in the emulator, under Google's own client."""

import gzip
import sys
import time
from urllib.request import Request, urlopen

import pytest
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from support.layout import layer

DOCKERFILE = """\
FROM {base}
COPY model /opt/model
ENV A=b
ENTRYPOINT ["python3", "/opt/app"]
"""


@pytest.fixture
def client(emulator):
    return discovery.build(
        "cloudbuild", "v1", client_options={"api_endpoint": emulator.url},
        credentials=AnonymousCredentials(), static_discovery=True,
    )


@pytest.fixture
def build(emulator, bucket, unique):
    """Uploads a source; the body of its build."""

    def make(dockerfile=DOCKERFILE, **more):
        python = ".".join(map(str, sys.version_info[:2]))
        base = f"{emulator.ready['registry']}/library/python:{python}-slim"
        source = layer({"Dockerfile": dockerfile.format(base=base).encode(), "model/a": b"model"})
        upload = f"{emulator.url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name=source.tar.gz"
        urlopen(Request(upload, gzip.compress(source), method="POST"), timeout=30).close()
        image = f"{emulator.ready['registry']}/p/r/{unique.strip('_')}:v1"
        return {
            "source": {"storageSource": {"bucket": bucket, "object": "source.tar.gz"}},
            "steps": [{"name": "gcr.io/cloud-builders/docker", "args": ["build", "-t", image, "."]}],
            "images": [image],
            "tags": [unique],
            **more,
        }

    return make


def wait(operations, operation):
    deadline = time.monotonic() + 60
    while not operation.get("done"):
        assert time.monotonic() < deadline, operation
        time.sleep(0.1)
        operation = operations.get(name=operation["name"]).execute()
    return operation


@pytest.mark.parametrize("where", ["global", "regional"])
def test_a_build_and_its_record(emulator, client, build, unique, where):
    body = build()
    if where == "global":
        builds, operations = client.projects().builds(), client.operations()
        place = {"projectId": "p"}
    else:
        locations = client.projects().locations()
        builds, operations = locations.builds(), locations.operations()
        place = {"parent": "projects/p/locations/us-central1"}
    operation = wait(operations, builds.create(body=body, **place).execute())
    built = operation["response"]
    assert built["status"] == "SUCCESS" and built["results"]["images"][0]["name"] == body["images"][0]
    name, tag = body["images"][0].split("/", 1)[1].rsplit(":", 1)
    status, manifest = emulator.call("GET", f"/v2/{name}/manifests/{tag}")
    # The stand-in's one, and ours.
    assert status == 200 and len(manifest["layers"]) == 2
    listed = builds.list(filter=f'tags="{unique}"', **place).execute()["builds"]
    assert [one["id"] for one in listed] == [built["id"]]


def test_what_is_no_bundles_is_refused(client, build):
    where = {"parent": "projects/p/locations/us-central1"}
    locations = client.projects().locations()
    builds, operations = locations.builds(), locations.operations()
    body = build(DOCKERFILE.replace("ENV", "RUN apt-get update\nENV"))
    operation = wait(operations, builds.create(body=body, **where).execute())
    failed = operation["metadata"]["build"]
    assert failed["status"] == "FAILURE" and failed["failureInfo"]["type"] == "USER_BUILD_STEP"
    assert "the emulator runs no Docker build" in operation["error"]["message"]
    assert "line 3: 'apt-get update'" in operation["error"]["message"]
    with pytest.raises(HttpError, match="no steps"):
        builds.create(body=build(steps=[]), **where).execute()
    with pytest.raises(HttpError, match="logs_bucket"):
        builds.create(body=build(serviceAccount="projects/p/serviceAccounts/a@b"), **where).execute()
    with pytest.raises(HttpError, match="Cannot cancel"):
        builds.cancel(name=f"{where['parent']}/builds/{failed['id']}", body={}).execute()
