"""What `mlflow models generate-dockerfile` leads to: its image's layers, built by
what is there or, where nothing can build it, made by doing what it says."""

import gzip
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from .measuring import after_each_other, measure
from .places import VENV, python

# How each says that it works, and writes an image to a file.
BUILDERS = {
    "docker": (["info"], lambda image, file: ["save", "-o", file, image]),
    "podman": (["info"], lambda image, file: ["save", "-o", file, image]),
    "buildah": (["info"], lambda image, file: ["push", image, f"docker-archive:{file}"]),
}
TAG = "localhost/mlflow-bench:latest"

# That level is docker's own.
PACK = 'tar -C "$1" --null --no-recursion -T - -cf - <"$2" | gzip -6 >"$3"'


def builder():
    """What can build a Dockerfile here."""
    for name, (works, _) in BUILDERS.items():
        if shutil.which(name):
            done = subprocess.run([name, *works], capture_output=True, check=False)
            if done.returncode == 0:
                return name
    return None


def generate(model, context, env):
    """Writes the Dockerfile and what it copies."""
    mlflow = str(VENV / "mlflow3/bin/mlflow")
    command = [mlflow, "models", "generate-dockerfile", "-m", str(model), "-d", str(context)]
    return measure(command, env, context.parent)


def instructions(context):
    text = (context / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [line.split(" ", 1) for line in lines if line and not line.startswith("#")]


class Built:
    """By a builder. What it keeps of an earlier build serves a later one."""

    def __init__(self, name, directory, env):
        # A builder's settings and storage are its user's.
        self.name, self.directory = name, directory
        self.env = env | {"HOME": os.path.expanduser("~")}

    def build(self, context, *options):
        """Without packing its layers, which a push does."""
        command = [self.name, "build", *options, "-t", TAG, str(context)]
        return measure(command, self.env, self.directory)

    def cold(self, context):
        return self.build(context, "--no-cache")

    def changed(self, context):
        return self.build(context)

    def layers(self, context):
        """(name, bytes, packed bytes) of each above the base."""
        base = dict(instructions(context))["FROM"]
        below = len(self.saved(base))
        return [(f"layer {i}", *sizes) for i, sizes in enumerate(self.saved(TAG)[below:], 1)]

    def end(self):
        subprocess.run([self.name, "rmi", TAG], env=self.env, capture_output=True, check=False)

    def saved(self, image):
        file = self.directory / "image.tar"
        file.unlink(missing_ok=True)
        subprocess.run(
            [self.name, *BUILDERS[self.name][1](image, str(file))], check=True,
            env=self.env, stdout=subprocess.DEVNULL,
        )
        with tarfile.open(file) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))
            return [packed(archive.extractfile(name).read()) for name in manifest[0]["Layers"]]


def packed(layer):
    if layer.startswith(b"\x1f\x8b"):
        layer = gzip.decompress(layer)
    return len(layer), len(gzip.compress(layer, 6))


class TakenApart:
    """Its RUN and COPY steps in a directory, each one's new files packed as a layer.
    What is for the system alone (nginx, by apt) is left out."""

    def __init__(self, directory, env):
        self.root, self.before = directory / "root", directory / "before"
        self.directory, self.sizes = directory, {}
        self.env = env | {
            "HOME": str(self.root / "home"),
            "VIRTUAL_ENV": str(self.root / "python"),
            "PATH": f"{self.root}/python/bin:{env['PATH']}",
        }
        # What pip keeps there becomes part of the layer.
        self.env["XDG_CACHE_HOME"] = str(self.root / "home/.cache")

    def cold(self, context):
        shutil.rmtree(self.root, ignore_errors=True)
        venv = [VENV / "bin/uv", "venv", "-q", "--seed", "-p", os.path.realpath(python(3))]
        subprocess.run([*venv, self.root / "python"], check=True, env=os.environ | self.uv())
        known = self.files()
        took = []
        for kind, what in instructions(context):
            if kind == "COPY":
                # What follows is done again for another model.
                self.keep()
            took += self.step(context, kind, what, known)
        return after_each_other(*took)

    def changed(self, context):
        """From COPY on, as all that stands after it."""
        shutil.rmtree(self.root)
        copy(self.before, self.root)
        known, took, copied = self.files(), [], False
        for kind, what in instructions(context):
            copied = copied or kind == "COPY"
            if copied:
                took += self.step(context, kind, what, known)
        return after_each_other(*took)

    def step(self, context, kind, what, known):
        """The runs that it took; known files become those after it."""
        model = self.root / "model"
        if kind == "COPY":
            shutil.copytree(context / what.split()[0], model)
            took = []
        elif kind == "RUN" and what.startswith(("pip ", "python ")):
            command = what.replace("/opt/ml/model", str(model))
            took = [measure(["bash", "-c", command], self.env, self.directory)]
        else:
            return []
        now = self.files()
        new = [path for path, mark in now.items() if known.get(path) != mark]
        known.clear()
        known.update(now)
        return [*took, self.pack(f"{kind} {what}", new)]

    def pack(self, name, paths):
        names, target = self.directory / "names", self.directory / "layer.tar.gz"
        names.write_bytes(b"\0".join(os.fsencode(path) for path in paths))
        command = ["bash", "-c", f"set -o pipefail; {PACK}", "-", self.root, names, target]
        took = measure(command, self.env, self.directory)
        content = sum((self.root / path).lstat().st_size for path in paths)
        self.sizes[name] = (content, target.stat().st_size)
        return took

    def layers(self, _context):
        return [(name, *sizes) for name, sizes in self.sizes.items()]

    def end(self):
        pass

    def files(self):
        """All below the root, and by what a change shows."""
        found = {}
        for directory, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(directory, name)
                status = os.lstat(path)
                mark = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                found[os.path.relpath(path, self.root)] = mark
        return found

    def keep(self):
        shutil.rmtree(self.before, ignore_errors=True)
        copy(self.root, self.before)

    def uv(self):
        return {"XDG_CACHE_HOME": str(self.directory / "uv")}


def copy(source, target):
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)
