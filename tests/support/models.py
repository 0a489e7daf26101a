"""Logs models of several kinds; runs in either MLflow's environment.

    MLFLOW_TRACKING_URI=… python models.py KIND…

Prints JSON: for each kind its run, a request, and the model's own answer.
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

KINDS = ["sklearn", "pickled", "bare", "pyfunc", "xgboost"]

CODE = """
def shout(text):
    return text.upper() + "!"
"""


def where():
    """MLflow 3 calls the artifact path a name."""
    import mlflow

    return {"name" if mlflow.__version__ >= "3" else "artifact_path": "model"}


def pins(*packages):
    from importlib.metadata import version

    return [f"{package}=={version(package)}" for package in ("mlflow", *packages)]


def iris():
    from sklearn.datasets import load_iris

    flowers = load_iris(as_frame=True)
    return flowers.data, flowers.target


def sklearn():
    """A column signature; requirements as MLflow finds them."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    data, target = iris()
    model = LogisticRegression(max_iter=200).fit(data, target)
    mlflow.sklearn.log_model(
        model, **where(), signature=infer_signature(data, model.predict(data)), input_example=data[:2]
    )
    rows = data.iloc[::30]
    return {"instances": rows.values.tolist()}, lambda loaded: loaded.predict(rows)


def pickled():
    """Not as skops, which is MLflow 3's default."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.linear_model import Ridge

    data, target = iris()
    model = Ridge().fit(data, target)
    mlflow.sklearn.log_model(
        model, **where(), signature=infer_signature(data, model.predict(data)),
        serialization_format="pickle",
    )
    rows = data.iloc[::30]
    return {"instances": rows.values.tolist()}, lambda loaded: loaded.predict(rows)


def bare():
    """No signature."""
    import mlflow
    from sklearn.linear_model import Ridge

    data, target = iris()
    model = Ridge().fit(data.values, target)
    mlflow.sklearn.log_model(model, **where())
    rows = data.values[::30]
    return {"instances": rows.tolist()}, lambda loaded: loaded.predict(rows)


def pyfunc():
    """Code, artifacts and params of its own."""
    import mlflow
    import pandas
    from mlflow.models import infer_signature

    class Labels(mlflow.pyfunc.PythonModel):
        def load_context(self, context):
            self.labels = json.loads(Path(context.artifacts["labels"]).read_text())

        def predict(self, context, model_input, params=None):
            from shouting import shout

            times = (params or {}).get("times", 1)
            return [shout(self.labels[label]) * times for label in model_input["label"]]

    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "labels.json").write_text('{"a": "rosé", "b": "日本"}')
        code = Path(directory, "shouting")
        code.mkdir()
        (code / "__init__.py").write_text(CODE)
        sys.path.insert(0, directory)
        example = pandas.DataFrame({"label": ["a", "b"]})
        mlflow.pyfunc.log_model(
            **where(),
            python_model=Labels(),
            artifacts={"labels": f"{directory}/labels.json"},
            code_paths=[str(code)],
            signature=infer_signature(example, ["A"], params={"times": 1}),
            pip_requirements=pins("pandas", "cloudpickle"),
        )
        sys.path.remove(directory)
    request = {"instances": [{"label": "b"}, {"label": "a"}], "parameters": {"times": 2}}
    frame = pandas.DataFrame(request["instances"])
    return request, lambda loaded: loaded.predict(frame, params={"times": 2})


def xgboost():
    """A tensor signature, a JSON model file."""
    import mlflow
    import xgboost
    from mlflow.models import infer_signature

    data, target = iris()
    model = xgboost.XGBClassifier(n_estimators=3).fit(data.values, target)
    mlflow.xgboost.log_model(
        model,
        **where(),
        model_format="json",
        signature=infer_signature(data.values, model.predict(data.values)),
        pip_requirements=pins("xgboost-cpu", "scikit-learn", "pandas"),
    )
    rows = data.values[::30]
    return {"instances": rows.tolist()}, lambda loaded: loaded.predict(rows)


def log(kind):
    import mlflow

    with mlflow.start_run() as run:
        request, predict = globals()[kind]()
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    predictions = predict(loaded)
    if hasattr(predictions, "tolist"):
        predictions = predictions.tolist()
    return {"run_id": run.info.run_id, "request": request, "predictions": list(predictions)}


def main():
    import mlflow

    # An experiment of one's own may keep its artifacts elsewhere.
    mlflow.set_experiment(experiment_id=experiment(os.environ.get("EXPERIMENT_ROOT")))
    with contextlib.redirect_stdout(sys.stderr):
        models = {kind: log(kind) for kind in sys.argv[1:]}
    json.dump(models, sys.stdout)


def experiment(root):
    import mlflow

    found = mlflow.get_experiment_by_name(root or "tests")
    return found.experiment_id if found else mlflow.create_experiment(root or "tests", root or None)


if __name__ == "__main__":
    main()
