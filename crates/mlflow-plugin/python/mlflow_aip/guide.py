"""The help that `mlflow deployments help -t aiplatform` prints."""

from __future__ import annotations

from . import target


def text() -> str:
    return f"Target URIs: {target.FORMS}"
