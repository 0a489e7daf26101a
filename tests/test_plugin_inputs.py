"""What the plugin makes of anything it is given to predict."""

import datetime
import decimal
import json
import random
import subprocess

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow_aip import inputs, predict
from mlflow_aip.settings import Settings

from support.places import TESTS, python
from support.plugin import SOURCE


def read(given):
    """The request, through JSON and back."""
    found = inputs.read(given)
    text = json.dumps({"instances": list(found.instances), **found.beside}, allow_nan=False)
    return json.loads(text)


def instances(given):
    found = read(given)
    assert set(found) == {"instances"}
    return found["instances"]


def refusal(given):
    with pytest.raises(MlflowException) as caught:
        read(given)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    return caught.value.message


class TestTables:
    def test_columns_keep_their_types_side_by_side(self):
        frame = pd.DataFrame({"n": [1, 2**53 + 1], "x": [0.1, 2.0], "t": ["a", "é"], "b": [True, False]})
        found = instances(frame)
        assert found == [
            {"n": 1, "x": 0.1, "t": "a", "b": True},
            {"n": 2**53 + 1, "x": 2.0, "t": "é", "b": False},
        ]
        assert [type(value) for value in found[1].values()] == [int, float, str, bool]

    def test_what_is_missing_is_null(self):
        frame = pd.DataFrame(
            {
                "float": [1.5, np.nan],
                "text": ["a", None],
                "whole": pd.array([1, None], dtype="Int64"),
                "flag": pd.array([True, None], dtype="boolean"),
                "string": pd.array(["a", None], dtype="string"),
                "when": [pd.Timestamp("2020-01-02T03:04:05.678901234"), pd.NaT],
                "zoned": pd.to_datetime(["2020-01-02T03:04:05+01:00", None]),
                "kind": pd.Categorical(["a", None]),
            }
        )
        assert instances(frame) == [
            {
                "float": 1.5, "text": "a", "whole": 1, "flag": True, "string": "a",
                "when": "2020-01-02T03:04:05.678901234", "zoned": "2020-01-02T03:04:05+01:00",
                "kind": "a",
            },
            dict.fromkeys(frame.columns),
        ]

    def test_columns_without_names_are_rows(self):
        assert instances(pd.DataFrame([[1, 2.5], [3, None]])) == [[1, 2.5], [3, None]]
        assert instances(pd.DataFrame({0: [1], 1: ["x"]})) == [[1, "x"]]
        assert instances(pd.DataFrame({2020: [1], 2021: [2]})) == [{"2020": 1, "2021": 2}]
        assert instances(pd.DataFrame({1: [1], 0: [2]})) == [{"1": 1, "0": 2}]

    def test_the_index_is_nobodys_input(self):
        frame = pd.DataFrame({"a": [1, 2, 3]}, index=["x", "y", "z"])
        assert instances(frame[frame["a"] > 1]) == [{"a": 2}, {"a": 3}]

    def test_many_rows(self):
        frame = pd.DataFrame({"a": np.arange(25_003), "b": "x"})
        assert instances(frame) == [{"a": n, "b": "x"} for n in range(25_003)]
        assert instances(frame.iloc[:0]) == []

    def test_values_of_every_kind_in_a_cell(self):
        cells = [np.float32(0.5), [np.int64(1), np.nan], {"k": np.array([1, 2])}, b"hi", None]
        want = [0.5, [1, None], {"k": [1, 2]}, {"b64": "aGk="}, None]
        assert instances(pd.DataFrame({"a": cells})) == [{"a": value} for value in want]

    def test_what_cannot_be_said_is_refused(self):
        assert "infinite" in refusal(pd.DataFrame({"a": [np.inf]}))
        assert "'a' is there twice" in refusal(pd.DataFrame([[1, 2]], columns=["a", "a"]))
        assert "'1' is there twice" in refusal(pd.DataFrame([[1, 2]], columns=[1, "1"]))
        assert "'complex128'" in refusal(pd.DataFrame({"a": [1j]}))
        assert "Timedelta" in refusal(pd.DataFrame({"a": [pd.Timedelta("1s"), "x"]}))
        assert "'timedelta64" in refusal(pd.DataFrame({"a": [pd.Timedelta("1s")]}))


class TestArrays:
    @pytest.mark.parametrize(
        ("array", "want"),
        [
            (np.array([1, 2]), [1, 2]),
            (np.array([[1.5, np.nan]]), [[1.5, None]]),
            (np.zeros((2, 1, 2), dtype="uint8"), [[[0, 0]], [[0, 0]]]),
            (np.array(3), [3]),
            (np.float32(0.5), [0.5]),
            (np.array([2**63], dtype="uint64"), [2**63]),
            (np.array([1], dtype="longdouble"), [1.0]),
            (np.array([True]), [True]),
            (np.array(["a", "b"]), ["a", "b"]),
            (np.array([b"hi"]), [{"b64": "aGk="}]),
            (np.array([1, "a", None], dtype=object), [1, "a", None]),
            (np.array(["2020-01-02", "NaT"], dtype="datetime64[ns]"),
             ["2020-01-02T00:00:00.000000000", None]),
            (np.array([["2020-01-02"]], dtype="datetime64[D]"), [["2020-01-02"]]),
            (np.datetime64("2020-01-02"), ["2020-01-02"]),
            (np.ma.array([1, 2], mask=[False, True]), [1, None]),
            (np.ma.array([1.5, 2], mask=[False, True]), [1.5, None]),
            (np.zeros((0, 4)), []),
            (pd.Series([1.5, np.nan]), [1.5, None]),
            (pd.Series(pd.array([1, None], dtype="Int64")), [1, None]),
            (pd.Series(pd.to_datetime(["2020-01-02"])), ["2020-01-02T00:00:00"]),
        ],
    )
    def test_elements_are_instances(self, array, want):
        assert instances(array) == want

    def test_sparse_ones_are_filled(self):
        scipy = pytest.importorskip("scipy.sparse")
        assert instances(scipy.csr_matrix([[0, 1], [2, 0]])) == [[0, 1], [2, 0]]

    def test_a_dict_of_them_is_a_table(self):
        """As newer MLflow reads files of TensorFlow Serving's form."""
        given = {"a": np.array([[1, 2], [3, 4]]), "b": np.array(["x", "y"])}
        assert instances(given) == [{"a": [1, 2], "b": "x"}, {"a": [3, 4], "b": "y"}]
        assert "differ in length" in refusal({"a": np.array([1]), "b": np.array([1, 2])})


class TestPlainValues:
    @pytest.mark.parametrize(
        ("given", "want"),
        [
            ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
            ((1, 2), [1, 2]),
            (iter([1, 2]), [1, 2]),
            ([], []),
            ({"a": [1, 2], "b": [3, 4]}, [{"a": 1, "b": 3}, {"a": 2, "b": 4}]),
            ({"a": 1, "b": "x"}, [{"a": 1, "b": "x"}]),
            ({"a": []}, []),
            (5, [5]),
            (b"hi", [{"b64": "aGk="}]),
            (datetime.date(2020, 1, 2), ["2020-01-02"]),
            ([decimal.Decimal("1.5"), decimal.Decimal(10**20)], [1.5, 10**20]),
            ("[[1, 2]]", [[1, 2]]),
            ('"text"', ["text"]),
            ('{"a": [1, 2]}', [{"a": 1}, {"a": 2}]),
            ("[NaN, 12345678901234567890]", [None, 12345678901234567890]),
            ([{"messages": [{"role": "user"}]}], [{"messages": [{"role": "user"}]}]),
        ],
    )
    def test_as_instances(self, given, want):
        assert instances(given) == want

    def test_what_is_no_input(self):
        assert "there are no inputs" in refusal(None)
        assert "not JSON" in refusal("rows.json") and "hint: " in refusal("rows.json")
        assert "'object'" in refusal([object()])
        assert "differ in length" in refusal({"a": [1], "b": 2})
        assert "not a table" in refusal({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}})

    def test_what_is_in_itself(self):
        endless = []
        endless.append(endless)
        for given in (endless, "[" * 200_000):
            with pytest.raises(MlflowException, match="nested too deeply"):
                with predict.question(Settings({"spec": {}}), given):
                    pass


REQUESTS = [
    ({"instances": [[1, 2], [3, 4]]}, None),
    ({"instances": [{"a": 1}, {"a": 2}]}, None),
    ({"instances": [1.5, None]}, None),
    ({"instances": ["a", "b"]}, None),
    ({"instances": [[1], None, "a", {"b": [1]}]}, None),
    ({"instances": [{"b64": "aGk="}]}, None),
    ({"instances": []}, None),
    ({"instances": [2**53 + 1]}, None),
    ({"instances": [[1, 2]], "signature_name": "s"}, None),
    ({"instances": [[1, 2]], "parameters": None}, {"instances": [[1, 2]]}),
    ({"instances": {"a": [1, 2], "b": [3, 4]}}, {"instances": [{"a": 1, "b": 3}, {"a": 2, "b": 4}]}),
    ({"instances": {"a": [1]}, "parameters": {"x": 1.5}}, {"instances": [{"a": 1}], "parameters": {"x": 1.5}}),
    ({"inputs": [[[1, 2]], [[3, 4]]]}, {"instances": [[[1, 2]], [[3, 4]]]}),
    ({"inputs": ["a", "b"]}, {"instances": ["a", "b"]}),
    ({"inputs": {"a": [1, 2], "b": ["x", "y"]}}, {"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}),
    ({"inputs": {"a": 1, "b": "x"}}, {"instances": [{"a": 1, "b": "x"}]}),
    ({"inputs": {"a": [1, 2]}, "params": {"k": "v"}},
     {"instances": [{"a": 1}, {"a": 2}], "parameters": {"k": "v"}}),
    ({"dataframe_records": [{"a": 1}, {"a": 2, "b": None}]}, {"instances": [{"a": 1}, {"a": 2, "b": None}]}),
    ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4], [5, 6]]}},
     {"instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}]}),
    ({"dataframe_split": {"columns": ["a"], "data": [[1]], "index": [7]}, "params": {"columns": 3, "x": "y"}},
     {"instances": [{"a": 1}], "parameters": {"columns": 3, "x": "y"}}),
    ({"dataframe_split": {"columns": [0, 1], "data": [["a", None]]}}, {"instances": [["a", None]]}),
    ({"columns": ["a", "b"], "data": [[1, "x"], [2, None]]}, {"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": None}]}),
    ({"columns": ["a"], "data": [[1]], "index": [0]}, {"instances": [{"a": 1}]}),
    # What is a table indeed.
    ([[1, 2], [3, 4]], {"instances": [[1, 2], [3, 4]]}),
    ([{"a": 1, "b": "x"}, {"a": 2, "b": None}], {"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": None}]}),
    ({"a": {"0": 1, "1": 2}, "b": {"0": 0.5, "1": 1.5}}, {"instances": [{"a": 1, "b": 0.5}, {"a": 2, "b": 1.5}]}),
    ({"instances": [1], "other": [2]}, {"instances": [{"instances": 1, "other": 2}]}),
    ({"columns": ["a", "b"], "data": [1, 2]}, {"instances": [{"columns": "a", "data": 1}, {"columns": "b", "data": 2}]}),
    ({"columns": ["a"], "data": [[1, 2]]}, {"instances": [{"columns": "a", "data": [1, 2]}]}),
    ({"dataframe_records": [1, 2]}, {"instances": [{"dataframe_records": 1}, {"dataframe_records": 2}]}),
]


def as_read(major, texts):
    done = subprocess.run(
        [python(major), "-W", "ignore", TESTS / "support/as_read.py"],
        input=json.dumps(texts), env={"PYTHONPATH": str(SOURCE), "PATH": ""},
        capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("major", [2, 3])
class TestFilesThatTheCliReads:
    """With pandas.read_json, whatever is in them."""

    def test_requests_are_requests_again(self, major):
        found = as_read(major, [json.dumps(given) for given, _ in REQUESTS])
        for (given, want), made in zip(REQUESTS, found, strict=True):
            assert made == (given if want is None else want), given

    def test_any_request_survives(self, major):
        """Of values that pandas leaves as they are."""
        dice = random.Random(major)
        requests = [request(dice) for _ in range(300)]
        found = as_read(major, [json.dumps(given) for given, _ in requests])
        for (given, want), made in zip(requests, found, strict=True):
            assert made == {"instances": want}, given

    def test_what_pandas_refuses_never_gets_here(self, major):
        given = {"instances": [[1]], "parameters": {"a": 1}}
        assert "Mixing dicts" in as_read(major, [json.dumps(given)])[0]["pandas"]
        assert read(given) == given and read(json.dumps(given)) == given


def request(dice):
    """A request in one of its forms, and its instances."""
    names = dice.sample(["x", "y z", "ä", "instances", "data", "columns", "index", "0a"], dice.randint(1, 4))
    rows = [[value(dice) for _ in names] for _ in range(dice.randint(1, 5))]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return dice.choice(
        [
            ({"instances": rows}, rows),
            ({"instances": records}, records),
            ({"instances": columns}, records),
            ({"inputs": rows}, rows),
            ({"inputs": columns}, records),
            ({"dataframe_records": records}, records),
            ({"dataframe_split": {"columns": names, "data": rows}}, records),
        ]
    )


def value(dice, depth=0):
    kinds = [
        lambda: dice.randint(-(2**62), 2**62),
        lambda: dice.randint(-999, 999) / 8,
        lambda: dice.choice(["", "text", "日本", 'a"b\\', "nul"]),
        lambda: dice.choice([True, False, None]),
        lambda: [value(dice, 1) for _ in range(dice.randint(0, 2))],
        lambda: {"k": value(dice, 1)},
    ]
    return dice.choice(kinds[: 4 if depth else None])()


def test_requests_given_as_such():
    request = {"instances": pd.DataFrame({"a": [1]}), "params": {"x": np.float64(1.5)}}
    assert read(request) == {"instances": [{"a": 1}], "parameters": {"x": 1.5}}
    request = {"instances": np.eye(2), "signature_name": "s", "more": [1]}
    assert read(request) == {"instances": [[1, 0], [0, 1]], "signature_name": "s", "more": [1]}
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": ["x", "y"]})
    split = frame.to_dict("split")
    for given in (split, {"dataframe_split": split}, {"inputs": frame}, frame.to_dict("list")):
        assert read(given) == read(frame)
