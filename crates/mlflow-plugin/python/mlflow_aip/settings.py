"""What is wanted: the document's spec and the tools' flags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from .target import Target


@dataclass(frozen=True)
class Settings:
    """The settings of one call."""

    spec: dict[str, Any] = field(default_factory=dict)
    # By stage: fetch, bundle, upload, model, version.
    flags: dict[str, list[str]] = field(default_factory=dict)
    # Where the stages' documents go.
    out: Optional[Path] = None

    def document(self) -> bytes:
        """A document with the spec, for `--document -`."""
        whole = {"apiVersion": "mlflow-aip/v1", "kind": "Deployment", "spec": self.spec}
        return json.dumps(whole).encode() + b"\n"


def read(
    target: Target, config: Optional[Mapping[str, Any]], environ: Mapping[str, str], **spec: Any
) -> Settings:
    """Keywords are fields of the spec, which nothing else overrides."""
    given = {name: value for name, value in spec.items() if value is not None}
    return Settings(spec={**target.spec(), **(config or {}), **given})


def subject(
    target: Target,
    name: Optional[str],
    endpoint: Optional[str],
    environ: Mapping[str, str],
    config: Optional[Mapping[str, Any]] = None,
) -> Settings:
    """What a deployment's name means: with an endpoint, its version of that
    name, else the endpoint of that name and whatever answers there."""
    model, version = (endpoint, name) if endpoint else (name, None)
    return read(target, config, environ, model=model, version=version)
