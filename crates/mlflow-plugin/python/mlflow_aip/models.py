"""The model that is to be deployed, as MLflow names it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Optional
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException

from . import errors, keys, say
from .settings import Settings

# The only one: what is deployed serves any model by it.
FLAVOR = "python_function"

# What mlf-fetch reads by itself, and whose records, where a model is named by them.
MODELS = ("", "file", "gs", "http", "https")
RECORDED = ("runs", "models", "mlflow-artifacts")
STORES = ("", "file", "sqlite", "http", "https")


def check_flavor(flavor: Optional[str]) -> None:
    if flavor not in (None, "", FLAVOR):
        raise errors.invalid(
            f"flavor '{flavor}' cannot be deployed", f"leave it out, or give {FLAVOR}"
        )


def resolve(wanted: Settings, environ: Mapping[str, str]) -> None:
    """A model from where mlf-fetch cannot go, MLflow brings to a directory, from
    which the tools go on."""
    uri = str(wanted.spec["modelUri"])
    tracking = tracking_uri(wanted, environ)
    scheme = scheme_of(uri)
    if scheme in MODELS or os.path.exists(uri):
        return
    if scheme in RECORDED and tracking != "databricks" and scheme_of(tracking or "") in STORES:
        return
    import mlflow

    try:
        directory = mlflow.artifacts.download_artifacts(uri, tracking_uri=tracking)
    except MlflowException:
        raise
    except Exception as error:
        # Stores raise whatever the libraries below them do.
        raise errors.missing(
            f"MLflow cannot bring the model '{uri}': {error}",
            f"for more about it: mlflow artifacts download -u {shlex.quote(uri)}",
        ) from error
    say.info(f"MLflow has brought '{uri}' to '{directory}'")
    wanted.spec["modelUri"] = os.path.abspath(directory)
    wanted.spec.pop("trackingUri", None)


def scheme_of(uri: str) -> str:
    try:
        return urlsplit(uri).scheme
    except ValueError as error:
        raise errors.invalid(f"'{uri}' is no URI: {error}") from None


def tracking_uri(wanted: Settings, environ: Mapping[str, str]) -> Optional[str]:
    """As mlf-fetch would have it; one with a login is in the environment alone."""
    variables = [environ.get(name) for name in keys.fields()["trackingUri"].env]
    return next(filter(None, [wanted.spec.get("trackingUri"), *variables]), None)
