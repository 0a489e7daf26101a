"""What is wanted: the document's spec and the tools' flags.

A setting comes from the method's argument, the config, the target URI, a
document that the config names, and the environment, in this order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from . import coerce, errors, keys, say
from .keys import Key
from .target import Target

# What every method takes that has a config.
COMMON = {
    "document": Key("document", help="File with a deployment's document to start from."),
    "access_token_file": Key(
        "access_token_file", help="File with an access token, instead of the credentials found."
    ),
}

# A password, or what a web server takes for one.
LOGIN = re.compile(r"https?://[^/?#]*@|[a-z][a-z0-9+.-]*://[^/?#@]*:[^/?#@]*@", re.IGNORECASE)
LOGIN_HINT = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment are for it"


@dataclass(frozen=True)
class Settings:
    """The settings of one call."""

    # A document, of which `spec` is a part.
    whole: dict[str, Any]
    # The tools' flags by name, and what the plugin itself does.
    flags: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.whole["spec"]
        return spec

    @property
    def target(self) -> str:
        """The service: vertex or ai-platform."""
        return str(self.spec.get("target") or keys.fields()["target"].default)

    def document(self) -> bytes:
        """For `--document -`."""
        return json.dumps(self.whole).encode() + b"\n"

    def options(self, stage: str) -> list[str]:
        """The flags of one of the stages fetch, bundle, upload, model and version."""
        known = keys.flags()
        given = [*self.credentials()]
        for name, value in self.flags.items():
            if stage in known[name].stages:
                given += rendered(name, value)
        return given

    def credentials(self) -> list[str]:
        """What every tool gets."""
        file = self.own.get("access_token_file")
        return [f"--access-token-file={file}"] if file else []


def rendered(name: str, value: Any) -> Iterator[str]:
    """Name and value in one word, so that no value is taken for a flag."""
    if isinstance(value, bool):
        yield from [f"--{name}"] if value else []
    elif isinstance(value, list):
        yield from (f"--{name}={one}" for one in value)
    else:
        yield f"--{name}={value}"


def read(
    target: Target,
    config: Optional[Mapping[str, Any]],
    environ: Mapping[str, str],
    own: Optional[Mapping[str, Key]] = None,
    **arguments: Optional[str],
) -> Settings:
    """`own` is what the method takes besides; the keywords are fields of the
    spec that its arguments name."""
    spec: dict[str, Any] = {}
    flags: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, value in found(config or {}, {**COMMON, **(own or {})}):
        if key.path:
            put(spec, key, value)
        else:
            (flags if key.stages else others)[key.name] = value
    for name, argument in arguments.items():
        if argument is not None:
            override(spec, name, argument, environ)
    base = read_document(others["document"]) if "document" in others else {}
    whole = {"apiVersion": "mlflow-aip/v1", "kind": "Deployment", **base}
    whole["spec"] = inherit(merged(base.get("spec", {}), merged(target.spec(), spec)), environ)
    settings = Settings(whole, flags, others)
    check_target(settings)
    return settings


def subject(
    target: Target,
    name: Optional[str],
    endpoint: Optional[str],
    environ: Mapping[str, str],
    config: Optional[Mapping[str, Any]] = None,
    own: Optional[Mapping[str, Key]] = None,
) -> Settings:
    """What a deployment's name means: with an endpoint, its version of that
    name, else the endpoint of that name and whatever answers there."""
    if not endpoint:
        named(name)
    model, version = (endpoint, name) if endpoint else (name, None)
    wanted = read(target, config, environ, own, model=model, version=version)
    if not version:
        wanted.spec.pop("version", None)
    return wanted


def named(name: Optional[str]) -> None:
    """What is made, changed or deleted is named by the call itself: a variable
    may be there for another deployment."""
    if name is None or not str(name).strip():
        raise errors.invalid("no deployment is named", "give its name, or that of an endpoint")


def found(config: Mapping[str, Any], own: Mapping[str, Key]) -> Iterator[tuple[Key, Any]]:
    """What the config sets, each once."""
    seen: dict[Key, str] = {}
    for name, value in config.items():
        key = keys.find(str(name), own)
        if value is None:
            continue
        if key in seen:
            raise errors.invalid(f"config keys '{seen[key]}' and '{name}' are the same setting")
        seen[key] = str(name)
        yield key, checked(f"config key '{name}'", key, value)


def checked(subject: str, key: Key, value: Any) -> Any:
    value = coerce.to(subject, key.type, value)
    if key.path and isinstance(value, str) and LOGIN.match(value):
        raise errors.invalid(f"{subject} has a login in it, and would be in a document", LOGIN_HINT)
    if key.choices and value not in key.choices:
        raise errors.invalid(
            f"{subject} is '{value}', which is unknown", f"it takes {' or '.join(key.choices)}"
        )
    return value


def put(spec: dict[str, Any], key: Key, value: Any) -> None:
    """Into its place. An object of settings is taken apart, so that what is in
    it is checked as well."""
    inner = {path: one for path, one in keys.fields().items() if one.path[:-1] == key.path}
    if key.type == "object" and inner:
        known = {one.path[-1]: one for one in inner.values()}
        for name, one in value.items():
            if name not in known:
                raise keys.unknown(f"field '{name}' of config key '{key.name}'", name, known)
            put(spec, known[name], checked(f"field '{name}' of '{key.name}'", known[name], one))
        return
    for part in key.path[:-1]:
        spec[part] = spec.get(part) or {}
        spec = spec[part]
    name = key.path[-1]
    spec[name] = merged(spec.get(name) or {}, value) if key.type == "object" else value


def override(spec: dict[str, Any], name: str, argument: str, environ: Mapping[str, str]) -> None:
    """An argument wins, and says so where somebody may have meant another."""
    key = keys.fields()[name]
    argument = checked(f"argument '{name}'", key, argument)
    others = [(f"config key '{name}'", spec.get(name))]
    if name != "modelUri":
        # Of a model there are many right names, which need not be alike.
        variables = key.env
        others += [(f"environment variable '{one}'", environ.get(one)) for one in variables]
    for place, other in others:
        if other and other != argument:
            say.warning(f"{place} is '{other}', but the call says '{argument}', which counts")
    spec[name] = argument


def read_document(path: str) -> dict[str, Any]:
    try:
        document = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise errors.invalid(f"cannot read the document '{path}': {reason}") from error
    if not isinstance(document, dict) or not isinstance(document.get("spec", {}), dict):
        raise errors.invalid(f"'{path}' is no deployment's document")
    return document


def inherit(spec: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The spec with what the environment adds: a shell that goes on from the
    document then needs no variable."""
    spec = merged({}, spec)
    for key in keys.fields().values():
        variable = next((name for name in key.env if environ.get(name)), None)
        if variable is None or get(spec, key) is not None:
            continue
        value = environ[variable]
        # A login stays where it is: documents hold none.
        if not LOGIN.match(value):
            put(spec, key, checked(f"environment variable '{variable}'", key, value))
    return spec


def get(spec: Mapping[str, Any], key: Key) -> Any:
    for part in key.path[:-1]:
        spec = spec.get(part) or {}
    return spec.get(key.path[-1])


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Objects field by field; of anything else, what is above."""
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[name] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def check_target(settings: Settings) -> None:
    """Flags of the other service: refused before anything is fetched."""
    for name in settings.flags:
        target = keys.flags()[name].target
        if target and target != settings.target:
            raise errors.invalid(
                f"config key '{keys.snake(name)}' is for target '{target}', "
                f"and this one is '{settings.target}'",
                f"leave it out, or set target={target}",
            )
