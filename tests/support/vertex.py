"""An image with a model server in it, in the emulator's registry."""

import hashlib
import platform
import urllib.request

from .images import archive, to_bytes
from .places import ROOT

SERVER = ROOT / "crates/aip-emulator/tests/vertex/server.py"
MEDIA = "application/vnd.oci.image"
CONTAINER = {"predict_route": "/predict", "health_route": "/health"}


def push_image(emulator, name="models/server", tag="v1"):
    """The URI of an image that predicts its instances, times WEIGHTS or what
    weights.txt says among its artifacts."""

    def send(method, path, content, kind="application/octet-stream"):
        url = path if path.startswith("http") else emulator.url + path
        request = urllib.request.Request(url, content, {"Content-Type": kind}, method=method)
        return urllib.request.urlopen(request, timeout=30)

    def blob(media_type, content):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        where = send("POST", f"/v2/{name}/blobs/uploads/", b"").headers["Location"]
        send("PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", content)
        return {"mediaType": f"{MEDIA}.{media_type}", "digest": digest, "size": len(content)}

    layer = archive("opt/app/__main__.py", SERVER.read_bytes())
    config = {
        "architecture": "amd64", "os": "linux",
        "config": {
            "Entrypoint": ["python3", "/opt/app"],
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", f"PYTHON_VERSION={platform.python_version()}"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2, "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": blob("config.v1+json", to_bytes(config)), "layers": [blob("layer.v1.tar", layer)],
    }
    send("PUT", f"/v2/{name}/manifests/{tag}", to_bytes(manifest), manifest["mediaType"])
    return f"{emulator.url.removeprefix('http://')}/{name}:{tag}"
