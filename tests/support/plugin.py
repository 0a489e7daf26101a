"""The MLflow plugin as it lies in the checkout, without its wheel."""

import os
import subprocess

from .places import BIN, ROOT, python

SOURCE = ROOT / "crates/mlflow-plugin/python"

METADATA = "Metadata-Version: 2.1\nName: mlflow-aip\nVersion: 0\n"
ENTRY_POINTS = "[mlflow.deployments]\naiplatform = mlflow_aip.deployments\n"


class Plugin:
    """Known to whichever MLflow runs in its environment, the programs too."""

    def __init__(self, directory, env):
        info = directory / "mlflow_aip-0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(METADATA)
        (info / "entry_points.txt").write_text(ENTRY_POINTS)
        self.env = env | {
            "PYTHONPATH": os.pathsep.join([str(SOURCE), str(directory)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AIP_BIN": str(BIN),
        }

    def python(self, major, code, *args, env=None, stdin="", timeout=300):
        """Runs Python code beside MLflow of that major, to its end."""
        return self._run([python(major), "-c", code, *args], env, stdin, timeout)

    def cli(self, major, *args, env=None, timeout=300):
        """`mlflow deployments …`"""
        command = [python(major), "-m", "mlflow", "deployments", *args]
        return self._run(command, env, "", timeout)

    def _run(self, command, env, stdin, timeout):
        return subprocess.run(
            command, env=self.env | (env or {}), input=stdin, timeout=timeout,
            capture_output=True, text=True, check=False,
        )
