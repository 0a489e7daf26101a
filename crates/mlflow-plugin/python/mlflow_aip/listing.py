"""What is deployed."""

from __future__ import annotations

import json
import os
from typing import Any, Optional

from mlflow.exceptions import MlflowException

from . import models, settings, tools
from .settings import Settings
from .target import Target


def query(program: str, verb: str, wanted: Settings) -> dict[str, Any]:
    """What a verb that asks answers."""
    args = ["--document=-", *wanted.credentials()]
    answer: dict[str, Any] = json.loads(
        tools.run(program, verb, *args, document=wanted.document())
    )
    return answer


def deployments(target: Target, endpoint: Optional[str]) -> list[dict[str, Any]]:
    """Endpoints, or with one of them its versions; all pages."""
    if endpoint:
        return versions(settings.subject(target, None, endpoint, os.environ))
    wanted = settings.read(target, None, os.environ)
    answer = query("aip-model", "list", wanted)
    records = answer.get("endpoints") or answer.get("models") or []
    return [described(wanted, record) for record in records]


def deployment(target: Target, name: str, endpoint: Optional[str]) -> dict[str, Any]:
    settings.named(name)
    wanted = settings.subject(target, name, endpoint, os.environ)
    if not endpoint:
        return described(wanted, query("aip-model", "get", wanted))
    found = query("aip-version", "get", wanted)
    # The version does not know its share of the requests; the list does.
    last = number(found).rsplit("/", 1)[-1]
    listed = [one for one in versions(wanted) if one["resource"].rsplit("/", 1)[-1] == last]
    return {**(listed[0] if listed else version(wanted, found)), "name": name, "record": found}


def versions(wanted: Settings) -> list[dict[str, Any]]:
    records = query("aip-version", "list", wanted).get("versions", [])
    return [version(wanted, record) for record in records]


def versions_or_none(wanted: Settings) -> list[dict[str, Any]]:
    """None where there is no endpoint."""
    try:
        return versions(wanted)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return []
        raise


def existing(wanted: Settings) -> list[str]:
    """The names of an endpoint's versions."""
    return [one["name"] for one in versions_or_none(wanted)]


def exists(wanted: Settings) -> bool:
    try:
        query("aip-model", "get", wanted)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True


def described(wanted: Settings, record: dict[str, Any]) -> dict[str, Any]:
    """An endpoint of Vertex AI, or a model of AI Platform."""
    return {
        "name": record.get("displayName") or record["name"].rsplit("/", 1)[-1],
        "flavor": models.FLAVOR,
        "target": wanted.target,
        "traffic": traffic(record),
        "resource": record["name"],
        "record": record,
    }


def traffic(record: dict[str, Any]) -> dict[str, int]:
    """Who gets how much: by the names of versions, in percent."""
    if default := record.get("defaultVersion"):
        return {default["name"].rsplit("/", 1)[-1]: 100}
    names = {one["id"]: one.get("displayName", one["id"]) for one in record.get("deployedModels", [])}
    split = record.get("trafficSplit", {})
    return {names.get(id, id): percent for id, percent in split.items() if percent}


def version(wanted: Settings, record: dict[str, Any]) -> dict[str, Any]:
    aliases = record.get("aliases") or record.get("versionAliases") or []
    # On Vertex AI, its first alias is its name; without one, it has a number.
    names = [alias for alias in aliases if alias != "default"]
    return {
        "name": (names or [number(record).rsplit("/", 1)[-1].rsplit("@", 1)[-1]])[0],
        "flavor": models.FLAVOR,
        "target": wanted.target,
        "endpoint": wanted.spec["model"],
        "traffic": record.get("traffic", 100 if record.get("isDefault") else 0),
        "resource": number(record),
        "record": record,
    }


def is_made_of(version: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether it was deployed from this document's bundle, by the beginning of
    its digest that a label has room for; of one without, who knows."""
    record = version["record"]
    label = record.get("bundleDigest") or record.get("labels", {}).get("bundle_digest")
    return not label or str(document["stages"]["bundle"]["digest"]).startswith(label)


def number(record: dict[str, Any]) -> str:
    """A version's resource name, on Vertex AI with its number."""
    name = str(record["name"])
    id = record.get("versionId")
    return f"{name}@{id}" if id and "@" not in name else name
