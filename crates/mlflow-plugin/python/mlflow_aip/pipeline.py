"""Creates and updates deployments."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional
from urllib.parse import quote

from . import errors, listing, live, models, say, settings, stages
from .keys import Key
from .settings import Settings
from .stages import Run
from .target import Target

OUT = {
    "out": Key("out", help="Directory for the stages' documents, with which a shell can go on."),
}

# Of this process: two may begin in the same second.
RUNS = itertools.count(1)


def create(
    target: Target,
    name: str,
    model_uri: str,
    flavor: Optional[str],
    config: Optional[Mapping[str, Any]],
    endpoint: Optional[str],
) -> dict[str, Any]:
    models.check_flavor(flavor)
    wanted = read(target, name, model_uri, config, endpoint)
    takes_any = wanted.spec.get("dryRun") or wanted.flags.get("replace")
    if not takes_any:
        # A wrong name, project or login is known before anything is fetched.
        listing.versions_or_none(wanted)
    run = Run(wanted, directory(wanted))
    document = run.until("bundle")
    if not takes_any:
        with run.resumable():
            found = listing.versions_or_none(wanted)
        check_new(wanted, document, endpoint, found)
    return answer(name, run, endpoint)


def update(
    target: Target,
    name: str,
    model_uri: Optional[str],
    flavor: Optional[str],
    config: Optional[Mapping[str, Any]],
    endpoint: Optional[str],
) -> dict[str, Any]:
    models.check_flavor(flavor)
    if model_uri is None:
        return live.update(target, name, config, endpoint)
    wanted = read(target, name, model_uri, config, endpoint)
    versions = listing.existing(wanted)
    if endpoint:
        if name not in versions:
            raise absent(f"version '{name}' of '{endpoint}'")
        wanted.flags.setdefault("replace", True)
        follow_replace(wanted)
    else:
        if not versions and not listing.exists(wanted):
            raise absent(f"'{name}'")
        wanted.spec.setdefault("version", free(versions))
        make_live(wanted)
    return answer(name, Run(wanted, directory(wanted)), endpoint)


def read(
    target: Target,
    name: str,
    model_uri: str,
    config: Optional[Mapping[str, Any]],
    endpoint: Optional[str],
) -> Settings:
    settings.named(name)
    model, version = (endpoint, name) if endpoint else (name, None)
    wanted = settings.read(
        target, config, os.environ, OUT, model=model, version=version, modelUri=model_uri
    )
    stages.check(wanted)
    models.resolve(wanted, os.environ)
    follow_replace(wanted)
    return wanted


def follow_replace(wanted: Settings) -> None:
    """Who replaces a version replaces what it was made of."""
    if wanted.flags.get("replace"):
        wanted.flags.setdefault("overwrite", True)


def directory(wanted: Settings) -> Path:
    """Where this deployment's documents go: by default to what the tools make."""
    if "out" in wanted.own:
        return Path(wanted.own["out"]).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    work = Path(wanted.spec.get("workDir") or Path(cache, "mlflow-aip"))
    moment = time.strftime("%Y%m%dT%H%M%S") + f"-{os.getpid()}-{next(RUNS)}"
    parts = [wanted.spec["model"], wanted.spec.get("version") or moment]
    return work.joinpath("deployments", *map(file_name, parts)).absolute()


def file_name(text: str) -> str:
    """A name of the service, which may hold anything, as one of a directory."""
    return quote(text, safe=" ") if text.strip(".") else text.replace(".", "%2E")


def check_new(
    wanted: Settings,
    document: dict[str, Any],
    endpoint: Optional[str],
    versions: list[dict[str, Any]],
) -> None:
    """A name that is taken is updated, not created; but the same once more is no
    harm. Looked at before anything is sent, which would take the place of what
    the version that is there was made of; so there is no going on from here."""
    found = {one["name"]: one for one in versions}
    model, version = wanted.spec["model"], str(document["spec"]["version"])
    if same := found.get(version):
        if listing.is_made_of(same, document):
            return
        message = f"version '{version}' of '{model}' is there already, made of something else"
    elif found and not endpoint:
        message = f"'{model}' is there already, with {', '.join(found)}"
    else:
        return
    raise errors.exists(
        message,
        "for a new version in its place: mlflow deployments update, or update_deployment()",
        f"for one beside it: another name, with endpoint '{model}'",
    )


def absent(what: str) -> Exception:
    return errors.missing(
        f"there is no {what} to update", "mlflow deployments create, or create_deployment()"
    )


def free(versions: list[str]) -> str:
    """The name of a version after these."""
    numbers = [int(name[1:]) for name in versions if re.fullmatch(r"v\d+", name, re.ASCII)]
    return f"v{max(numbers, default=0) + 1}"


def make_live(wanted: Settings) -> None:
    """An update is for those who ask, unless told otherwise."""
    if wanted.target == "ai-platform":
        wanted.flags.setdefault("set-default", True)
    elif "canary" not in wanted.flags:
        wanted.flags.setdefault("traffic", 100)


def answer(name: str, run: Run, endpoint: Optional[str]) -> dict[str, Any]:
    """What MLflow gets, after the stages that are left."""
    document = run.until("version")
    spec, made = document["spec"], document["stages"].get("version", {})
    say.info(f"version '{spec['version']}' of '{spec['model']}' {outcome(spec, made)}")
    result = {
        "name": name,
        "flavor": models.FLAVOR,
        "endpoint": spec["model"],
        "version": spec["version"],
        "target": run.wanted.target,
        "created": made.get("created", False),
        "documents": str(run.directory),
    }
    return {**result, **({"resource": made["name"]} if "name" in made else {})}


def outcome(spec: dict[str, Any], made: dict[str, Any]) -> str:
    if spec.get("dryRun"):
        return "was not deployed: this was a dry run"
    return "is deployed" if made.get("created") else "was there already"
