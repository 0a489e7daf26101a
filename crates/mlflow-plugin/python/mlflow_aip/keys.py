"""What may be set, and by which names. The list is generated from the tools."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Optional

from . import errors


@dataclass(frozen=True)
class Key:
    """A field of the spec by its path, a flag of the tools or, with neither,
    something that the plugin itself does."""

    name: str
    type: str = "string"
    help: str = ""
    path: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    # The one service that knows it.
    target: Optional[str] = None
    default: Optional[str] = None
    flag: Optional[str] = None


@functools.cache
def fields() -> dict[str, Key]:
    """The spec's, by dotted path."""
    return {
        path: Key(
            name=path,
            type=field["type"],
            help=field["help"],
            path=tuple(path.split(".")),
            env=tuple(field.get("env", ())),
            choices=tuple(field.get("choices", ())),
            default=field.get("default"),
            flag=field.get("flag"),
        )
        for path, field in generated()["fields"].items()
    }


@functools.cache
def flags() -> dict[str, Key]:
    """The tools', by their names on the command line."""
    return {
        name: Key(
            name=name,
            type=flag["type"],
            help=flag["help"],
            stages=tuple(flag["stages"]),
            target=flag.get("target"),
        )
        for name, flag in generated()["flags"].items()
    }


def flag_names() -> set[str]:
    """As the tools' own messages call what can be set."""
    return {*flags(), *(key.flag for key in fields().values() if key.flag)}


def generated() -> Any:
    return json.loads(resources.files(__package__).joinpath("settings.json").read_text("utf-8"))


def snake(name: str) -> str:
    """As it is documented; every spelling of the same letters is taken."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).replace("-", "_").lower()


def folded(name: str) -> str:
    return re.sub(r"[-_]", "", name).lower()


@functools.cache
def names() -> dict[str, Key]:
    """Every documented name of a field or a flag."""
    known = {snake(path): key for path, key in fields().items()}
    for path, key in fields().items():
        # A field of one service alone needs no prefix where its name is unique.
        last = path.rsplit(".", 1)[-1]
        if [other.rsplit(".", 1)[-1] for other in fields()].count(last) == 1:
            known.setdefault(snake(last), key)
        known.update({alias: key for alias in aliases(key)})
    for name, key in flags().items():
        known.setdefault(snake(name), key)
    return known


def aliases(key: Key) -> Iterator[str]:
    """The article's names, which are variables in lower case, and the flag's."""
    yield from (name for name in key.env if name.islower())
    if key.flag:
        yield snake(key.flag)


def find(name: str, own: Mapping[str, Key]) -> Key:
    """The key of this name; the method's own come before the tools'."""
    known = {**names(), **own}
    by_letters = {folded(one): key for one, key in known.items()}
    if key := by_letters.get(folded(name)):
        return key
    raise unknown(f"config key '{name}'", snake(name), known)


def unknown(subject: str, name: str, known: Mapping[str, Any]) -> Exception:
    near = difflib.get_close_matches(name, known, 1, 0.6)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return errors.invalid(
        f"{subject} is unknown", f"{hint}'mlflow deployments help -t aiplatform' lists all"
    )
