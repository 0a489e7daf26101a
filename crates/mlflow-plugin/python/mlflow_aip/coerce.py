"""Values as they are given, `-C name=text` or typed, as what they are meant to be."""

from __future__ import annotations

import json
import math
import operator
import os
import re
from typing import Any

from . import errors

TRUE = ("true", "1", "yes", "on")
FALSE = ("false", "0", "no", "off")


def to(subject: str, kind: str, value: Any) -> Any:
    """`subject` is how a message calls it."""
    try:
        return KINDS[kind](value)
    except (TypeError, ValueError) as error:
        reason = str(error) if type(error) is ValueError else f"it is of type {type(value).__name__}"
        raise errors.invalid(f"{subject} is not {ARTICLE[kind]}: {reason}") from None


def string(value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
    else:
        if isinstance(value, bool):
            raise TypeError
        # A version such as 2.10 is not the number 2.1: floats stay out.
        text = str(operator.index(value))
    if not isinstance(text, str) or not text.strip():
        raise ValueError("it is empty")
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    return text


def boolean(value: Any) -> bool:
    text = str(value if isinstance(value, str) else operator.index(value)).strip().lower()
    if text in TRUE or text in FALSE:
        return text in TRUE
    raise ValueError(f"'{value}' is neither true nor false")


def integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    if not isinstance(value, str):
        return operator.index(value)
    if not re.fullmatch(r"[+-]?\d+", value.strip(), re.ASCII):
        raise ValueError(f"'{value}' is no whole number")
    return int(value)


def number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"'{value}' is no number")
    return found


def mapping(value: Any) -> dict[str, Any]:
    found = parsed(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise ValueError("its JSON is something else") if isinstance(value, str) else TypeError
    # A copy, and proof that it can go into a document.
    copy: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return copy


def sequence(value: Any) -> list[str]:
    """Of one, the text itself; of several, a list, or for NAME=VALUE a mapping."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        value = parsed(value)
    if isinstance(value, dict):
        return [f"{string(name)}={string(one)}" for name, one in value.items()]
    if isinstance(value, (list, tuple)):
        return [string(one) for one in value]
    return [string(value)]


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from None


KINDS = {
    "string": string,
    "boolean": boolean,
    "integer": integer,
    "number": number,
    "object": mapping,
    "array": sequence,
}
ARTICLE = {
    "string": "a string",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "object": "a JSON object",
    "array": "a list",
}
