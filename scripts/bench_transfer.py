#!/usr/bin/env python3
"""Measures how models are fetched and uploaded, against MLflow's client, curl,
cp, google-cloud-storage and, where it is installed, rclone, in one run.

Wall-clock and CPU seconds (medians of ROUNDS, in turns) and peak memory; `x` is
how many times ours. A second fetch or upload that moves content fails. BYTES
and FILES in the environment make it smaller; MAJORS=3 leaves out MLflow 2;
ONLY=fetch or ONLY=upload does half of it.
"""

import json
import os
import shutil
import sys
import tempfile
import urllib.parse
import urllib.request
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.emulator import Emulator  # noqa: E402
from support.local import LocalModel  # noqa: E402
from support.measuring import compare, measure  # noqa: E402
from support.mlflow_server import MlflowServer  # noqa: E402
from support.places import VENV, base_env, python, tool  # noqa: E402
from support.link import Link  # noqa: E402

BYTES = int(os.environ.get("BYTES", 1 << 30))
FILES = int(os.environ.get("FILES", 2000))
MAJORS = [int(major) for major in os.environ.get("MAJORS", "3,2").split(",")]
PEERS = str(ROOT / "tests/support/peers.py")
BUCKET = "bench"


class Bench:
    """A home, and places that are thrown away."""

    def __init__(self, directory):
        self.directory, self.count = directory, 0
        (directory / "home").mkdir()
        self.env = base_env(directory / "home") | {"XDG_CACHE_HOME": str(directory / "cache")}

    def fresh(self):
        """A directory that nothing is in, instead of the one before."""
        shutil.rmtree(self.directory / f"fresh{self.count}", ignore_errors=True)
        self.count += 1
        place = self.directory / f"fresh{self.count}"
        place.mkdir()
        return place

    def again(self, name, note, way):
        """What is there already is not to move again: its document says what did."""
        document, moved = self.directory / "again.json", []

        def once():
            done = way(document)
            stage = json.loads(document.read_text())["stages"][name.rpartition("-")[2]]
            moved.append(stage["notes"][note])
            return done

        compare("The same a second time", {name: once})
        print(f"  {note}: {', '.join(map(str, moved))}", flush=True)
        if any(moved):
            raise SystemExit(f"{name} moved content that was there already")


class Fetch(Bench):
    def run(self):
        for major in MAJORS:
            server = MlflowServer(major, self.directory / f"mlflow{major}", self.env)
            try:
                self.served(server, f"1 file of {BYTES >> 20} MiB", large)
                self.served(server, f"{FILES} x 64 KiB", many)
            finally:
                server.end()
        self.local(f"1 file of {BYTES >> 20} MiB", large)
        self.local(f"{FILES} x 64 KiB", many)

    def served(self, server, what, fill):
        """A model that a server has; its files are put where the server keeps them."""
        run = server_call(server, "runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
        there = server.directory / "artifacts/0" / run / "artifacts/model"
        shutil.copytree(LocalModel(self.fresh()).directory, there)
        fill(there)
        # What is as new as the answer is taken for a copy that MLflow 2 made for it.
        for path in there.rglob("*"):
            os.utime(path, (0, 10**9))
        uri, env = f"runs:/{run}/model", self.env | {"MLFLOW_TRACKING_URI": server.uri}
        mlflow = str(VENV / f"mlflow{server.major}/bin/mlflow")
        client = f"import mlflow; mlflow.artifacts.download_artifacts('{uri}', dst_path='.')"
        config = self.directory / "curl.config"
        config.write_text("".join(
            f'url = "{route(server, run, path.relative_to(there))}"\n'
            f'output = "{path.relative_to(there)}"\n'
            for path in there.rglob("*") if path.is_file()
        ))
        fetch = [tool("mlf-fetch"), uri]
        compare(f"Fetch of {what} from MLflow {server.major}", {
            "mlf-fetch": lambda: self.into([*fetch, "--no-cache"], env),
            "curl, 8 at once": lambda: self.into(
                ["curl", "-fsS", "-Z", "--parallel-max", "8", "-K", str(config)], env
            ),
            "MLflow's client": lambda: self.into([python(server.major), "-c", client], env),
            "mlflow artifacts download": lambda: self.into(
                [mlflow, "artifacts", "download", "-u", uri, "-d", "."], env
            ),
        })
        self.into(fetch, env)
        self.again("mlf-fetch", "bytesFetched", lambda to: self.into(fetch, env, to))
        shutil.rmtree(there)

    def local(self, what, fill):
        model = LocalModel(self.directory / "local").directory
        fill(model)
        names = [str(path) for path in model.rglob("*") if path.is_file()]
        compare(f"Fetch of {what} from a directory", {
            "mlf-fetch": lambda: self.into([tool("mlf-fetch"), str(model), "--no-cache"], self.env),
            "cp -r": lambda: self.into(["cp", "-r", str(model), "."], self.env),
            "sha256sum": lambda: self.into(["sha256sum", *names], self.env),
        })
        shutil.rmtree(model.parent)

    def into(self, args, env, document=None):
        place = self.fresh()
        return measure(args, env | {"tmp_dir": str(place)}, place, stdout=document)


class Upload(Bench):
    """To an emulator that keeps all in memory: of disks, only the one that is read
    from is measured."""

    def run(self):
        self.compare(f"1 file of {BYTES >> 20} MiB", large, {"curl -T": self.curl})
        self.compare(f"{FILES} x 64 KiB", many)
        self.compare("500 x 64 KiB, 50 ms a request", lambda to: many(to, 500), delay=0.05)

    def compare(self, what, fill, more=None, delay=0):
        source = self.directory / "upload"
        local = LocalModel(source)
        fill(local.directory)
        env = self.env | local.env("none", "iris")
        script = "set -o pipefail; mlf-fetch | aip-bundle >document.json"
        measure(["bash", "-c", script], env, source)
        ways = {
            "aip-upload": lambda env: self.ours(env, source),
            "google-cloud-storage": lambda env: self.python("upload-each", env, local.directory),
            "google-cloud-storage, in parallel": lambda env: self.python(
                "upload-many", env, local.directory
            ),
        }
        if shutil.which("rclone"):
            ways["rclone"] = lambda env: self.rclone(env, local.directory)
        ways |= {name: lambda env, way=way: way(env, local.directory)
                 for name, way in (more or {}).items()}

        def anew(way):
            with self.service(delay) as env:
                return way(env)

        compare(f"Upload of {what}", {name: partial(anew, way) for name, way in ways.items()})
        with self.service(delay) as env:
            self.ours(env, source)
            self.again("aip-upload", "bytesSent", lambda to: self.ours(env, source, to))
        shutil.rmtree(source)

    @contextmanager
    def service(self, delay):
        """The environment that leads to a service of one's own, with an empty bucket."""
        memory = {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}
        emulator = Emulator(self.fresh(), self.env | memory)
        try:
            emulator.make_bucket(BUCKET)
            with Link(emulator.url, delay=delay) if delay else nullcontext(emulator) as way:
                yield self.env | emulator.env | {"STORAGE_EMULATOR_HOST": way.url}
        finally:
            emulator.end()

    def ours(self, env, source, document=None):
        args = [tool("aip-upload"), "--bucket", BUCKET]
        return measure(args, env, source, stdin=source / "document.json", stdout=document)

    def python(self, way, env, directory):
        env = env | {"production_bucket": BUCKET}
        return measure([python(3), PEERS, way, str(directory)], env, directory.parent)

    def curl(self, env, directory):
        place = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=large.bin"
        url = env["STORAGE_EMULATOR_HOST"] + place
        args = ["curl", "-fsS", "-T", str(directory / "large.bin"), "-X", "POST", url]
        return measure(args, env, directory.parent)

    def rclone(self, env, directory):
        endpoint = f"{env['STORAGE_EMULATOR_HOST']}/storage/v1/"
        remote = f":googlecloudstorage,anonymous=true,endpoint='{endpoint}':{BUCKET}"
        args = ["rclone", "copy", "--transfers", "16", str(directory), remote]
        return measure(args, env, directory.parent)


def server_call(server, path, body):
    request = urllib.request.Request(
        f"{server.uri}/api/2.0/mlflow/{path}", json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    return json.load(urllib.request.urlopen(request, timeout=60))


def route(server, run, path):
    """Which of a server's routes is the fast one differs: see docs/fetch.md."""
    path = urllib.parse.quote(f"{path}")
    if server.major == 2:
        return f"{server.uri}/get-artifact?run_id={run}&path=model/{path}"
    return f"{server.uri}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model/{path}"


def large(directory):
    block = os.urandom(1 << 20)
    with open(directory / "large.bin", "wb") as file:
        for start in range(0, BYTES, len(block)):
            file.write(block[: BYTES - start])


def many(directory, count=FILES):
    for i in range(count):
        (directory / f"{i:05}.bin").write_bytes(os.urandom(64 << 10))


def main():
    only = os.environ.get("ONLY")
    for name, kind in {"fetch": Fetch, "upload": Upload}.items():
        if only in (None, name):
            with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as place:
                kind(Path(place)).run()


if __name__ == "__main__":
    main()
