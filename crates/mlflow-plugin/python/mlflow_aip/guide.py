"""The help that `mlflow deployments help -t aiplatform` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from . import endpoints, keys, live, local, pipeline, settings, target
from .keys import Key

WIDTH = 90
HEAD = f"""\
Deploys MLflow models to Vertex AI, or to AI Platform's API (target=ai-platform).

Target URI: {target.FORMS}.
What the URI leaves out comes from the config or the environment.

A deployment's name is that of the service's endpoint (AI Platform: model), and stands for
whichever version is live there. With --endpoint E, E is the endpoint, and the deployment's
name is that of one of its versions.

  create   makes the endpoint and its first version; with --endpoint, a version beside others
  update   with a model: a new version, which then gets the requests, without a pause;
           without one: who gets the requests, by the config
  delete   the version, or the endpoint with all its versions
  list     endpoints; with --endpoint, versions
  run-local  serves what create would deploy, on this machine alone, until Ctrl-C

Credentials are found as Google's tools find them: GOOGLE_APPLICATION_CREDENTIALS, gcloud's,
or the machine's own. The stages' documents are kept in a directory that is named at the
start; with them a shell goes on where a deployment stopped.

Config, -C NAME=VALUE or config={{...}} in Python. Any spelling of a name is taken: machine_type,
machineType, machine-type. Objects and lists are JSON, or Python's own."""


def text() -> str:
    sections = [
        HEAD,
        section("Settings, also in the document", fields()),
        section("Options of the tools", flags(None)),
        section("Of Vertex AI alone", flags("vertex")),
        section("Of AI Platform alone", flags("ai-platform")),
        section("Of create and update", named({**pipeline.OUT, **settings.COMMON})),
        section("Of update without a model, and of update-endpoint", named(live.ENDPOINT)),
        section("Of update without a model, with --endpoint", named(live.VERSION)),
        section("Of delete", named(endpoints.DELETE)),
        section("Of run-local", named(local.OWN)),
    ]
    return "\n\n".join(sections)


def section(title: str, entries: Iterable[tuple[str, str]]) -> str:
    return "\n".join([f"{title}:", *(entry(name, help) for name, help in entries)])


def entry(name: str, help: str) -> str:
    indent = " " * 28
    lines = textwrap.wrap(
        help, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    if not lines or len(name) > len(indent) - 4:
        return "\n".join([f"  {name}", *lines])
    return "\n".join([f"  {name}".ljust(len(indent)) + lines[0].strip(), *lines[1:]])


def fields() -> Iterator[tuple[str, str]]:
    names = keys.names()
    for key in keys.fields().values():
        called = [name for name, one in names.items() if one is key]
        own, *others = sorted(called, key=lambda name: ("." in name, called.index(name)))
        others = [name for name in others if "." not in name]
        also = f" Also {', '.join(others)}." if others else ""
        env = [name for name in key.env if not name.islower()]
        variable = f" Else ${', $'.join(env)}." if env else ""
        yield own, described(key) + also + variable


def flags(service: str | None) -> Iterator[tuple[str, str]]:
    return named({name: key for name, key in keys.flags().items() if key.target == service})


def named(group: dict[str, Key]) -> Iterator[tuple[str, str]]:
    for name, key in group.items():
        yield keys.snake(name), described(key)


def described(key: Key) -> str:
    kinds = {"string": "", "array": " (list)", "object": " (JSON object)"}
    kind = kinds.get(key.type, f" ({key.type})")
    text = key.help.rstrip(".") + kind + "."
    return f"{text} One of {', '.join(key.choices)}." if key.choices else text
