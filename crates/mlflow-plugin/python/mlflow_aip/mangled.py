"""Requests that were read as tables, made requests again.

`mlflow deployments predict` gives any file to pandas.read_json with its
defaults, as notebooks do. A file that holds a request rather than a table then
arrives as a DataFrame that nobody meant. It is taken for one

- if one of its columns is `instances`, `inputs`, `dataframe_split` or
  `dataframe_records` and there are no others, but for `parameters`, `params` and
  `signature_name`; what `dataframe_split` holds must be labelled `columns` and
  `data` (and perhaps `index`), and in `dataframe_records` each cell an object; or
- if its columns are exactly `columns` and `data` (and perhaps `index`) and each
  cell of `data` is a list with one value for each row: a table written with
  orient="split", as read where it has as many rows as columns.

Any other DataFrame is what it looks like, with the types that pandas guessed: "007"
became 7, and a text in a column called `date` a date. In a list of `instances`
pandas leaves objects and rows as they are. A table whose one column is called
`instances` or `inputs` is sent as a list of records, which nobody mistakes.
"""

from __future__ import annotations

from typing import Any, Optional

from .values import is_missing

BODIES = ("instances", "inputs", "dataframe_split", "dataframe_records")
# What may stand beside them: for the model, not of it.
BESIDE = ("parameters", "params", "signature_name")
SPLIT = ({"columns", "data"}, {"columns", "data", "index"})


def request(frame: Any) -> Optional[dict[str, Any]]:
    """The request that became this DataFrame, or nothing if it is a table."""
    names = list(frame.columns)
    if len(set(names)) < len(names):
        return None
    bodies = [name for name in names if name in BODIES]
    if len(bodies) == 1 and all(name in (*BESIDE, *bodies) for name in names):
        return enclosed(frame, bodies[0])
    if set(names) in SPLIT and is_split(frame):
        return {"columns": frame["columns"].tolist(), "data": frame["data"].tolist()}
    return None


def enclosed(frame: Any, name: str) -> Optional[dict[str, Any]]:
    """A body, with what stands beside it. Where all were objects, their keys
    became the index, and each has holes where only others have a key."""
    is_object = bool(len(frame)) and all(isinstance(label, str) for label in frame.index)
    body = filled(frame[name]) if is_object else frame[name].tolist()
    if name == "dataframe_split" and not (is_object and set(body) in SPLIT):
        return None
    if name == "dataframe_records" and not all(isinstance(one, dict) for one in body):
        return None
    found = {name: body}
    for other in (one for one in frame.columns if one != name):
        values = filled(frame[other])
        # Beside a list, a value is in every row, and null is in none.
        value = values if is_object else next(iter(values.values()), None)
        if value is not None:
            found[str(other)] = value
    return found


def filled(column: Any) -> dict[str, Any]:
    cells = zip(column.index, column.tolist())
    return {label: cell for label, cell in cells if cell is not None and not is_hole(cell)}


def is_hole(cell: Any) -> bool:
    return is_missing(cell) or (isinstance(cell, float) and cell != cell)


def is_split(frame: Any) -> bool:
    width = len(frame)
    return all(isinstance(row, list) and len(row) == width for row in frame["data"])
