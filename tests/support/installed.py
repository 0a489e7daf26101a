"""The plugin as it is installed beside either MLflow, from outside."""

import json
import os
import subprocess

from .outcome import Outcome
from .places import TESTS, VENV

MAJORS = [2, 3]
# As from a notebook or a service: the environment is not on PATH.
FOREIGN = {"AIP_BIN", "VIRTUAL_ENV"}


def program(major, name):
    path = VENV / f"plugin{major}/bin" / name
    assert path.exists(), f"no {path}; run: make plugin-environments PROFILE=debug"
    return str(path)


def outside(env):
    """That environment without this checkout's programs in it."""
    kept = {name: value for name, value in env.items() if name not in FOREIGN}
    return kept | {"PATH": os.environ["PATH"]}


class Installed:
    """Runs this MLflow's command line, or a script, any number of times, and
    imports it once: each is a fork of one process."""

    def __init__(self, major, env, directory):
        self.major, self.directory, self.count = major, directory, 0
        directory.mkdir()
        self.popen = subprocess.Popen(
            [program(major, "python"), TESTS / "support/forks.py"],
            env=outside(env), cwd=directory,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )

    def mlflow(self, *args, **options):
        return self.run(["mlflow", *args], **options)

    def run(self, args, *, env, cwd, places=None):
        self.count += 1
        files = {name: self.directory / f"{self.count}.{name}" for name in ("stdout", "stderr")}
        request = {"args": [str(arg) for arg in args], "env": outside(env), "cwd": str(cwd)}
        request |= {name: str(path) for name, path in files.items()}
        print(json.dumps(request), file=self.popen.stdin, flush=True)
        answer = self.popen.stdout.readline()
        assert answer, "MLflow's process is gone"
        said = {name: path.read_text() for name, path in files.items()}
        return Outcome(request["args"], int(answer), said["stdout"], said["stderr"], places or {})

    def end(self):
        self.popen.stdin.close()
        self.popen.wait(20)
        self.popen.stdout.close()
