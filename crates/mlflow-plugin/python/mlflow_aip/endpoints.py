"""Endpoints of Vertex AI, which AI Platform calls models."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Optional

from . import listing, settings, tools
from .target import Target


def create(target: Target, name: str, config: Optional[Mapping[str, Any]]) -> dict[str, Any]:
    wanted = settings.read(target, config, os.environ, model=name)
    flags = wanted.flags.get("model", [])
    document = json.loads(tools.run("aip-model", "create", *flags, document=wanted.document()))
    resource = document["stages"]["model"]["name"]
    return {"name": name, "flavor": listing.FLAVOR, "resource": resource}


def update(target: Target, name: str, config: Optional[Mapping[str, Any]]) -> dict[str, Any]:
    return listing.deployment(target, name, None)


def delete(target: Target, name: str) -> None:
    delete_deployment(target, name, None, None)


def delete_deployment(
    target: Target, name: str, config: Optional[Mapping[str, Any]], endpoint: Optional[str]
) -> None:
    wanted = settings.subject(target, name, endpoint, os.environ, config)
    names = [name] if endpoint else [one["name"] for one in listing.deployments(target, name)]
    for version in names:
        tools.run(
            "aip-version", "delete", "--last", f"--version-name={version}", "--document=-",
            document=wanted.document(),
        )
    if not endpoint:
        tools.run("aip-model", "delete", "--document=-", document=wanted.document())
