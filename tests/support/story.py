"""Commands of `mlflow deployments` one after the other, and what came of them."""

import re
from dataclasses import replace

from .installed import MAJORS, outside
from .local import LocalModel

# What a person does not look at, or what differs between two runs alike.
NOISE = [
    (r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)+", "Traceback …\n"),
    (r"(?m)^record: .*$", "record: …"),
    (r"'record': \{.*?\}(?=\}[,\]])", "'record': …"),
    (r"\b\d{8}T\d{6}-\d+-\d+\b", "MOMENT"),
    (r"\b\d{10,19}\b", "NUMBER"),
    (r"/\S+/plugin\d/bin/", "BIN/"),
    (r"\b\d+ bytes\b", "SIZE"),
    # Other tests push layers of the same content.
    (r"\d+ of \d+ blobs of the image sent \(SIZE\), \d+ mounted", "BLOBS"),
    (r"\bPython 3\.\d+|\bpython:3\.\d+", "PYTHON"),
]


def quiet(text):
    for pattern, replacement in NOISE:
        text = re.sub(pattern, replacement, text)
    return text


class Story:
    """In a directory with two models, against a bucket of its own."""

    def __init__(self, installed, env, emulator, directory, target, name):
        directory.mkdir()
        self.installed, self.directory, self.name = installed, directory, name
        model, other = LocalModel(directory), LocalModel(directory / "other")
        (other.directory / "factor.txt").write_text("3.0")
        self.model, self.other, self.instances = model.directory, other.directory, model.instances
        bucket = emulator.make_bucket(f"{name.lower()}-models")
        settings = model.env(bucket, "unused")
        given = ("project_id", "production_bucket", "prediction_script", "setup_file", "tmp_dir")
        self.env = outside(env) | emulator.env | {one: settings[one] for one in given}
        self.env |= {"AIP_TARGET": target, "production_route": "route"}
        self.places = {str(directory): "TMP", bucket: "BUCKET", name: "NAME"}
        self.told = []

    def __call__(self, command, *args, status=0, target="aiplatform", env=None):
        done = self.installed.mlflow(
            "deployments", command, "-t", target, *args,
            env=self.env | (env or {}), cwd=self.directory, places=self.places,
        )
        shown = replace(done, stdout=quiet(done.stdout), stderr=quiet(done.stderr))
        self.told.append(shown.text())
        assert done.status == status, done.text()
        return done

    def text(self):
        return "\n\n".join(self.told)


def alike(story, target, happens):
    """What happens beside either MLflow; told once, for it is the same."""
    told = []
    for major in MAJORS:
        tell = story(major, target)
        happens(tell)
        told.append(tell.text())
    assert told[0] == told[1]
    return told[1]
