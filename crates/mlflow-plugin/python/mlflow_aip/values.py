"""Python's values as JSON's: exactly, or not at all.

NumPy and pandas are looked for among what is loaded already: only then can a
value be theirs, and only then is their import free.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import math
import sys
from typing import Any

from . import errors

NATIVE = (bool, int, str, type(None))


def clean(value: Any) -> Any:
    """The same value in JSON's own types. Missing ones (None, NaN, NaT, pandas'
    NA) are null, dates ISO 8601 text, bytes {"b64": …} as Google's services and
    the predictor read them. Infinity, which JSON has not, is refused."""
    if type(value) in NATIVE:
        return value
    if is_missing(value):
        return None
    if isinstance(value, float):
        return real(float(value))
    if isinstance(value, (str, int)):
        return str(value) if isinstance(value, str) else int(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"b64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {key(name): clean(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(one) for one in value]
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else real(float(value))
    return foreign(value)


def foreign(value: Any) -> Any:
    """Of NumPy, pandas, SciPy, pydantic, or of whoever has their methods."""
    if hasattr(value, "model_dump"):
        return clean(value.model_dump())
    if hasattr(value, "toarray"):
        return clean(value.toarray())
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind == "M":
        return moments(value)
    if kind == "f" and not value.ndim:
        return real(float(value))
    if hasattr(value, "tolist") and kind not in ("c", "m"):
        listed = value.tolist()
        return listed if is_plain(value, kind) else clean(listed)
    name = type(value).__name__ if kind is None else value.dtype
    raise errors.invalid(
        f"an input holds a value of type '{name}', which JSON cannot carry",
        "give numbers, text, true and false, dates, bytes, lists and objects of those",
    )


def is_plain(values: Any, kind: Any) -> bool:
    """Whether it holds nothing but whole or finite numbers of NumPy's types, so
    that the list of them, which may be long, needs no second look."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(getattr(values, "dtype", None), numpy.dtype):
        return False
    if kind == "f":
        return values.dtype.itemsize <= 8 and bool(numpy.isfinite(values).all())
    return kind in "biu"


def moments(values: Any) -> Any:
    """NumPy's dates, whose own lists are counts of nanoseconds, and pandas'."""
    if values.ndim:
        return [clean(one) for one in values]
    text = str(values)
    return None if text == "NaT" else text


def is_missing(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NaT or value is pandas.NA)


def real(value: float) -> Any:
    if math.isinf(value):
        raise errors.invalid("an input holds an infinite number, which JSON cannot carry")
    return None if math.isnan(value) else value


def key(name: Any) -> str:
    return name if isinstance(name, str) else str(clean(name))
