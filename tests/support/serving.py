"""The image's server, on a tree laid out as in the image."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from .places import ROOT, python
from .process import free_port

SERVING = ROOT / "templates/serving"
TEMPLATE = ROOT / "templates/predictor.py.tera"


def built_in_predictor():
    """The template, as aip-bundle renders it."""
    text = TEMPLATE.read_text().replace("{{ model_version | py }}", "'1'")
    assert "{{" not in text and "{%" not in text
    return text


class Tree:
    """The layers of the image below a directory; the interpreter and what the
    model requires are those that these tests run on, unless they say otherwise."""

    def __init__(self, directory, predictor, model=None, interpreter=None, packages=None):
        # Not the environment's own: its packages are to come by way of site/.
        self.interpreter = interpreter or os.path.realpath(python(3))
        self.root = directory / "opt/mlflow-aip"
        package = self.root / "app/mlflow_aip_serving"
        package.mkdir(parents=True)
        for path in SERVING.glob("*.py"):
            shutil.copy(path, package)
        (self.root / "app/predictor.py").write_text(predictor)
        (self.root / "site").mkdir()
        packages = packages or next(path for path in sys.path if path.endswith("site-packages"))
        (self.root / "site/packages.pth").write_text(f"{packages}\n")
        if model:
            shutil.copytree(model, self.root / "model")
        self.log = directory / "server.log"

    def command(self):
        return [str(self.interpreter), str(self.root / "app/mlflow_aip_serving")]


class Server:
    """A server that has been started; whether it is ready is for the test to say."""

    def __init__(self, tree, env, **variables):
        self.tree, self.port = tree, free_port()
        settings = {"MLFLOW_AIP_HOST": "127.0.0.1", "AIP_HTTP_PORT": str(self.port)}
        before = variables.pop("before", [])
        with open(tree.log, "wb") as log:
            self.process = subprocess.Popen(
                [*before, *tree.command()],
                env=env | settings | variables,
                cwd=tree.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(self, path, body=None, method=None, **headers):
        """Status and JSON."""
        connection = self.connection()
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.headers["content-type"] == "application/json", answer.headers
            return answer.status, json.loads(text)
        finally:
            connection.close()

    def predict(self, instances, **more):
        return self.call("/predict", {"instances": instances, **more})

    def listening(self, timeout=30):
        """Until the port is open."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                connection = self.connection()
                connection.connect()
                connection.close()
                return self
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.said()
                time.sleep(0.01)
        raise AssertionError("nothing listens")

    def ready(self, timeout=120):
        """Until health says so."""
        self.listening()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                if self.call("/health")[0] == 200:
                    return self
            except ConnectionError:
                self.process.wait(10)
            assert self.process.poll() is None, self.said()
            time.sleep(0.02)
        raise AssertionError(f"not ready: {self.said()}")

    def said(self):
        return self.tree.log.read_text()

    def entries(self):
        """The log; every line of it is JSON."""
        return [json.loads(line) for line in self.said().splitlines()]

    def messages(self):
        return [entry["message"] for entry in self.entries()]

    def wait(self, timeout=20):
        status = self.process.wait(timeout)
        # Nothing but stdout is read as the log.
        assert self.process.stderr.read() == b""
        return status

    def end(self):
        """Its status, when it is asked to end."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def children(self):
        """Of what was put before it."""
        pid = self.process.pid
        return [int(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split()]

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stderr.close()
