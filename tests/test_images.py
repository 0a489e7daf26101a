"""Images in registries and tools that are not ours."""

import base64
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from support import debian
from support.docker_registry import LOGIN, DockerRegistry
from support.images import document, layout_document, make_layout
from support.places import tool
from support.process import free_port

LAYERS = {"base": b"b" * 1000, "site": os.urandom(3 << 20), "model": b"1"}


@pytest.fixture(scope="module")
def registry(session_dir, env):
    registry = DockerRegistry(session_dir / "docker-registry", env)
    yield registry
    registry.end()


@pytest.fixture
def skopeo(tmp_path, env):
    program = debian.program("skopeo")

    def run(*args):
        done = subprocess.run(
            [program.path, "--insecure-policy", *args], cwd=tmp_path, env=program.env(env),
            capture_output=True, text=True, timeout=120, check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def push(outcome, unique):
    """Pushes a document's image into a repository of this test's own."""

    def call(document, host, *flags, **options):
        repository = f"{host}/acme/{unique}"
        return outcome("aip-upload", "--image-repository", repository, *flags,
                       stdin=document, **options)

    return call


def pushed(done):
    assert done.status == 0, done.stderr
    upload = json.loads(done.stdout)["stages"]["upload"]
    notes = upload.get("notes", {})
    return upload["image"], [notes.get(f"blobs{way}") for way in ("Sent", "Mounted", "Skipped")]


def test_only_what_is_missing_is_pushed(registry, push, skopeo, tmp_path, unique):
    first, digest = layout_document(tmp_path / "1", LAYERS)
    image, counts = pushed(push(first, registry.host))
    repository = f"acme/{unique}/iris"
    uri = f"{registry.host}/{repository}@{digest}"
    assert (image, counts) == ({"uri": uri, "digest": digest}, [4, 0, 0])
    there = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{uri}"))
    assert (there["Digest"], there["Architecture"], len(there["Layers"])) == (digest, "amd64", 3)
    assert there["RepoTags"] == ["v3"]

    before = len(registry.requests())
    assert pushed(push(first, registry.host)) == (image, [0, 0, 4])
    assert [method for method, _ in registry.requests()[before:]] == ["GET"], "it only asks"

    second, _ = layout_document(tmp_path / "2", LAYERS | {"model": b"2"})
    before = len(registry.requests())
    _, counts = pushed(push(second, registry.host))
    assert counts == [2, 0, 2], "the model's layer and the configuration"
    methods = [method for method, _ in registry.requests()[before:]]
    assert "PATCH" not in methods and methods.count("POST") == 2
    assert registry.get(f"{repository}/manifests/{digest}"), "the version before is still there"


def test_the_limit_holds_for_images(registry, push, tmp_path):
    bundle, _ = layout_document(tmp_path / "image", LAYERS | {"site": os.urandom(2 << 20)})
    begun = time.monotonic()
    pushed(push(bundle, registry.host, "--limit-rate", "2M"))
    assert time.monotonic() - begun >= 1


def test_a_base_image_of_the_same_registry_is_mounted(registry, push, tmp_path, unique):
    base = {name: content for name, content in LAYERS.items() if name == "base"}
    bundle, digest = layout_document(tmp_path / "base", base)
    image, _ = pushed(push(bundle, f"{registry.host}/bases"))
    bundle, _ = layout_document(tmp_path / "iris", LAYERS)
    bundle["stages"]["bundle"]["image"]["base"] = image["uri"]
    _, counts = pushed(push(bundle, registry.host))
    assert counts == [3, 1, 0]


def test_other_tools_read_what_we_push_and_we_push_what_they_wrote(
    registry, push, skopeo, tmp_path, unique
):
    bundle, digest = layout_document(tmp_path / "ours", LAYERS)
    image, _ = pushed(push(bundle, registry.host))
    (tmp_path / "theirs").mkdir()
    skopeo("copy", "--src-tls-verify=false", f"docker://{image['uri']}", "oci:theirs/image:v3")
    theirs = document(tmp_path / "theirs", builder="oci", layout="image", digest=digest)
    assert pushed(push(theirs, f"{registry.host}/again"))[0]["digest"] == digest
    skopeo("copy", "--dest-tls-verify=false", "oci:ours/image", f"docker://{registry.host}/copied:v1")
    headers, _ = registry.get("copied/manifests/v1")
    assert headers["Docker-Content-Digest"] == digest


class Stalling:
    """A line to a registry whose connections go dead after so many bytes."""

    def __init__(self, host, after):
        self.target, self.after = host.split(":"), after
        self.stalled, self.listener = threading.Event(), socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            for a, b, counts in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.relay, args=(a, b, counts), daemon=True).start()

    def relay(self, source, target, counts):
        left = self.after
        try:
            while data := source.recv(1 << 16):
                left -= len(data) if counts else 0
                if left < 0:
                    self.stalled.set()
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_a_push_that_is_killed_goes_on(registry, push, tmp_path, env, unique):
    layers = {name: os.urandom(1 << 20) for name in ("a", "b", "c")} | {"large": os.urandom(8 << 20)}
    bundle, digest = layout_document(tmp_path / "bundle", layers)
    line = Stalling(registry.host, after=6 << 20)
    process = subprocess.Popen(
        [tool("aip-upload"), "--jobs", "8", "--image-repository", f"{line.host}/acme/{unique}"],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )
    process.stdin.write(json.dumps(bundle).encode())
    process.stdin.close()
    assert line.stalled.wait(30)
    deadline = time.monotonic() + 30
    while blobs_put(registry, unique) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and process.stdout.read() == b""
    process.stdout.close()
    line.listener.close()
    tags = [path for method, path in registry.requests() if "/manifests/" in path and method == "PUT"]
    assert not [path for path in tags if unique in path], "nothing half done has a name"

    image, [sent, mounted, skipped] = pushed(push(bundle, registry.host))
    assert image["digest"] == digest
    assert (sent, mounted, skipped) == (1, 0, 4), "what has arrived is not sent again"


def blobs_put(registry, name):
    return sum(
        method == "PUT" and name in path and "/uploads/" in path
        for method, path in registry.requests()
    )


def test_a_login_is_used_and_not_shown(push, tmp_path, env, session_dir):
    registry = DockerRegistry(session_dir / "closed-registry", env, login=True)
    try:
        bundle, digest = layout_document(tmp_path / "bundle", LAYERS)
        refused = push(bundle, registry.host)
        assert refused.status == 4 and f"docker login {registry.host}" in refused.stderr
        assert refused.stdout == ""
        auth = base64.b64encode(":".join(LOGIN).encode()).decode()
        (tmp_path / "docker").mkdir()
        config = {"auths": {registry.host: {"auth": auth}}}
        (tmp_path / "docker/config.json").write_text(json.dumps(config))
        done = push(bundle, registry.host, "-vv", env={"DOCKER_CONFIG": str(tmp_path / "docker")})
        assert pushed(done)[0]["digest"] == digest
        said = done.stdout + done.stderr
        assert LOGIN[1] not in said and auth not in said
    finally:
        registry.end()


def test_artifact_registry_gets_googles_token(start_emulator, outcome, tmp_path, env):
    emulator = start_emulator(tmp_path / "emulator", env, "--require-token")
    bundle, digest = layout_document(tmp_path / "bundle", LAYERS)
    env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY": f"{emulator.url}/"}
    refused = outcome("aip-upload", stdin=bundle, env=env)
    assert (refused.status, refused.stdout) == (4, "") and ": 401" in refused.stderr
    assert "roles/artifactregistry.writer" in refused.stderr
    env["GOOGLE_OAUTH_ACCESS_TOKEN"] = "ya29.secret"
    done = outcome("aip-upload", "-vv", stdin=bundle, env=env)
    uri = f"us-central1-docker.pkg.dev/acme/mlflow-aip/iris@{digest}"
    assert pushed(done)[0] == {"uri": uri, "digest": digest}
    assert "ya29.secret" not in done.stdout + done.stderr
    methods = {entry["method"] for entry in emulator.requests()}
    assert "PUT" in methods and "PATCH" not in methods


REFUSALS = {
    "missing": (404, "NAME_UNKNOWN", 'Repository "mlflow-aip" not found'),
    "forbidden": (403, "DENIED", 'Permission "artifactregistry.repositories.uploadArtifacts" denied'),
    "read-only": (405, "UNSUPPORTED", "The operation is unsupported."),
}


@pytest.mark.parametrize("how", REFUSALS)
def test_a_refusal_names_the_next_step(how, push, outcome, tmp_path, faulty, snapshot):
    status, code, message = REFUSALS[how]
    refusal = status, {"errors": [{"code": code, "message": message}]}
    none = 404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "no such manifest"}]}
    service = faulty(status, lambda method, path: refusal if method == "POST" else none)
    bundle, _ = layout_document(tmp_path / "bundle", {"base": b"1"})
    env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY": service.url}
    done = outcome("aip-upload", "--region", "europe-west1", stdin=bundle, env=env)
    assert done.text() == snapshot


def test_an_image_that_exists_is_looked_at_and_pinned(registry, push, outcome, tmp_path, faulty):
    bundle, digest = layout_document(tmp_path / "bundle", LAYERS)
    image, _ = pushed(push(bundle, registry.host))
    tagged = image["uri"].replace(f"@{digest}", ":v3")
    existing = document(tmp_path, builder="existing", uri=tagged)
    assert pushed(outcome("aip-upload", stdin=existing))[0] == image

    missing = document(tmp_path, builder="existing", uri=f"{registry.host}/nothing:v1")
    done = outcome("aip-upload", stdin=missing)
    assert (done.status, done.stdout) == (4, "") and "404" in done.stderr

    service = faulty(403)
    uri = f"{service.url.removeprefix('http://')}/closed/image:v1"
    closed = document(tmp_path, builder="existing", uri=uri)
    done = outcome("aip-upload", stdin=closed)
    assert pushed(done)[0] == {"uri": uri}
    [warning] = json.loads(done.stdout)["results"]
    assert "used unseen" in warning["message"] and "sha256" in warning["hint"]


def test_an_image_for_another_machine_is_refused(registry, skopeo, outcome, tmp_path, unique):
    make_layout(tmp_path / "arm", LAYERS, architecture="arm64")
    uri = f"{registry.host}/{unique}:arm"
    skopeo("copy", "--dest-tls-verify=false", "oci:arm", f"docker://{uri}")
    done = outcome("aip-upload", stdin=document(tmp_path, builder="existing", uri=uri))
    assert done.status == 4 and "is not for linux/amd64, but for linux/arm64" in done.stderr


def test_a_dry_run_asks_nobody(push, tmp_path):
    bundle, digest = layout_document(tmp_path / "bundle", LAYERS)
    done = push(bundle, f"127.0.0.1:{free_port()}", "--dry-run")
    assert pushed(done)[0]["digest"] == digest
    assert done.stderr.count("blobs/uploads/ and PUT sha256:") == 4
    assert "/iris/manifests/v3" in done.stderr


def test_a_layout_that_changed_is_not_pushed(registry, push, tmp_path):
    bundle, digest = layout_document(tmp_path / "bundle", LAYERS)
    _, other = layout_document(tmp_path / "bundle", {"other": b""})
    done = push(bundle, registry.host)
    assert done.status == 1 and digest in done.stderr and other in done.stderr
    assert "run aip-bundle again" in done.stderr
