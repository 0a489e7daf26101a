"""Creates and updates deployments, stage by stage."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from . import listing, settings, tools
from .target import Target

# Each stage with its program and the file of its document.
STAGES = (
    ("fetch", ("mlf-fetch", "--document=-"), "1-fetch.json"),
    ("bundle", ("aip-bundle",), "2-bundle.json"),
    ("upload", ("aip-upload",), "3-upload.json"),
    ("model", ("aip-model", "create"), "4-model.json"),
    ("version", ("aip-version", "create"), "5-version.json"),
)


def create(
    target: Target,
    name: str,
    model_uri: str,
    flavor: Optional[str],
    config: Optional[Mapping[str, Any]],
    endpoint: Optional[str],
) -> dict[str, Any]:
    model, version = (endpoint, name) if endpoint else (name, None)
    wanted = settings.read(
        target, config, os.environ, model=model, version=version, modelUri=model_uri
    )
    return answer(name, deploy(wanted))


def update(
    target: Target,
    name: str,
    model_uri: Optional[str],
    flavor: Optional[str],
    config: Optional[Mapping[str, Any]],
    endpoint: Optional[str],
) -> dict[str, Any]:
    model, version = (endpoint, name) if endpoint else (name, None)
    wanted = settings.read(
        target, config, os.environ, model=model, version=version, modelUri=model_uri
    )
    return answer(name, deploy(wanted))


def deploy(wanted: settings.Settings) -> dict[str, Any]:
    """Runs the stages; the last one's document."""
    document = wanted.document()
    for stage, command, file in STAGES:
        flags = wanted.flags.get(stage, [])
        document = tools.run(*command, *flags, document=document)
        if wanted.out:
            write(wanted.out / file, document)
    last: dict[str, Any] = json.loads(document)
    return last


def write(path: Path, document: bytes) -> None:
    """Whole or not at all."""
    temporary = path.with_suffix(".part")
    temporary.write_bytes(document)
    temporary.replace(path)


def answer(name: str, document: dict[str, Any]) -> dict[str, Any]:
    spec = document["spec"]
    return {"name": name, "flavor": listing.FLAVOR, "version": spec.get("version")}
