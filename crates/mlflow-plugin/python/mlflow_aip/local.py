"""Serves on this machine alone what would be deployed.

The very tools make the very bundle and deploy it, to aip-emulator instead of
Google Cloud: no Docker, no account, the service's limits. Nothing here does
anything a second time in another way.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any, Optional

from . import asking, keys, models, say, settings, stages, tools
from .emulator import Emulator
from .keys import Key
from .settings import Settings
from .target import Target

OWN = {
    "port": Key("port", type="integer", help="Port to listen on, else any free one."),
    "background": Key(
        "background",
        type="boolean",
        help="From Python, do not wait for Ctrl-C but return what has a stop().",
    ),
}

# Where there is none: they lead nowhere but to the emulator.
PROJECT, BUCKET = "local", "local-models"


class LocalDeployment:
    """Runs until it is stopped, or this process ends. Usable in a `with`."""

    def __init__(self, emulator: Emulator, document: dict[str, Any]) -> None:
        self.emulator = emulator
        self.document = document
        self.name: str = document["spec"]["model"]
        self.version: str = document["spec"]["version"]
        # Where predictions are asked for with a POST.
        self.url = asking.url(emulator.url, document)
        # The variables that lead the tools and this plugin to it.
        self.environment = {**emulator.environment, **names(document["spec"])}

    def how(self) -> str:
        """How it is asked."""
        return asking.how(self.emulator.url, self.document)

    def wait(self) -> None:
        self.emulator.wait()

    def stop(self) -> None:
        self.emulator.stop()

    def __enter__(self) -> LocalDeployment:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<LocalDeployment '{self.name}' at {self.url}>"


def names(spec: dict[str, Any]) -> dict[str, str]:
    """What the target URI `aiplatform` leaves to the environment."""
    wanted = ("target", "project", "region")
    return {keys.fields()[name].env[0]: spec[name] for name in wanted if spec.get(name)}


def run_local(
    name: str, model_uri: str, flavor: Optional[str], config: Optional[Mapping[str, Any]]
) -> Optional[LocalDeployment]:
    """Serves the model until Ctrl-C; in the background, returns instead."""
    models.check_flavor(flavor)
    wanted = settings.read(Target(), config, os.environ, OWN, model=name, modelUri=model_uri)
    stages.check(wanted)
    models.resolve(wanted, os.environ)
    local = started(wanted)
    say.line(local.how())
    if wanted.own.get("background"):
        return local
    with local:
        say.info("Ctrl-C ends it")
        with contextlib.suppress(KeyboardInterrupt):
            local.wait()
    say.info("stopped")
    return None


def started(wanted: Settings) -> LocalDeployment:
    """The emulator first: a port that is taken is known before anything is done."""
    keep_here(wanted.spec)
    port, bucket = wanted.own.get("port", 0), wanted.spec["bucket"]
    emulator = Emulator(f"--listen=127.0.0.1:{port}", f"--bucket={bucket}")
    try:
        return LocalDeployment(emulator, deploy(wanted, emulator.environment))
    except BaseException:
        emulator.stop()
        raise


def keep_here(spec: dict[str, Any]) -> None:
    """Nothing goes to where the deployment itself would go."""
    spec.setdefault("project", PROJECT)
    bucket = str(spec.get("bucket") or BUCKET)
    spec["bucket"] = bucket[len("gs://") :] if bucket.startswith("gs://") else bucket
    spec.get("vertex", {}).pop("imageRepository", None)
    spec.pop("dryRun", None)


def deploy(wanted: Settings, environment: Mapping[str, str]) -> dict[str, Any]:
    """Through all stages; the last one's document. The model comes from where it
    is, so that the first stage knows nothing of the emulator."""
    document = wanted.document()
    for stage in stages.ALL:
        first = stage is stages.ALL[0]
        flags = ["--document=-"] * first + wanted.options(stage.name)
        env = None if first else environment
        document = tools.run(*stage.command, *flags, document=document, env=env)
    last: dict[str, Any] = json.loads(document)
    return last
