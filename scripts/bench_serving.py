#!/usr/bin/env python3
"""Measures the image's server against MLflow's and Vertex AI's own, in one run.

CPU of the server for each request (median of ROUNDS, in turns; wall-clock
figures depend on what else the machine does), and the time from its start to its
first prediction. The last column is CPU in parts of MLflow's. SECONDS and ROUNDS
in the environment make it shorter; CPR=0 leaves out Vertex AI's server, whose
packages are fetched otherwise.
"""

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.places import VENV, base_env, python  # noqa: E402
from support.process import free_port  # noqa: E402
from support.serving import Tree, built_in_predictor  # noqa: E402

SECONDS = float(os.environ.get("SECONDS", 3))
ROUNDS = int(os.environ.get("ROUNDS", 5))
TICKS = os.sysconf("SC_CLK_TCK")

# Google's class for custom prediction, around the same predictor.
CPR_PREDICTOR = """
from predictor import Predictor

class Adapter:
    def load(self, uri):
        self.predictor = Predictor.from_path(uri)
    def preprocess(self, request):
        return request["instances"]
    def predict(self, instances):
        return self.predictor.predict(instances)
    def postprocess(self, predictions):
        return {"predictions": predictions}
"""


def save_models(directory):
    """The iris model with a signature of either kind, and a request for it that
    all servers take: records for columns, rows for a tensor."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    data, target = load_iris(return_X_y=True, as_frame=True)
    requests = {}
    for name, inputs in (("columns", data), ("tensor", data.values)):
        model = LogisticRegression(max_iter=200).fit(inputs, target)
        signature = infer_signature(inputs, model.predict(inputs))
        mlflow.sklearn.save_model(
            model, directory / name, signature=signature, pip_requirements=[]
        )
        two = data.iloc[::75]
        rows = two.to_dict("records") if name == "columns" else two.values.tolist()
        requests[name] = json.dumps({"instances": rows}).encode()
    return requests


def install(directory, *packages):
    """Into a directory or an environment, by what is before the packages."""
    command = [str(VENV / "bin/uv"), "pip", "install", "--quiet", *directory, *packages]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


class Ways:
    """How each server is started: command, environment, route, health."""

    def __init__(self, directory):
        self.directory = directory
        (directory / "home").mkdir()
        self.env = base_env(directory / "home")
        self.ways = {"ours": self.tree("ours"), "ours, httptools": self.tree("httptools")}
        fast = self.directory / "httptools/packages"
        if install(["--python", python(3), "--target", str(fast)], "httptools"):
            site = self.directory / "httptools/opt/mlflow-aip/site"
            (site / "httptools.pth").write_text(f"{fast}\n")
        else:
            del self.ways["ours, httptools"]
        self.ways["MLflow"] = self.mlflow
        if os.environ.get("CPR") != "0" and self.make_cpr():
            self.ways["Vertex CPR"] = self.cpr

    def tree(self, name):
        (self.directory / name).mkdir()
        tree = Tree(self.directory / name, built_in_predictor())

        def way(model, port):
            settings = {
                "AIP_HTTP_PORT": port, "MLFLOW_AIP_HOST": "127.0.0.1", "AIP_STORAGE_URI": model,
            }
            return tree.command(), settings, "/predict", "/health"

        return way

    def mlflow(self, model, port):
        app = "mlflow.pyfunc.scoring_server.app:app"
        command = [python(3), "-m", "uvicorn", "--port", port, app]
        return command, {"__pyfunc_model_path__": model}, "/invocations", "/ping"

    def make_cpr(self):
        place = self.directory / "cpr"
        names = ["mlflow-skinny", "scikit-learn", "numpy", "pandas", "skops"]
        same = [f"{name}=={version(name)}" for name in names]
        subprocess.run([VENV / "bin/uv", "venv", "-q", "-p", python(3), place], check=True)
        (place / "predictor.py").write_text(built_in_predictor())
        (place / "adapter.py").write_text(CPR_PREDICTOR)
        return install(["--python", str(place)], "google-cloud-aiplatform[prediction]", *same)

    def cpr(self, model, port):
        server = "google.cloud.aiplatform.prediction.model_server:CprModelServer"
        python = str(self.directory / "cpr/bin/python")
        command = [python, "-m", "uvicorn", "--port", port, "--factory", server]
        settings = {
            "HANDLER_MODULE": "google.cloud.aiplatform.prediction.handler",
            "HANDLER_CLASS": "PredictionHandler", "PREDICTOR_MODULE": "adapter",
            "PREDICTOR_CLASS": "Adapter", "AIP_STORAGE_URI": model, "AIP_HTTP_PORT": port,
            "AIP_HEALTH_ROUTE": "/health", "AIP_PREDICT_ROUTE": "/predict",
            "PYTHONPATH": str(self.directory / "cpr"),
        }
        return command, settings, "/predict", "/health"


class Running:
    """A server from its start to its first prediction."""

    def __init__(self, ways, name, model, body):
        self.port = free_port()
        command, settings, route, health = ways.ways[name](str(model), str(self.port))
        self.request = self.bytes("POST", route, body)
        begun = time.monotonic()
        self.log = ways.directory / "server.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, env=ways.env | settings, cwd=ways.directory / "home",
                stdout=log, stderr=log,
            )
        self.port_seconds = self.until(lambda: self.ask(b"", answered=False)) - begun
        self.until(lambda: self.ask(self.bytes("GET", health)))
        self.ask(self.request)
        self.seconds, self.start_cpu = time.monotonic() - begun, self.cpu()

    def bytes(self, method, route, body=b""):
        head = f"{method} {route} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def until(self, works):
        deadline = time.monotonic() + 120
        while not works():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise SystemExit(f"{self.process.args} failed:\n{self.log.read_text()}")
            time.sleep(0.05)
        return time.monotonic()

    def ask(self, request, answered=True):
        try:
            with self.connect() as connection:
                return not answered or exchange(connection, request)
        except ConnectionError:
            return False

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def cpu(self):
        """Seconds, of the process and its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self):
        """MiB, of which nothing is shared twice."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(text.split("\nPss:")[1].split()[0]) / 1024

    def load(self, connections):
        """CPU milliseconds a request, requests a second, and the median's milliseconds."""
        before, begun, times = self.cpu(), time.monotonic(), []

        def client():
            with self.connect() as connection:
                while (start := time.monotonic()) < begun + SECONDS:
                    assert exchange(connection, self.request), "a prediction failed"
                    times.append(time.monotonic() - start)

        threads = [threading.Thread(target=client) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begun
        cpu = (self.cpu() - before) / len(times)
        return cpu * 1000, len(times) / took, statistics.median(times) * 1000

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def exchange(connection, request):
    """Whether the answer, which is read to its end, is a good one."""
    connection.sendall(request)
    data = b""
    while True:
        got = connection.recv(1 << 16)
        if not got:
            raise ConnectionResetError
        data += got
        head, end, body = data.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split()[0]):
            return head.startswith(b"HTTP/1.1 200")


def table(title, results, reference="MLflow"):
    """Medians; the first figure of each is what is compared."""
    print(f"\n{title}")
    middle = {name: list(map(statistics.median, zip(*runs))) for name, runs in results.items()}
    for name, values in middle.items():
        shown = "".join(f"{value:>12.2f}" for value in values)
        print(f"  {name:<18}{shown}{values[0] / middle[reference][0]:>9.2f} x", flush=True)


def start_up(ways, model, body):
    results = {name: [] for name in ways.ways}
    for _ in range(ROUNDS):
        for name, runs in results.items():
            server = Running(ways, name, model, body)
            runs.append((server.start_cpu, server.seconds, server.port_seconds, server.memory()))
            server.end()
    table("Start: CPU s, s to a prediction, s to an open port, MiB", results)


def requests(ways, kind, model, body):
    servers = {name: Running(ways, name, model, body) for name in ways.ways}
    try:
        for server in servers.values():
            server.load(1)
        for connections in (1, 8):
            results = {name: [] for name in servers}
            for _ in range(ROUNDS):
                for name, server in servers.items():
                    results[name].append(server.load(connections))
            title = f"{kind}, {connections} connections: CPU ms a request, requests/s, median ms"
            table(title, results)
    finally:
        for server in servers.values():
            server.end()


def main():
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        bodies = save_models(directory)
        ways = Ways(directory)
        start_up(ways, directory / "columns", bodies["columns"])
        for kind, body in bodies.items():
            requests(ways, kind, directory / kind, body)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
