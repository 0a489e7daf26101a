"""Logs a directory as a model, as it is; runs in either MLflow's environment.

    MLFLOW_TRACKING_URI=… python logged_directory.py DIRECTORY

Prints JSON: the experiment, the run that has it below `model`, a registered
version of that, and where MLflow is the third, a logged model.
"""

import contextlib
import json
import sys


def log(directory):
    import mlflow

    client = mlflow.MlflowClient()
    experiment = mlflow.set_experiment("directories")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(directory, "model")
    said = {"run": run.info.run_id, "experiment": experiment.experiment_id}
    name = f"directory-{run.info.run_id[:8]}"
    client.create_registered_model(name)
    client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
    said["version"] = f"{name}/1"
    if mlflow.__version__ >= "3":
        model = client.create_logged_model(experiment.experiment_id, "model")
        client.log_model_artifacts(model.model_id, directory)
        client.finalize_logged_model(model.model_id, "READY")
        said["model"] = model.model_id
    return said


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        said = log(sys.argv[1])
    json.dump(said, sys.stdout)
