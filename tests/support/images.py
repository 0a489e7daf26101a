"""Image layouts that none of our tools made, and documents about them."""

import gzip
import hashlib
import io
import json
import tarfile

MEDIA = "application/vnd.oci.image"


def make_layout(directory, layers, architecture="amd64"):
    """An image of these layers, each of one file (name: content); its digest."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def blob(media_type, data):
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"mediaType": f"{MEDIA}.{media_type}", "digest": f"sha256:{name}", "size": len(data)}

    described, unpacked = [], []
    for name, content in layers.items():
        data = archive(name, content)
        unpacked.append(f"sha256:{hashlib.sha256(data).hexdigest()}")
        described.append(blob("layer.v1.tar+gzip", gzip.compress(data, 1, mtime=0)))
    config = {
        "architecture": architecture, "os": "linux", "config": {"Env": ["A=1"]},
        "rootfs": {"type": "layers", "diff_ids": unpacked},
    }
    manifest = blob("manifest.v1+json", to_bytes({
        "schemaVersion": 2, "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": blob("config.v1+json", to_bytes(config)), "layers": described,
    }))
    (directory / "index.json").write_bytes(to_bytes({"schemaVersion": 2, "manifests": [manifest]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return manifest["digest"]


def archive(name, content):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def to_bytes(value):
    return json.dumps(value, separators=(",", ":")).encode()


def document(directory, **image):
    """A document about a bundle with this image in it, and no bucket."""
    return {
        "apiVersion": "mlflow-aip/v1",
        "kind": "Deployment",
        "spec": {"target": "vertex", "project": "acme", "model": "Iris", "version": "v3"},
        "stages": {
            "fetch": {"modelUri": "x", "directory": str(directory), "digest": "", "files": []},
            "bundle": {
                "directory": str(directory), "digest": "", "modelDirectory": str(directory),
                "package": {"name": "x", "version": "1"}, "sdist": {"path": "x", "size": 0},
                "predictionClass": "predictor.Predictor", "pythonVersion": "3.11",
                "requirements": [], "image": {"embedsModel": True, **image},
            },
        },
    }


def layout_document(directory, layers):
    """The same with a layout in it."""
    digest = make_layout(directory / "image", layers)
    return document(directory, builder="oci", layout="image", digest=digest), digest
