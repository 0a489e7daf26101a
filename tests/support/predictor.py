"""A predictor as a scientist of the article's time would write it."""

import io
import sys
import tarfile

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

PREDICTOR = """
import os, sys

class Predictor:
    def __init__(self, text):
        self.text = text

    @classmethod
    def from_path(cls, model_dir):
        open("left-behind", "w").close()
        with open(os.path.join(model_dir, "model.txt")) as file:
            return cls(file.read())

    def predict(self, instances, **kwargs):
        print("a print in user code is no answer")
        if kwargs.get("fail"):
            raise ValueError("as asked")
        return [[self.text, instance, sorted(kwargs)] for instance in instances]

class Broken:
    @classmethod
    def from_path(cls, model_dir):
        raise RuntimeError("no such weights")
    def predict(self, instances, **kwargs):
        return instances

class Extra(Predictor):
    def predict(self, instances, more=None):
        return instances
"""

SETUP = """
from setuptools import setup
setup(name="deploy_from_script", version="1", py_modules=["predictor"], scripts=["predictor.py"])
"""


def sdist():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        files = {
            "setup.py": SETUP,
            "predictor.py": PREDICTOR,
            "PKG-INFO": "Metadata-Version: 1.0\nName: deploy_from_script\nVersion: 1\n",
        }
        for name, text in files.items():
            info = tarfile.TarInfo(f"deploy_from_script-1/{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def version(emulator, bucket):
    """Puts the predictor and its model into a bucket: a version's body."""
    client = storage.Client(
        project="emulator",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": emulator.url},
    )
    there = client.bucket(bucket)
    there.blob("dist/deploy_from_script-1.tar.gz").upload_from_string(sdist())
    there.blob("model/model.txt").upload_from_string("rosé")
    return {
        "deploymentUri": f"gs://{bucket}/model/",
        "packageUris": [f"gs://{bucket}/dist/deploy_from_script-1.tar.gz"],
        "predictionClass": "predictor.Predictor",
        "runtimeVersion": "2.11",
        "pythonVersion": "%d.%d" % sys.version_info[:2],
        "machineType": "mls1-c1-m2",
    }
