"""Asks the compiled-in predictor for predictions; runs in either MLflow's
environment.

    python predictor_cases.py DIRECTORY-WITH-PREDICTOR.PY SCRATCH-DIRECTORY

Fails at the first answer that is not as it should be.
"""

import datetime
import inspect
import json
import pickle
import shutil
import sys
from pathlib import Path

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

DATA, TARGET = load_iris(return_X_y=True, as_frame=True)
NAMES = list(DATA.columns)
ROWS = DATA.iloc[::50].values.tolist()
RECORD = {"a": 1, "n": 2**53 + 1, "t": "2020-01-02T03:04:05", "b": {"b64": "aGk="},
          "s": "x", "ok": True, "i": 3.0, "f": 1}
TYPED = {**RECORD, "a": 1.0, "i": 3, "f": 1.0}
MIXED = Schema([
    ColSpec("double", "a"), ColSpec("long", "n"), ColSpec("datetime", "t"),
    ColSpec("binary", "b"), ColSpec("string", "s", required=False),
    ColSpec("boolean", "ok"), ColSpec("integer", "i"), ColSpec("float", "f"),
])


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        assert list(model_input.columns) == [n for n in MIXED.input_names() if n in model_input]
        return model_input.assign(scaled=model_input["a"] * params["scale"])


class Lengths(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [len(text) for text in model_input["text"]]


class Sums(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        assert model_input["x"].dtype == np.float32, model_input["x"].dtype
        return model_input["x"].sum(axis=1) + model_input["y"]


class Nasty(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return {
            "nan": [float("nan"), float("inf"), 1.5], "f": np.float32(1.5), "i": np.int64(3),
            "day": datetime.date(2020, 1, 2), "bytes": b"hi", "nat": pd.NaT, "bool": np.bool_(True),
            "series": pd.Series([1.0, None]), "array": np.array([[1.0, np.nan]]),
            "objects": np.array(["a", None], dtype=object), "time": np.datetime64("2020-01-01"),
            "frame": pd.DataFrame({"x": [1, 2], 0: [np.nan, "y"]}), 7: ({"z": (1,)},),
            "input": model_input,
        }


NASTY = {
    "nan": [None, None, 1.5], "f": 1.5, "i": 3, "day": "2020-01-02", "bytes": {"b64": "aGk="},
    "nat": None, "bool": True, "series": [1.0, None], "array": [[1.0, None]],
    "objects": ["a", None], "time": "2020-01-01T00:00:00",
    "frame": [{"x": 1, "0": None}, {"x": 2, "0": "y"}], "7": [{"z": [1]}],
}


def save(scratch):
    """Without requirements: they cost seconds to find out, and nobody installs them."""
    fitted = LogisticRegression(max_iter=1000)
    plain = dict(pip_requirements=[])
    columns = infer_signature(DATA, TARGET.to_frame())
    tensor = infer_signature(DATA.values.astype("float32"), TARGET.values)
    mlflow.sklearn.save_model(fitted.fit(DATA, TARGET), scratch / "columns", signature=columns, **plain)
    fitted.fit(DATA.values, TARGET)
    mlflow.sklearn.save_model(fitted, scratch / "bare", **plain)
    mlflow.sklearn.save_model(fitted, scratch / "tensor", signature=tensor, **plain)
    params = ParamSchema([ParamSpec("scale", "double", 2.0)])
    named = Schema([TensorSpec(np.dtype("float32"), (-1, 2), "x"),
                    TensorSpec(np.dtype("int64"), (-1,), "y")])
    for name, model, signature in [
        ("mixed", Echo(), ModelSignature(inputs=MIXED, params=params)),
        ("text", Lengths(), ModelSignature(inputs=Schema([ColSpec("string", "text")]))),
        ("tensors", Sums(), ModelSignature(inputs=named)),
        ("nasty", Nasty(), None),
    ]:
        mlflow.pyfunc.save_model(scratch / name, python_model=model, signature=signature, **plain)


def without(record, *names):
    return {name: value for name, value in record.items() if name not in names}


def cases():
    """Model, instances, the rest of the request, the answer; text is an error's."""
    answer = [0, 1, 2]
    records = [dict(zip(reversed(NAMES), reversed(row)), more=1) for row in ROWS]
    for model in ("columns", "bare", "tensor"):
        yield model, ROWS, {}, answer
        yield model, tuple(map(tuple, ROWS)), {"signature_name": "serving_default"}, answer
        yield model, [], {}, []
    yield "columns", records, {}, answer
    yield "columns", {name: list(DATA[name][::50]) for name in NAMES}, {}, answer
    yield "columns", [[5, 3, 1, 0]], {}, [0]
    yield "columns", [[1, 2, 3]], {}, "3 values"
    yield "columns", [[1, 2, 3, 4], [1]], {}, "differ in length"
    yield "columns", [[1, 2, 3, "4"]], {}, "'petal width (cm)' takes numbers"
    yield "columns", [{NAMES[0]: 1}], {}, "'sepal width (cm)' is missing"
    yield "columns", [[1, 2, 3, True]], {}, "'petal width (cm)' takes numbers"
    yield "columns", [[1, 2, 3, None]], {}, "NaN"
    yield "columns", [{**records[0], NAMES[0]: "5"}], {}, "'sepal length (cm)' takes numbers"
    yield "columns", [ROWS[0], records[0]], {}, "all be rows or all be objects"
    yield "columns", "abcd", {}, "all be rows or all be objects"
    yield "bare", [dict(zip(NAMES, row)) for row in ROWS], {}, answer

    yield "mixed", [RECORD], {}, [{**TYPED, "scaled": 2.0}]
    yield "mixed", [RECORD], {"parameters": {"scale": 3}}, [{**TYPED, "scaled": 3.0}]
    yield "mixed", [RECORD], {"params": {"scale": 3.0}}, [{**TYPED, "scaled": 3.0}]
    yield "mixed", [RECORD], {"scale": 3.0, "unknown": 1}, [{**TYPED, "scaled": 3.0}]
    yield "mixed", [RECORD], {"scale": "x"}, "scale"
    yield "mixed", [without(RECORD, "s")], {}, [{**without(TYPED, "s"), "scaled": 2.0}]
    yield "mixed", [without(RECORD, "s"), RECORD], {}, [
        {**TYPED, "s": None, "scaled": 2.0}, {**TYPED, "scaled": 2.0}]
    yield "mixed", [list(RECORD.values())], {}, [{**TYPED, "scaled": 2.0}]
    yield "mixed", [{**RECORD, "b": "aGk="}], {}, [{**TYPED, "scaled": 2.0}]
    yield "mixed", [{**RECORD, "b": b"hi"}], {}, [{**TYPED, "scaled": 2.0}]
    yield "mixed", [{**RECORD, "n": 1.5}], {}, "'n' takes whole numbers"
    yield "mixed", [{**RECORD, "i": 2**40}], {}, "'i' takes whole numbers"
    yield "mixed", [{**RECORD, "n": "5"}], {}, "'n' takes numbers"

    for instances in (["a", "bcd"], [["a"], ["bcd"]], [{"text": "a"}, {"text": "bcd"}]):
        yield "text", instances, {}, [1, 3]
    yield "tensors", [{"x": [1, 2], "y": 3}, {"x": [4, 5], "y": 6}], {}, [6.0, 15.0]
    yield "tensors", {"x": [[1, 2]], "y": [3]}, {}, [6.0]
    yield "tensors", [{"x": [1, 2], "y": 3.5}], {}, "takes whole numbers"
    yield "tensors", [[1, 2]], {}, "an object of the tensors 'x', 'y'"
    yield "nasty", [[1, "a"]], {}, {**NASTY, "input": [[1, "a"]]}


def check(predictor, model, instances, kwargs, expected):
    try:
        found = predictor.predict(instances, **kwargs)
    except Exception as error:
        assert isinstance(expected, str) and expected in str(error), (model, instances, error)
        return
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == expected, (model, instances, text)


def check_places(predictor, scratch):
    """The service may put the model a directory deeper."""
    nest = scratch / "nest"
    shutil.copytree(scratch / "columns", nest / "a" / "b")
    (nest / "0").mkdir()
    assert predictor.from_path(str(nest)).predict(ROWS) == [0, 1, 2]
    for wrong, message in ((nest / "0", "no MLmodel in or below"), (nest, "more than one MLmodel")):
        try:
            predictor.from_path(str(wrong))
        except ValueError as error:
            assert message in str(error)
        else:
            raise AssertionError(message)
        shutil.copytree(scratch / "bare", nest / "a" / "c", dirs_exist_ok=True)


def check_reals():
    """The short way makes the same DataFrame as the long one, or none."""
    from predictor import _columns, _Reals

    for kind in ("double", "float"):
        for names in ([None, None], ["a", "b"]):
            schema = Schema([ColSpec(kind, name) for name in names])
            reals = _Reals.of(schema)
            instances = [[[1, 2.5]], [[2**53 + 1, -(2**70)], [1e-320, 0.1]], [[None, 1], [3, None]]]
            if names[0]:
                instances += [[{"b": 1, "a": 2.5, "c": "x"}], [{"a": 1, "b": None}]]
            for some in instances:
                pd.testing.assert_frame_equal(reals.frame(some), _columns(some, schema.inputs))
            for some in ([[1]], [[1, "2"]], [[True, 1]], [{"a": 1}], [1], ["ab"], ([1, 2],), {"a": [1]}):
                assert reals.frame(some) is None, some
    for kinds in (["double", "float"], ["long", "long"], ["string"]):
        assert _Reals.of(Schema([ColSpec(kind, str(i)) for i, kind in enumerate(kinds)])) is None


class Tenth:
    def preprocess(self, instances):
        assert isinstance(instances, np.ndarray)
        return instances / 10


def check_preprocessors(predictor, scratch):
    path = scratch / "columns" / "preprocessor.pkl"
    tenfold = [[value * 10 for value in row] for row in ROWS]
    same = StandardScaler(with_mean=False, with_std=False).fit(DATA.values)
    for preprocessor, instances in ((Tenth(), tenfold), (same, ROWS), (np.abs, ROWS)):
        path.write_bytes(pickle.dumps(preprocessor))
        assert predictor.from_path(str(scratch / "columns")).predict(instances) == [0, 1, 2]


def main():
    sys.path.insert(0, sys.argv[1])
    from predictor import Predictor

    scratch = Path(sys.argv[2])
    save(scratch)
    # What Google's library holds a class against.
    contract = inspect.getfullargspec(Predictor.predict)
    assert (contract.args, contract.kwonlyargs) == (["self", "instances"], [])
    loaded = {}
    for model, instances, kwargs, expected in cases():
        if model not in loaded:
            loaded[model] = Predictor.from_path(str(scratch / model))
        check(loaded[model], model, instances, kwargs, expected)
    check_reals()
    check_places(Predictor, scratch)
    check_preprocessors(Predictor, scratch)


if __name__ == "__main__":
    main()
