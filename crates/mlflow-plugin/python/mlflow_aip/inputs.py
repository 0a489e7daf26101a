"""What a caller wants predictions for, as instances.

| given | instances |
|---|---|
| DataFrame | a record for each row; a row where the columns have no names (0, 1, 2 …) |
| array, Series, sparse matrix | its elements along the first axis; a single value is one |
| dict of equally long columns (lists, arrays, Series) | a record for each of their rows |
| dict without any list | it is one record |
| dict with `instances` | those, and what stands beside them |
| dict with `inputs`, `dataframe_split` or `dataframe_records` | what MLflow's own server takes them for |
| dict of `columns` and `data` | rows of a table written with orient="split" |
| list, tuple, iterator | its elements |
| text | JSON of one of these |
| anything else | one instance |

A DataFrame may be a request that was read as a table: see `mangled`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import errors, mangled
from .values import clean

# Rows of a table that are made JSON at a time.
ROWS = 10_000


@dataclass(frozen=True)
class Request:
    """Instances in JSON's types, which are made when they are asked for, and
    what goes beside them."""

    instances: Iterable[Any]
    beside: dict[str, Any] = field(default_factory=dict)


def read(inputs: Any) -> Request:
    """The request for these inputs, of any type that MLflow's callers give."""
    if inputs is None:
        raise errors.invalid("there are no inputs", "give a DataFrame, a list or a request")
    if is_frame(inputs):
        found = mangled.request(inputs)
        return Request(rows_of(inputs)) if found is None else of_dict(found)
    if isinstance(inputs, str):
        return read_text(inputs)
    if isinstance(inputs, dict):
        return of_dict(inputs)
    return Request(of_many(inputs))


def read_text(text: str) -> Request:
    try:
        value = json.loads(text)
    except ValueError as error:
        hint = "give JSON, or text to predict in a list: [text]"
        raise errors.invalid(f"the text given as inputs is not JSON: {error}", hint) from error
    return Request([value]) if isinstance(value, str) else read(value)


def of_dict(inputs: dict[Any, Any]) -> Request:
    beside = {name: value for name, value in inputs.items() if name in mangled.BESIDE}
    body = {name: value for name, value in inputs.items() if name not in beside}
    if "instances" in body:
        instances = body.pop("instances")
        return Request(of_value(instances), named({**beside, **body}))
    if len(body) == 1 and (name := next(iter(body))) in mangled.BODIES:
        value = body[name]
        if name == "dataframe_split":
            return Request(of_split(value), named(beside))
        return Request(of_value(value), named(beside))
    if set(inputs) in mangled.SPLIT and is_table(inputs):
        return Request(of_split(inputs))
    return Request(of_columns(inputs))


def named(beside: dict[Any, Any]) -> dict[str, Any]:
    """MLflow says params for what the service calls parameters."""
    cleaned = {str(name): clean(value) for name, value in beside.items() if value is not None}
    if "params" in cleaned and "parameters" not in cleaned:
        cleaned["parameters"] = cleaned.pop("params")
    return cleaned


def of_value(value: Any) -> Iterable[Any]:
    """Of what stands under a name in a request."""
    if is_frame(value):
        return rows_of(value)
    return of_columns(value) if isinstance(value, dict) else of_many(value)


def of_many(values: Any) -> Iterable[Any]:
    if isinstance(values, (list, tuple, Iterator)):
        return (clean(value) for value in values)
    found = clean(values)
    return found if isinstance(found, list) else [found]


def of_columns(columns: dict[Any, Any]) -> Iterable[Any]:
    """Records of what stands under each name, which is one value or many."""
    cleaned = {name: of_value_or_many(value) for name, value in clean_keys(columns).items()}
    lengths = {len(value) if isinstance(value, list) else None for value in cleaned.values()}
    if lengths <= {None}:
        return [cleaned] if cleaned else []
    if len(lengths) > 1:
        raise errors.invalid(
            f"the columns '{', '.join(cleaned)}' differ in length",
            "give a list of records, one for each instance",
        )
    return (dict(zip(cleaned, row)) for row in zip(*cleaned.values()))


def clean_keys(columns: dict[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in columns.items()}


def of_value_or_many(value: Any) -> Any:
    return [clean(one) for one in value] if isinstance(value, (list, tuple)) else clean(value)


def is_table(inputs: dict[Any, Any]) -> bool:
    columns, data = inputs["columns"], inputs["data"]
    if not isinstance(columns, list) or not isinstance(data, list):
        return False
    return all(isinstance(row, list) and len(row) == len(columns) for row in data)


def of_split(split: Any) -> Iterable[Any]:
    if not isinstance(split, dict) or set(split) not in mangled.SPLIT or not is_table(split):
        raise errors.invalid(
            "'dataframe_split' is not a table",
            "give it columns and data, a list of rows with a value for each column",
        )
    columns, rows = clean(split["columns"]), clean(split["data"])
    return labelled(columns, rows)


def labelled(columns: list[Any], rows: Iterable[Any]) -> Iterable[Any]:
    """Records of rows; the rows themselves where columns are only numbered."""
    if columns == list(range(len(columns))):
        return ([*row] for row in rows)
    names = [str(column) for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise errors.invalid(
            f"the column '{twice[0]}' is there twice", "rename one; a record has each name once"
        )
    return (dict(zip(names, row)) for row in rows)


def is_frame(inputs: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(inputs, pandas.DataFrame)


def rows_of(frame: Any) -> Iterable[Any]:
    """A table's rows, some at a time: each column as a whole, so that its values
    keep their type whatever stands beside them."""
    return labelled(list(frame.columns), row_lists(frame))


def row_lists(frame: Any) -> Iterator[Any]:
    for start in range(0, len(frame), ROWS):
        part = frame.iloc[start : start + ROWS]
        columns = [clean(part.iloc[:, position]) for position in range(part.shape[1])]
        yield from zip(*columns) if columns else ([] for _ in range(len(part)))
