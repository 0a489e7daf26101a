"""A model in a directory, with templates that need nothing installed: the whole
pipeline in a second or two, without MLflow."""

import sys

MLMODEL = """\
flavors:
  python_function:
    env:
      virtualenv: python_env.yaml
    loader_module: nobody.loads.it
    python_version: {python}
mlflow_version: 3.17.2
model_uuid: 0123456789abcdef0123456789abcdef
run_id: fedcba9876543210fedcba9876543210
signature:
  inputs: '[{{"type": "double", "name": "x", "required": true}}]'
  outputs: '[{{"type": "double", "required": true}}]'
utc_time_created: '2026-01-02 03:04:05.678901'
"""

PREDICTOR = '''\
"""The model lies in MODEL_ARTIFACT_URI."""

import os


class Predictor:
    def __init__(self, model, preprocessor=None):
        self.factor = model

    def predict(self, instances, **kwargs):
        values = (row["x"] if isinstance(row, dict) else row[0] for row in instances)
        return [float(value) * self.factor for value in values]

    @classmethod
    def from_path(cls, model_dir):
        for directory, _, files in os.walk(model_dir):
            if "factor.txt" in files:
                with open(os.path.join(directory, "factor.txt")) as file:
                    return cls(float(file.read()))
        raise FileNotFoundError("no factor.txt below " + model_dir)
'''

SETUP = """\
from setuptools import setup

setup(
    name="deploy_from_script",
    version="MODEL_VERSION",
    py_modules=["predictor"],
    scripts=["predictor.py"],
    install_requires=[],
)
"""


class LocalModel:
    """Multiplies by two."""

    def __init__(self, directory):
        self.directory = directory / "model"
        self.directory.mkdir(parents=True)
        files = {
            "MLmodel": MLMODEL.format(python="%d.%d.%d" % sys.version_info[:3]),
            "factor.txt": "2.0",
            "python_env.yaml": "python: 3.11.7\ndependencies:\n- -r requirements.txt\n",
            "requirements.txt": "",
        }
        for name, text in files.items():
            (self.directory / name).write_text(text)
        self.predictor, self.setup = directory / "predictor.py", directory / "setup.py"
        self.predictor.write_text(PREDICTOR)
        self.setup.write_text(SETUP)
        self.instances = directory / "instances.json"
        self.instances.write_text('{"instances": [[1], [2.5]]}')

    def env(self, bucket, name):
        """The article's variables."""
        return {
            "run_id": str(self.directory),
            "project_id": "emulator",
            "production_bucket": bucket,
            "production_route": "route",
            "prediction_script": str(self.predictor),
            "setup_file": str(self.setup),
            "tmp_dir": str(self.directory.parent / "kept"),
            "model_name": name,
            "version_name": "v1",
        }
