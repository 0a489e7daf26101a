"""What is deployed."""

from __future__ import annotations

import json
import os
from typing import Any, Optional

from . import settings, tools
from .target import Target

FLAVOR = "python_function"


def query(program: str, verb: str, wanted: settings.Settings) -> dict[str, Any]:
    """What a verb that asks answers."""
    answer: dict[str, Any] = json.loads(
        tools.run(program, verb, "--document=-", document=wanted.document())
    )
    return answer


def deployments(target: Target, endpoint: Optional[str]) -> list[dict[str, Any]]:
    wanted = settings.subject(target, None, endpoint, os.environ)
    if endpoint:
        versions = query("aip-version", "list", wanted).get("versions", [])
        return [version(one) for one in versions]
    answer = query("aip-model", "list", wanted)
    return [model(one) for one in answer.get("endpoints", answer.get("models", []))]


def deployment(target: Target, name: str, endpoint: Optional[str]) -> dict[str, Any]:
    wanted = settings.subject(target, name, endpoint, os.environ)
    if endpoint:
        return version(query("aip-version", "get", wanted))
    return model(query("aip-model", "get", wanted))


def model(record: dict[str, Any]) -> dict[str, Any]:
    """An endpoint of Vertex AI, or a model of AI Platform."""
    name = record.get("displayName") or record["name"].rsplit("/", 1)[-1]
    return {**record, "name": name, "flavor": FLAVOR, "resource": record["name"]}


def version(record: dict[str, Any]) -> dict[str, Any]:
    """A version: on Vertex AI its first alias that is no number is its name."""
    last = record["name"].rsplit("/", 1)[-1].rsplit("@", 1)[-1]
    aliases = [alias for alias in record.get("aliases", []) if alias != "default"]
    name = next(iter([*record.get("deployedAs", []), *aliases]), last)
    return {**record, "name": name, "flavor": FLAVOR, "resource": record["name"]}
