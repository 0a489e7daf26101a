"""MLflow servers of both majors, and models logged to them."""

import json
import shutil
import subprocess
import urllib.request

from .places import TESTS, python
from .process import Background, free_port


class MlflowServer:
    def __init__(self, major, directory, env, *, proxied=True, root=None, options=()):
        self.major, self.directory, self.env = major, directory, env
        (directory / "artifacts").mkdir(parents=True)
        root = root or str(directory / "artifacts")
        port = free_port()
        where = (
            ["--serve-artifacts", "--artifacts-destination", root]
            if proxied
            else ["--no-serve-artifacts", "--default-artifact-root", root]
        )
        self.uri = f"http://127.0.0.1:{port}"
        self.process = Background(
            [
                python(major), "-m", "mlflow", "server", "--host", "127.0.0.1",
                "--port", str(port), "--workers", "2",
                "--backend-store-uri", f"sqlite:///{directory}/mlflow.db", *where, *options,
            ],
            # The server starts its web server by name.
            env=env | {"PATH": f"{python(major).removesuffix('/python')}:{env['PATH']}"},
            log=directory / "server.log",
            cwd=directory,
        )
        self.process.listens(port, timeout=120)

    def log(self, *kinds, env=None):
        """Logs models of these kinds (support/models.py) with this server's own
        MLflow. For each: run id, a request, and what the model itself says."""
        return self.run("models.py", *kinds, env=env)

    def run(self, script, *args, env=None):
        """What a script of support/ prints that runs beside this server's MLflow."""
        done = subprocess.run(
            [python(self.major), TESTS / "support" / script, *args],
            env=self.env | (env or {}) | {"MLFLOW_TRACKING_URI": self.uri},
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()[-4000:]
        return json.loads(done.stdout)

    def call(self, route, version="2.0", **body):
        """A request of no client at all."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self.uri}/api/{version}/mlflow/{route}", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def run_with(self, model, root=None):
        """The id of a run whose `model` is a copy of this directory, put by hand
        where the server keeps it, or below a root that clients see as well."""
        made = root and self.call("experiments/create", name=str(root), artifact_location=str(root))
        run = self.call("runs/create", experiment_id=made["experiment_id"] if made else "0")
        info = run["run"]["info"]
        there = root / info["run_id"] if made else self.directory / "artifacts/0" / info["run_id"]
        shutil.copytree(model, there / "artifacts/model")
        return info["run_id"]

    def end(self):
        return self.process.end()
