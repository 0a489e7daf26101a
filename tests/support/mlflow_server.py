"""MLflow servers of both majors, and models logged to them."""

import json
import subprocess

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

    def end(self):
        return self.process.end()
