"""Logs and registers models of all names; runs in either MLflow's environment.

    python named_models.py TRACKING_URI

Prints JSON: ids, and for each model URI the files that MLflow itself downloads.
"""

import contextlib
import hashlib
import json
import sys
import tempfile
from pathlib import Path


def log(mlflow, **options):
    class Zero(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return [0 for _ in model_input]

    where = {"name" if mlflow.__version__ >= "3" else "artifact_path": "model"}
    return mlflow.pyfunc.log_model(
        **where, python_model=Zero(), pip_requirements=["mlflow"], **options
    )


def fill(mlflow):
    client = mlflow.MlflowClient()
    mlflow.set_experiment("tests")
    with mlflow.start_run() as run:
        log(mlflow, registered_model_name="my model")
        mlflow.log_text("beside", "notes/readme.txt")
    plain = f"runs:/{run.info.run_id}/model"
    mlflow.register_model(plain, "my model")
    client.create_model_version("my model", source=plain, run_id=run.info.run_id)
    client.set_registered_model_alias("my model", "champion", 1)
    client.transition_model_version_stage("my model", 2, "Production")
    with mlflow.start_run() as twice:
        for _ in range(2):
            log(mlflow)
    return run.info.run_id, twice.info.run_id


# MLflow's own note of where it was downloaded from.
NOTE = "registered_model_meta"


def made_by_hand(mlflow, source):
    """A run with a logged model that its outputs do not list."""
    client = mlflow.MlflowClient()
    with mlflow.start_run() as run:
        pass
    made = client.create_logged_model(run.info.experiment_id, "made", source_run_id=run.info.run_id)
    with tempfile.TemporaryDirectory() as directory:
        path = mlflow.artifacts.download_artifacts(source, dst_path=directory)
        Path(path, NOTE).unlink()
        client.log_model_artifacts(made.model_id, path)
    client.finalize_logged_model(made.model_id, "READY")
    assert not client.get_run(run.info.run_id).outputs.model_outputs
    return f"runs:/{run.info.run_id}/made"


def digests(directory):
    files = (path for path in Path(directory).rglob("*") if path.is_file())
    found = {str(path.relative_to(directory)): path.read_bytes() for path in files}
    found.pop(NOTE, None)
    return {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}


def downloads(uri):
    import mlflow

    mlflow.set_tracking_uri(uri)
    run, twice = fill(mlflow)
    uris = [
        f"runs:/{run}/model", f"runs:/{twice}/model",
        "models:/my model/1", "models:/my model@champion", "models:/my model/production",
        "models:/my model/latest",
    ]
    if mlflow.__version__ >= "3":
        uris.append(f"models:/{mlflow.get_run(run).outputs.model_outputs[0].model_id}")
        uris.append(made_by_hand(mlflow, uris[-1]))
    files = {}
    for uri in uris:
        with tempfile.TemporaryDirectory() as directory:
            path = mlflow.artifacts.download_artifacts(uri, dst_path=directory)
            # A version made of a run's path comes with the path's last step.
            files[uri] = digests(next(Path(path).rglob("MLmodel")).parent)
    return {"run": run, "twice": twice, "files": files}


if __name__ == "__main__":
    # MLflow prints where a run can be viewed.
    with contextlib.redirect_stdout(sys.stderr):
        said = downloads(sys.argv[1])
    json.dump(said, sys.stdout)
