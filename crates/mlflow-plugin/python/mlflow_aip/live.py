"""Changes of a deployment that need no new version: which one answers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Optional

from . import errors, keys, models, settings, tools
from .keys import Key
from .settings import Settings
from .target import Target

# Of an endpoint, and of one version of it.
ENDPOINT = {
    "promote": Key("promote", help="Version that gets all requests."),
    "traffic": Key("traffic", "array", "Split of the requests, VERSION=PERCENT,…; Vertex AI only."),
    "rollback": Key("rollback", "integer", "Changes of the split to take back; Vertex AI only."),
}
VERSION = {"promote": Key("promote", "boolean", "Whether the version gets all requests.")}
# Of the spec: which endpoint it is.
PLACE = ("target", "project", "region", "model", "version", "dryRun")


def update(
    target: Target, name: str, config: Optional[Mapping[str, Any]], endpoint: Optional[str]
) -> dict[str, Any]:
    settings.named(name)
    own = VERSION if endpoint else ENDPOINT
    wanted = settings.subject(target, name, endpoint, os.environ, config, own)
    asked = [key for key in own if wanted.own.get(key)]
    check(config or {}, own, asked)
    for command in commands(wanted, name, asked[0]):
        tools.run(*command, "--document=-", *wanted.credentials(), document=wanted.document())
    return {"name": name, "flavor": models.FLAVOR, "endpoint": endpoint or name}


def check(config: Mapping[str, Any], own: Mapping[str, Key], asked: list[str]) -> None:
    """One change at a time, and nothing beside it that would be passed over."""
    others = [
        key.name
        for key, _ in settings.found(config, {**settings.COMMON, **own})
        if key.name not in {*own, *settings.COMMON, *PLACE}
    ]
    if len(asked) == 1 and not others:
        return
    if others:
        message = f"'{keys.snake(others[0])}' cannot be changed without a new version"
    elif asked:
        message = f"cannot change {' and '.join(asked)} at once"
    else:
        message = "nothing to update"
    raise errors.invalid(message, f"give a model URI, or one of {', '.join(own)}")


def commands(wanted: Settings, name: str, what: str) -> list[list[str]]:
    value = wanted.own[what]
    if what == "promote":
        version = name if value is True else value
        verb = ["set-default"] if wanted.target == "ai-platform" else ["traffic", "promote"]
        return [["aip-version", *verb, f"--version-name={version}"]]
    if what == "traffic":
        return [["aip-version", "traffic", f"--set={','.join(value)}"]]
    return [["aip-version", "traffic", "rollback", f"--steps={value}"]]
