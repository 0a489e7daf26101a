"""Fills a model registry; runs in either MLflow's environment.

    MLFLOW_TRACKING_URI=… python registry.py

Two versions of 'flowers' of different content, the first of them 'champion',
and a run with two models. Prints JSON: the runs, and by URI the SHA-256 of each
file as MLflow's own client downloads it.
"""

import contextlib
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import mlflow


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[str]):
        return model_input


def log(path, content, **options):
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "content.txt")
        file.write_text(content)
        where = {"name" if mlflow.__version__ >= "3" else "artifact_path": path}
        return mlflow.pyfunc.log_model(
            **where, python_model=Model(), artifacts={"content": str(file)}, pip_requirements=[],
            **options,
        )


def digests(uri):
    with tempfile.TemporaryDirectory() as directory:
        root = Path(mlflow.artifacts.download_artifacts(uri, dst_path=directory))
        # MLflow notes beside a registered model's files where they come from.
        files = [file for file in root.rglob("*") if file.is_file() and file.name != "registered_model_meta"]
        return {
            str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
        }


def main():
    runs, uris = [], ["models:/flowers/1", "models:/flowers/2", "models:/flowers/latest"]
    for content in ("first", "second"):
        with mlflow.start_run() as run:
            info = log("model", content, registered_model_name="flowers")
        runs.append(run.info.run_id)
        uris.append(f"runs:/{run.info.run_id}/model")
        if getattr(info, "model_id", None):
            uris.append(f"models:/{info.model_id}")
    mlflow.MlflowClient().set_registered_model_alias("flowers", "champion", "1")
    uris.append("models:/flowers@champion")
    with mlflow.start_run() as run:
        log("first", "one")
        log("second", "two")
    return {"runs": runs, "several": run.info.run_id, "files": {uri: digests(uri) for uri in uris}}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        filled = main()
    json.dump(filled, sys.stdout)
