"""Endpoints of Vertex AI, which AI Platform calls models."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Optional

from . import errors, keys, listing, live, models, settings, tools
from .keys import Key
from .settings import Settings
from .target import Target

DELETE = {
    "to": Key("to", help="Version that gets the requests of a deleted one; Vertex AI only."),
    "timeout": Key("timeout", "integer", "How long to wait, in seconds."),
}


def create(target: Target, name: str, config: Optional[Mapping[str, Any]]) -> dict[str, Any]:
    settings.named(name)
    wanted = settings.read(target, config, os.environ, model=name)
    for flag in wanted.flags:
        if "model" not in keys.flags()[flag].stages:
            raise errors.invalid(
                f"config key '{keys.snake(flag)}' is not about endpoints",
                "give it to create_deployment() or update_deployment()",
            )
    options = ["--before-upload", *wanted.options("model")]
    document = json.loads(tools.run("aip-model", "create", *options, document=wanted.document()))
    made = document["stages"].get("model", {})
    if not (made.get("created") or wanted.spec.get("dryRun")):
        raise errors.exists(f"endpoint '{name}' is there already", "update_endpoint() changes it")
    return {
        "name": name,
        "flavor": models.FLAVOR,
        "target": wanted.target,
        "resource": made.get("name"),
    }


def update(target: Target, name: str, config: Optional[Mapping[str, Any]]) -> dict[str, Any]:
    return live.update(target, name, config, None)


def delete(target: Target, name: str) -> None:
    """With all its versions, as whoever names the whole means the whole."""
    remove(target, name, None, None)


def remove(
    target: Target, name: str, config: Optional[Mapping[str, Any]], endpoint: Optional[str]
) -> None:
    """A version, or an endpoint with all of them; what is gone is as good as removed."""
    settings.named(name)
    wanted = settings.subject(target, name, endpoint, os.environ, config, DELETE)
    if endpoint:
        remove_version(wanted, name)
        return
    for version in removal_order(wanted):
        remove_version(wanted, version)
    document = wanted.document()
    tools.run("aip-model", "delete", "--document=-", *wanted.credentials(), document=document)


def removal_order(wanted: Settings) -> list[str]:
    """Those without requests first: each other one would have to hand over its own."""
    found = listing.versions_or_none(wanted)
    return [one["name"] for one in sorted(found, key=lambda one: int(one["traffic"]))]


def remove_version(wanted: Settings, version: str) -> None:
    options = [f"--version-name={version}", "--document=-", *wanted.credentials()]
    if wanted.target == "vertex":
        options.append("--last")
    for name, value in wanted.own.items():
        if name in DELETE:
            options.append(f"--{name}={value}")
    tools.run("aip-version", "delete", *options, document=wanted.document())
