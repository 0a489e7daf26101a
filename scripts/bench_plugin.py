#!/usr/bin/env python3
"""Measures the MLflow plugin against the pipe of programs that it drives, in one run.

Wall-clock seconds, medians of ROUNDS, in turns. What the plugin itself costs is
`mlflow deployments create` without the pipe and without `mlflow deployments --help`,
which is MLflow's import and command line.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.emulator import Emulator  # noqa: E402
from support.installed import MAJORS, outside, program  # noqa: E402
from support.local import LocalModel  # noqa: E402
from support.measuring import measure, report  # noqa: E402
from support.places import BIN, base_env  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", 5))

PIPE = "set -o pipefail; mlf-fetch | aip-bundle | aip-upload | aip-model create | aip-version create"

# The modules that MLflow itself needs for this are there before the clock starts.
IMPORT = """
import time, mlflow.deployments, mlflow.deployments.interface as interface
start = time.perf_counter()
interface.get_deploy_client("aiplatform")
print(time.perf_counter() - start)
"""


class Bench:
    """One model that is there already, so that all ways do the same work."""

    def __init__(self, directory):
        self.directory = directory
        (directory / "home").mkdir()
        self.env = base_env(directory / "home")
        emulator = Emulator(directory / "emulator", self.env)
        model = LocalModel(directory)
        self.model = str(model.directory)
        self.env |= emulator.env | model.env(emulator.make_bucket("bench"), "iris")

    def run(self, *args):
        return measure(args, self.env, self.directory)

    def create(self, major):
        env = outside(self.env)
        return measure(
            [program(major, "mlflow"), "deployments", "create", "-t", "aiplatform",
             "--name", "iris", "-m", self.model],
            env, self.directory,
        )

    def end_to_end(self, major):
        mlflow = program(major, "mlflow")
        ways = {
            "pipe of programs": lambda: self.run("bash", "-c", PIPE),
            "mlflow deployments create": lambda: self.create(major),
            "mlflow deployments --help": lambda: self.run(mlflow, "deployments", "--help"),
        }
        for way in ways.values():
            way()
        results = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                results[name].append(way())
        report(f"A deployment that is there already, MLflow {major}", results)
        for which, unit in (("seconds", "s"), ("cpu", "CPU s")):
            pipe, create, bare = (
                statistics.median(getattr(run, which) for run in runs) for runs in results.values()
            )
            print(f"  the plugin's own: {create - pipe - bare:.3f} {unit}")

    def load(self, major):
        times = [
            float(subprocess.check_output([program(major, "python"), "-c", IMPORT], env=self.env))
            for _ in range(ROUNDS)
        ]
        print(f"Loading the plugin, MLflow {major}: {statistics.median(times) * 1000:.1f} ms")


def main():
    for wheel in [*(ROOT / "dist").glob("*.whl"), *(BIN.parent / "wheel").glob("*.whl")]:
        print(f"{wheel.name} in {wheel.parent}: {wheel.stat().st_size / 1e6:.1f} MB")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory))
        for major in MAJORS:
            bench.load(major)
            bench.end_to_end(major)
    print(f"\nin {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
