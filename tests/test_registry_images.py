"""The emulator's registry under clients of others, and beside one of others."""

import json
import subprocess
import urllib.error
import urllib.request

import pytest

from support import debian
from support.docker_registry import DockerRegistry
from support.layout import MANIFEST, Layout, digest, layer


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "layout", {"Entrypoint": ["python3"]}, [layer({"model": b"the model" * 1000})])


@pytest.fixture
def skopeo(env, tmp_path):
    program = debian.program("skopeo")

    def run(*args):
        done = subprocess.run(
            [program.path, "--insecure-policy", *map(str, args)], env=program.env(env), cwd=tmp_path,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def start(start_emulator, env, tmp_path):
    return lambda *options: start_emulator(tmp_path / "emulator", env, *options)


def test_skopeo_copies_images_in_and_out(skopeo, start, layout, tmp_path):
    image = f"docker://{start('--streamed-uploads').ready['registry']}/p/r/iris"
    skopeo("copy", "--dest-tls-verify=false", f"oci:{layout.directory}", f"{image}:v1")
    assert json.loads(skopeo("list-tags", "--tls-verify=false", image))["Tags"] == ["v1"]
    seen = json.loads(skopeo("inspect", "--tls-verify=false", f"{image}:v1"))
    assert seen["Digest"] == digest(layout.manifest)
    assert seen["Architecture"] == "amd64"
    copy = tmp_path / "copy"
    by_digest = f"{image}@{seen['Digest']}"
    skopeo("copy", "--src-tls-verify=false", by_digest, f"oci:{copy}:v1")
    for described in (layout.config, *layout.layers):
        copied = copy / "blobs" / described["digest"].replace(":", "/")
        assert copied.read_bytes() == layout.blob(described)
    # Into another repository of the same registry: nothing is sent again.
    other = f"{image}-too:v2"
    skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", by_digest, other)
    assert json.loads(skopeo("inspect", "--tls-verify=false", other))["Digest"] == seen["Digest"]


def test_skopeo_gets_a_token_where_one_is_wanted(skopeo, start, layout):
    emulator = start("--streamed-uploads", "--require-token")
    image = f"docker://{emulator.ready['registry']}/p/r/iris:v1"
    credentials = "oauth2accesstoken:ya29.secret"
    skopeo(
        "copy", "--dest-tls-verify=false", "--dest-creds", credentials,
        f"oci:{layout.directory}", image,
    )
    with pytest.raises(AssertionError, match="[Uu]nauth"):
        skopeo("inspect", "--tls-verify=false", image)
    skopeo("inspect", "--tls-verify=false", "--creds", credentials, image)
    assert "ya29.secret" not in emulator.traffic.read_text()


def test_skopeo_finds_the_stand_in(skopeo, start):
    image = f"docker://{start().ready['registry']}/library/python:3.11-slim"
    seen = json.loads(skopeo("inspect", "--tls-verify=false", "--override-arch=amd64", image))
    assert seen["Labels"] == {"mlflow-aip.stand-in": "true"}
    assert "PYTHON_VERSION=3.11" in seen["Env"]


@pytest.fixture
def debians(env, tmp_path):
    """The registry that others run."""
    registry = DockerRegistry(tmp_path / "registry", env)
    yield f"http://{registry.host}"
    registry.end()


class Client:
    """Sends the same to whichever registry, and notes what it said."""

    def __init__(self, root):
        self.root, self.said = root, []

    def send(self, method, url, body=None, **headers):
        url = url if url.startswith("http") else self.root + url
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        content, kept = answer.read(), ["Docker-Content-Digest"]
        if answer.headers.get_content_type() == "application/json":
            said = json.loads(content or "null")
            if answer.status >= 400 and content:
                said = [error["code"] for error in said["errors"]]
        else:
            said = content
            # What has no content is of no type.
            kept += ["Content-Length", "Content-Range", "Content-Type"] if content else []
        if method == "HEAD" and answer.status == 200:
            kept += ["Content-Length"]
        shown = {name: answer.headers[name] for name in kept}
        self.said.append((method, answer.status, said, shown))
        return answer.headers.get("Location"), content

    def push(self, name, content):
        location, _ = self.send("POST", f"/v2/{name}/blobs/uploads/", b"")
        self.put(location, content, digest(content))

    def put(self, location, content, wanted):
        query = "&" if "?" in location else "?"
        self.send(
            "PUT", f"{location}{query}digest={wanted}", content,
            Content_Type="application/octet-stream",
        )


def conversation(root, layout):
    client = Client(root)
    content = layout.blob(layout.layers[0])
    blob = f"/v2/p/r/iris/blobs/{digest(content)}"
    client.send("GET", "/v2/")
    client.send("HEAD", blob)
    client.send("GET", "/v2/p/r/iris/tags/list")
    client.push("p/r/iris", content)
    client.send("HEAD", blob)
    client.send("GET", blob, Range="bytes=3-9")
    client.send("HEAD", blob.replace("iris", "rose"))
    mount = f"/v2/p/r/rose/blobs/uploads/?mount={digest(content)}&from=p/r/"
    client.send("POST", mount + "iris", b"")
    client.send("HEAD", blob.replace("iris", "rose"))
    client.send("POST", mount + "tulip", b"")
    location, _ = client.send("POST", "/v2/p/r/iris/blobs/uploads/", b"")
    client.put(location, content, digest(b"other"))
    client.send("GET", "/v2/p/r/iris/blobs/sha256:zz")
    put = {"Content_Type": MANIFEST}
    manifest = "/v2/p/r/iris/manifests/"
    client.send("PUT", manifest + "v1", layout.manifest, **put)
    client.push("p/r/iris", layout.blob(layout.config))
    client.send("PUT", manifest + "v1", layout.manifest, **put)
    client.send("PUT", manifest + digest(b"other"), layout.manifest, **put)
    for reference in ("v1", digest(layout.manifest), "v9"):
        client.send("GET", manifest + reference, Accept=MANIFEST)
        client.send("HEAD", manifest + reference, Accept=MANIFEST)
    client.send("GET", "/v2/p/r/iris/tags/list")
    return client.said


def test_what_debians_registry_says_too(debians, start, layout):
    theirs = conversation(debians, layout)
    ours = conversation(start().url, layout)
    assert [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]] == []
