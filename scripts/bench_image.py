#!/usr/bin/env python3
"""Measures the image that aip-bundle makes for Vertex AI, and its push, against
MLflow's Dockerfile of the same model, in one run.

Wall-clock seconds (median of ROUNDS, in turns) and peak memory. The registry is
the emulator's, the base its stand-in: sizes are those above the base. uv has the
packages from a run before, unless COLD_UV=1; in a Dockerfile's build, pip
downloads them. Where nothing can build that, its RUN and COPY steps are done in a
directory (tests/support/dockerfile.py) and the layers packed as docker does it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import dockerfile  # noqa: E402
from support.emulator import Emulator  # noqa: E402
from support.machines import machines  # noqa: E402
from support.measuring import ROUNDS, after_each_other, measure, report  # noqa: E402
from support.places import base_env, tool  # noqa: E402

COLD_UV = os.environ.get("COLD_UV") == "1"
BOTH = "aip-bundle and aip-upload"
THEIRS = "MLflow's Dockerfile"


def save_models(directory, count):
    """The demo's model, and others with its requirements, as training again makes them."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    data, target = load_iris(return_X_y=True, as_frame=True)
    models = [directory / f"models/{i}/model" for i in range(count)]
    for i, path in enumerate(models):
        model = LogisticRegression(max_iter=200, C=1 + i).fit(data, target)
        mlflow.sklearn.save_model(
            model, path, signature=infer_signature(data, model.predict(data)),
            input_example=data.head(3),
            pip_requirements=str(models[0] / "requirements.txt") if i else None,
        )
    return models


class Ours:
    def __init__(self, directory, emulator, env):
        self.directory, self.env, self.host = directory, env, emulator.url.removeprefix("http://")
        self.env |= {
            "AIP_TARGET": "vertex", "model_name": "iris", "version_name": "v1",
            "tmp_dir": str(directory / "fetched"),
        }
        self.sent, self.document = {}, {}

    def prime(self, model):
        """So that uv has downloaded the packages."""
        self.fresh("primed")
        self.bundle(model)

    def fresh(self, name):
        """Work directory, layers' cache and repository of its own."""
        self.work, self.repository = self.directory / name, f"{self.host}/emulator/{name}"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        if COLD_UV:
            self.env["UV_CACHE_DIR"] = str(self.work / "uv")

    def fetch(self, model):
        fetched = self.directory / "fetch.json"
        measure([tool("mlf-fetch"), str(model)], self.env, self.directory, stdout=fetched)
        return fetched

    def bundle(self, model, *options, machine=(), settings=None):
        """Without a bucket: the model goes into the image."""
        command = [*machine, tool("aip-bundle"), "--work-dir", str(self.work), *options]
        files = {"stdin": self.fetch(model), "stdout": self.directory / "bundle.json"}
        took = measure(command, self.env | (settings or {}), self.directory, **files)
        self.document = json.loads(files["stdout"].read_text())
        return took

    def push(self, case):
        command = [tool("aip-upload"), "--image-repository", self.repository]
        files = {"stdin": self.directory / "bundle.json", "stdout": self.directory / "upload.json"}
        took = measure(command, self.env, self.directory, **files)
        self.sent[case] = json.loads(files["stdout"].read_text())["stages"]["upload"]["notes"]
        return took

    def both(self, case, model):
        """Apart and together."""
        bundle, push = self.bundle(model), self.push(case)
        return {BOTH: after_each_other(bundle, push), "aip-bundle": bundle, "aip-upload": push}

    def layers(self):
        """(name, bytes, packed bytes) of each above the base."""
        layout = Path(self.document["stages"]["bundle"]["directory"]) / "image"

        def blob(descriptor):
            return (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()

        index = json.loads((layout / "index.json").read_text())
        layers = json.loads(blob(index["manifests"][0]))["layers"][-3:]
        for name, layer in zip(("dependencies", "package", "model"), layers, strict=True):
            yield name, len(zlib.decompress(blob(layer), 31)), layer["size"]


class Theirs:
    def __init__(self, directory, env):
        directory.mkdir()
        self.directory, self.env, self.builder = directory, env, dockerfile.builder()
        self.way = (
            dockerfile.Built(self.builder, directory, env)
            if self.builder
            else dockerfile.TakenApart(directory, env)
        )

    def context(self, model):
        """The Dockerfile and what it copies, and what generating them took."""
        self.last = self.directory / "context"
        shutil.rmtree(self.last, ignore_errors=True)
        return self.last, dockerfile.generate(model, self.last, self.env)

    def cold(self, model):
        context, took = self.context(model)
        return after_each_other(took, self.way.cold(context))

    def changed(self, model):
        context, took = self.context(model)
        return after_each_other(took, self.way.changed(context))

    def layers(self):
        return self.way.layers(self.last)


def rounds(ours, theirs, models):
    """What each case took, by who did it."""
    cold, warm, changed = {}, {}, {}

    def add(results, took):
        for name, run in took.items():
            results.setdefault(name, []).append(run)

    for i in range(ROUNDS):
        first, second, third = models[0], models[2 * i + 1], models[2 * i + 2]
        ours.fresh(f"work{i}")
        add(cold, ours.both("cold", first))
        add(warm, ours.both("warm", first))
        add(changed, ours.both("changed", second))
        add(changed, {"aip-bundle --no-expected": ours.bundle(third, "--no-expected")})
        add(cold, {THEIRS: theirs.cold(first)})
        add(changed, {THEIRS: theirs.changed(second)})
    return cold, warm, changed


def sent(ours, case):
    notes = ours.sent[case]
    blobs = f"{notes['blobsSent']} blobs, {notes['blobsMounted']} mounted from the base"
    print(f"  sent: {notes['imageBytesSent']:,} bytes in {blobs}", flush=True)


def sizes(ours, theirs):
    print("\nImage above its base: MB, and packed")
    totals = []
    for who, layers in (("ours", ours.layers()), (THEIRS, theirs.layers())):
        layers = list(layers)
        totals.append([sum(layer[i] for layer in layers) for i in (1, 2)])
        for name, *both in [*layers, ("in all", *totals[-1])]:
            shown = "".join(f"{size / 1e6:>10.2f}" for size in both)
            print(f"  {who + ': ' + name:<60.60}{shown}")
    share = [one / other for one, other in zip(*totals)]
    print(f"  ours in parts of theirs: {share[0]:.2f}, packed {share[1]:.2f}", flush=True)


def digests(ours, model):
    print("\nThe same model on two machines, its files of other times and modes")
    found = set()
    for name, umask, settings, place in machines(ours.env):
        home = ours.directory / f"home{umask}"
        home.mkdir()
        ours.fresh(f"machine{umask}")
        machine = ["bash", "-c", f'umask {umask}; cd {place}; exec "$@"', "-"]
        subprocess.run([*machine, "cp", "-r", model, home / "model"], check=True)
        ours.bundle(home / "model", machine=machine, settings=settings | {"HOME": str(home)})
        digest = ours.document["stages"]["bundle"]["image"]["digest"]
        found.add(digest)
        print(f"  {digest}  {name}", flush=True)
    print(f"  {'identical' if len(found) == 1 else 'NOT identical'}", flush=True)


def say_how(theirs):
    print()
    if theirs.builder:
        print(f"MLflow's Dockerfile is built by {theirs.builder}; packing its layers is not timed.")
        return
    print(
        "MLflow's Dockerfile is not built: neither docker nor podman nor buildah works here.\n"
        "Measured are its layers of pip install, the model, and the model's requirements,\n"
        "made by its own RUN and COPY steps in a directory, packed by tar and gzip -6;\n"
        "pip downloads what it installs, as it does in a build.\n"
        "Left out, in its favour: the layer of nginx from apt, and the push."
    )


def main():
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        (directory / "home").mkdir()
        env = base_env(directory / "home")
        emulator = Emulator(directory / "emulator", env)
        models = save_models(directory, 2 * ROUNDS + 1)
        ours = Ours(directory, emulator, env | emulator.env)
        theirs = Theirs(directory / "theirs", env)
        say_how(theirs)
        if not COLD_UV:
            ours.prime(models[0])
        cold, warm, changed = rounds(ours, theirs, models)
        state = "nothing is there" if COLD_UV else "nothing is there but uv's cache of wheels"
        report(f"Bundle and push of the demo model: {state}", cold)
        sent(ours, "cold")
        report("Nothing has changed", warm)
        sent(ours, "warm")
        report("Another model with the same requirements", changed)
        sent(ours, "changed")
        sizes(ours, theirs)
        digests(ours, models[0])
    finally:
        if "theirs" in locals():
            theirs.way.end()
        if "emulator" in locals():
            emulator.end()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
