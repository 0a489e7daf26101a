"""Images in directories (OCI image layout), made of nothing but their parts."""

import gzip
import hashlib
import io
import json
import tarfile
import urllib.request

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def layer(files, tree=None):
    """An archive of what is in a directory, and of files beside it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        if tree:
            tar.add(tree, arcname=".")
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


class Layout:
    def __init__(self, directory, config, layers, architecture="amd64"):
        self.directory = directory
        (directory / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        compressed = [gzip.compress(raw, compresslevel=1, mtime=0) for raw in layers]
        self.layers = [self.add(content, "layer.v1.tar+gzip") for content in compressed]
        described = {
            "os": "linux", "architecture": architecture, "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(raw) for raw in layers]},
        }
        self.config = self.add(json.dumps(described).encode(), "config.v1+json")
        self.manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.config, "layers": self.layers}
        ).encode()
        described = self.add(self.manifest, "manifest.v1+json")
        index = {"schemaVersion": 2, "manifests": [described]}
        (directory / "index.json").write_text(json.dumps(index))
        (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add(self, content, kind):
        (self.directory / "blobs" / digest(content).replace(":", "/")).write_bytes(content)
        kind = f"application/vnd.oci.image.{kind}"
        return {"mediaType": kind, "digest": digest(content), "size": len(content)}

    def blob(self, described):
        return (self.directory / "blobs" / described["digest"].replace(":", "/")).read_bytes()

    def push(self, emulator, name="p/r/image"):
        """Into an emulator's registry, by no client at all; by what URI it is there."""

        def send(method, url, content, kind="application/octet-stream"):
            url = url if url.startswith("http") else emulator.url + url
            request = urllib.request.Request(url, content, {"Content-Type": kind}, method=method)
            return urllib.request.urlopen(request, timeout=60).headers

        for described in (self.config, *self.layers):
            location = send("POST", f"/v2/{name}/blobs/uploads/", b"")["Location"]
            send("PUT", f"{location}?digest={described['digest']}", self.blob(described))
        wanted = digest(self.manifest)
        send("PUT", f"/v2/{name}/manifests/{wanted}", self.manifest, MANIFEST)
        return f"{emulator.ready['registry']}/{name}@{wanted}"
