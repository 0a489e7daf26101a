"""An emulator of one's own, and the environment that leads clients to it."""

import json
import subprocess
import urllib.parse
import urllib.request

from .places import tool
from .process import Background


class Emulator:
    def __init__(self, directory, env, *options):
        directory.mkdir(parents=True, exist_ok=True)
        self.traffic = directory / "traffic.jsonl"
        self.process = Background(
            [
                tool("aip-emulator"), "serve", "--listen", "127.0.0.1:0",
                "--until-stdin-closes", "--traffic-log", str(self.traffic), *options,
            ],
            env=env,
            log=directory / "emulator.log",
            stdin=subprocess.PIPE,
            cwd=directory,
            speaks=True,
        )
        self.directory = directory
        self.ready = json.loads(self.process.line(timeout=30))
        self.url = self.ready["url"]
        host = self.url.removeprefix("http://")
        self.env = {
            "STORAGE_EMULATOR_HOST": self.url,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{self.url}/storage/v1/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML": f"{self.url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{self.url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD": f"{self.url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": f"{self.url}/",
            "AIP_IMAGE_REPOSITORY": f"{host}/emulator/models",
            "AIP_BASE_IMAGE": f"{host}/library/python:{{python}}-slim",
            "CLOUDSDK_CORE_PROJECT": "emulator",
            "GOOGLE_CLOUD_PROJECT": "emulator",
        }

    def call(self, method, path, body=None, headers=()):
        """A request of no client at all: status and JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, dict(headers), method=method)
        if data is not None and not request.has_header("Content-type"):
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text else None

    def make_bucket(self, name):
        status, body = self.call("POST", "/storage/v1/b?project=emulator", {"name": name})
        assert status in (200, 409), body
        return name

    def put(self, bucket, name, content):
        """An object that no client of ours has sent."""
        name = urllib.parse.quote(name, safe="")
        url = f"{self.url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
        request = urllib.request.Request(url, content, method="POST")
        urllib.request.urlopen(request, timeout=60).close()

    def requests(self, method=None):
        """What was asked so far."""
        lines = self.traffic.read_text().splitlines() if self.traffic.exists() else []
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if method in (None, entry["method"])]

    def end(self):
        # What a test of many files left is removed one by one.
        return self.process.end(timeout=90)
