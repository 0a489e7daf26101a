"""Images in the emulator: in a root of their own, and what is left of them."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from support import debian
from support.layout import Layout, layer

# As the stand-ins say it.
PYTHON = f"PYTHON_VERSION={sys.version_info[0]}.{sys.version_info[1]}"

# What Vertex AI asks of a container, and what it sees of this machine.
SERVER = b"""
import http.server, json, os, subprocess, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        try:
            open("/opt/written", "w")
            writes = True
        except OSError:
            writes = False
        seen = {
            "uid": os.getuid(), "pid": os.getpid(), "writes": writes, "path": __file__,
            "home": os.path.exists(os.environ["OUTSIDE"]), "secret": os.environ["SECRET"],
            "release": open("/etc/release").read() if os.path.exists("/etc/release") else None,
        }
        self.answer({"predictions": [seen]})

    def answer(self, body):
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
address = os.environ["MLFLOW_AIP_HOST"], int(os.environ["AIP_HTTP_PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""


class Endpoint:
    """An endpoint with an image on it."""

    def __init__(self, emulator, image, env):
        self.emulator = emulator
        place = "projects/p/locations/us-central1"
        spec = {
            "imageUri": image, "predictRoute": "/predict", "healthRoute": "/health",
            "env": [{"name": name, "value": value} for name, value in env.items()],
        }
        body = {"model": {"displayName": "iris", "containerSpec": spec}, "modelId": "iris"}
        self.wait("POST", f"/v1/{place}/models:upload", body)
        self.wait("POST", f"/v1/{place}/endpoints?endpointId=iris", {"displayName": "iris"})
        deployed = {
            "model": f"{place}/models/iris",
            "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1},
        }
        self.path = f"/v1/{place}/endpoints/iris"
        self.wait(
            "POST", f"{self.path}:deployModel", {"deployedModel": deployed, "trafficSplit": {"0": 100}}
        )

    def wait(self, method, path, body):
        status, operation = self.emulator.call(method, path, body)
        assert status == 200, operation
        deadline = time.monotonic() + 120
        while not operation.get("done"):
            assert time.monotonic() < deadline, operation
            time.sleep(0.1)
            status, operation = self.emulator.call("GET", f"/v1/{operation['name']}")
        assert "error" not in operation, operation
        return operation

    def predict(self):
        status, answer = self.emulator.call("POST", f"{self.path}:predict", {"instances": [1]})
        assert status == 200, answer
        return answer["predictions"][0]


def processes(marker):
    """The processes that have it in their environment."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if marker.encode() in environ.read():
                    found.append(int(pid))
        except OSError:
            continue
    return found


def command_lines():
    return subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True).stdout


def listening(pid):
    """The addresses at which a process is heard."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    found = []
    for family, name in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        with open(f"/proc/{pid}/net/{name}") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        for row in rows:
            if row[3] == "0A" and f"socket:[{row[9]}]" in links:
                words = bytes.fromhex(row[1].split(":")[0])
                # Each word of it in this machine's order.
                swapped = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
                found.append(socket.inet_ntop(family, swapped))
    return found


@pytest.fixture
def image(tmp_path):
    """Makes a layout of an image of ours on a base."""

    def make(base, python):
        config = {
            "Entrypoint": ["python3", "/opt/app/serve.py"], "User": "65534:65534",
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *python],
        }
        return Layout(tmp_path / "layout", config, [base, layer({"opt/app/serve.py": SERVER})])

    return make


@pytest.fixture
def deployed(start_emulator, env, tmp_path, image):
    def deploy(base, *python, path=""):
        emulator = start_emulator(tmp_path / "emulator", env | {"PATH": path + env["PATH"]})
        uri = image(base, python).push(emulator)
        marker = f"geheim-{os.getpid()}-{tmp_path.name}"
        return emulator, marker, Endpoint(emulator, uri, {"SECRET": marker, "OUTSIDE": str(tmp_path)})

    return deploy


def gone(marker):
    deadline = time.monotonic() + 20
    while left := processes(marker):
        if time.monotonic() > deadline:
            return left
        time.sleep(0.1)
    return []


@pytest.fixture
def bubblewrap():
    program = debian.program("bwrap", "bubblewrap")
    trial = [program.path, "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "true"]
    if subprocess.run(trial, capture_output=True).returncode:
        pytest.skip("bubblewrap may not make name spaces here")
    return os.path.dirname(program.path) + os.pathsep


def test_in_a_root_of_its_own(deployed, bubblewrap):
    tree = debian.tree("python", "python3-minimal", "libpython3-stdlib")
    base = layer({"etc/release": b"of the image"}, tree)
    emulator, secret, endpoint = deployed(base, path=bubblewrap)
    assert "in its own root (bwrap)" in emulator.process.said()
    assert endpoint.predict() == {
        "uid": 65534, "pid": 1, "writes": False, "path": "/opt/app/serve.py", "home": False,
        "secret": secret, "release": "of the image",
    }
    assert secret not in command_lines()
    assert processes(secret)
    emulator.end()
    assert gone(secret) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["asked", "killed"])
@pytest.mark.parametrize("where", ["root", "process"])
def test_nothing_is_left_of_it(request, deployed, where, number):
    if where == "root":
        path = request.getfixturevalue("bubblewrap")
        tree = debian.tree("python", "python3-minimal", "libpython3-stdlib")
        emulator, marker, endpoint = deployed(layer({}, tree), path=path)
    else:
        emulator, marker, endpoint = deployed(layer({}), PYTHON)
        assert "the base image is not proved" in emulator.process.said()
    assert endpoint.predict()["secret"] == marker
    # The server, and what it has started itself.
    assert len(processes(marker)) >= 2
    os.kill(emulator.ready["pid"], number)
    emulator.process.popen.wait(20)
    assert gone(marker) == []


def test_it_is_heard_on_loopback_only(deployed):
    _, marker, endpoint = deployed(layer({}), PYTHON)
    endpoint.predict()
    assert [address for pid in processes(marker) for address in listening(pid)] == ["127.0.0.1"]
