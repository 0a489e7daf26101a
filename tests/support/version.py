"""Versions for Vertex AI that take no bundling: an image of one small server,
put into the emulator's registry by hand, and the document that deploys it."""

import gzip
import hashlib
import io
import json
import sys
import tarfile
import urllib.request

SERVER = '''\
"""Multiplies by FACTOR. Whole numbers stay exact, as far as they come so."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FACTOR = int(os.environ["FACTOR"])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, {"status": "ready"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        instances, parameters = body["instances"], body.get("parameters", {})
        if any(isinstance(instance, str) for instance in instances):
            if instances == ["much"]:
                return self.answer(200, {"predictions": ["x" * 12_000_000]})
            return self.answer(400, {"error": "an instance is no number"})
        plus = parameters.get("plus", 0)
        # What weighs more on the way there than on the way back.
        numbers = [one["n"] if isinstance(one, dict) else one for one in instances]
        predictions = [number * FACTOR + plus for number in numbers]
        self.answer(200, {"predictions": predictions})

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


address = (os.environ.get("MLFLOW_AIP_HOST", "0.0.0.0"), int(os.environ["AIP_HTTP_PORT"]))
ThreadingHTTPServer(address, Handler).serve_forever()
'''

REPOSITORY = "p/models/factor"


class Versions:
    """Of one model, on one emulator."""

    def __init__(self, emulator, outcome, model):
        self.emulator, self.outcome, self.model = emulator, outcome, model
        self.env = emulator.env | {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{emulator.url}/",
            "AIP_TARGET": "vertex", "project_id": "emulator", "model_name": model,
        }

    def document(self, name, factor, **expected):
        """Ready to be deployed. `expected` are predictions to record."""
        host = self.emulator.url.removeprefix("http://")
        uri = f"{host}/{REPOSITORY}@{push(self.emulator.url, factor)}"
        directory = self.outcome.directory / f"bundle-{name}-{factor}"
        directory.mkdir(exist_ok=True)
        file = {"path": "x", "size": 0}
        bundle = {
            "directory": str(directory), "digest": f"{factor:064x}", "modelDirectory": "/none",
            "package": {"name": "p", "version": "1"}, "sdist": file, "predictionClass": "p.P",
            "pythonVersion": "3.11", "requirements": [],
            "image": {
                "builder": "existing", "uri": uri, "predictRoute": "/predict",
                "healthRoute": "/health", "port": 8080,
            },
        }
        if expected:
            content = json.dumps(expected).encode()
            (directory / "expected.json").write_bytes(content)
            bundle["expected"] = {
                "path": "expected.json", "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(), "crc32c": "",
            }
        return {
            "apiVersion": "mlflow-aip/v1", "kind": "Deployment",
            "spec": {"target": "vertex", "model": self.model, "version": name},
            "stages": {"bundle": bundle, "upload": {"image": {"uri": uri}}},
        }

    def create(self, document, *args, status=0, model_args=()):
        """`aip-model create` and `aip-version create`; what the last one did."""
        done = self.outcome("aip-model", "create", *model_args, stdin=document, env=self.env)
        assert done.status == 0, done.stderr
        done = self.outcome("aip-version", "create", *args, stdin=done.stdout, env=self.env)
        assert done.status == status, done.stderr
        return done

    def deploy(self, name, factor, *args, **expected):
        return json.loads(self.create(self.document(name, factor, **expected), *args).stdout)

    def traffic(self, *args, status=0, **options):
        done = self.outcome("aip-version", "traffic", *args, env=self.env | options.pop("env", {}), **options)
        assert done.status == status, done.stderr
        return json.loads(done.stdout) if status == 0 else done.stderr

    def ask(self, instances, *args, status=0):
        done = self.outcome(
            "aip-predict", "--instances", "-", *args, stdin=json.dumps(instances), env=self.env
        )
        assert done.status == status, done.stderr
        return json.loads(done.stdout) if status == 0 else done.stderr


def push(url, factor):
    """An image whose server multiplies by this; its digest."""
    layer = layer_of({"opt/app/__main__.py": SERVER})
    config = {
        "architecture": "amd64", "os": "linux",
        "config": {
            "Entrypoint": ["python3", "/opt/app"],
            "Env": [f"FACTOR={factor}", "PYTHON_VERSION=%d.%d.%d" % sys.version_info[:3]],
        },
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
    }
    config = json.dumps(config, sort_keys=True).encode()
    packed = gzip.compress(layer, mtime=0)
    manifest = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(url, "application/vnd.oci.image.config.v1+json", config),
        "layers": [blob(url, "application/vnd.oci.image.layer.v1.tar+gzip", packed)],
    }
    manifest = json.dumps(manifest, sort_keys=True).encode()
    digest = digest_of(manifest)
    kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    send("PUT", f"{url}/v2/{REPOSITORY}/manifests/{digest}", manifest, kind)
    return digest


def layer_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def blob(url, media_type, content):
    begun = send("POST", f"{url}/v2/{REPOSITORY}/blobs/uploads/", b"", {})
    place = begun.headers["Location"]
    place = place if "://" in place else url + place
    joint = "&" if "?" in place else "?"
    kind = {"Content-Type": "application/octet-stream"}
    send("PUT", f"{place}{joint}digest={digest_of(content)}", content, kind)
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def send(method, url, body, headers):
    return urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method))
