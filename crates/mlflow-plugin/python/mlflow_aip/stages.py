"""The stages that make a deployment, each a program and a document."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from . import errors, say, tools
from .settings import Settings


@dataclass(frozen=True)
class Stage:
    name: str
    command: tuple[str, ...]
    # The document that it writes.
    file: str


FIRST = "0-settings.json"
ALL = (
    Stage("fetch", ("mlf-fetch",), "1-fetch.json"),
    Stage("bundle", ("aip-bundle",), "2-bundle.json"),
    Stage("upload", ("aip-upload",), "3-upload.json"),
    Stage("model", ("aip-model", "create"), "4-model.json"),
    Stage("version", ("aip-version", "create"), "5-version.json"),
)


class Run:
    """One deployment on its way, with the documents in a directory."""

    def __init__(self, wanted: Settings, directory: Path) -> None:
        self.wanted, self.directory = wanted, directory
        self.document = wanted.document()
        self.next = 0
        with writing(directory):
            directory.mkdir(parents=True, exist_ok=True)
            # Whoever starts anew here does not go on from an older document.
            for stage in ALL:
                (directory / stage.file).unlink(missing_ok=True)
        write(directory / FIRST, self.document)
        say.info(f"the stages' documents go to '{directory}'")

    def until(self, name: str) -> dict[str, Any]:
        """Runs the stages up to and with this one; the document it wrote."""
        with self.resumable():
            while self.next < len(ALL):
                stage = ALL[self.next]
                self.document = tools.run(*self.command(stage), document=self.document)
                write(self.directory / stage.file, self.document)
                self.next += 1
                if stage.name == name:
                    break
        document: dict[str, Any] = json.loads(self.document)
        return document

    def command(self, stage: Stage) -> list[str]:
        first = ["--document=-"] if stage is ALL[0] else []
        return [*stage.command, *first, *self.wanted.options(stage.name)]

    @contextlib.contextmanager
    def resumable(self) -> Iterator[None]:
        """A failure says how a shell goes on."""
        try:
            yield
        except MlflowException as error:
            message = f"{error.message}\nhint: to go on from here: {self.resume()}"
            code = error.error_code
            raise MlflowException(message, error_code=error_number(code)) from None
        except KeyboardInterrupt:
            say.info(f"interrupted; to go on from here: {self.resume()}")
            raise

    def resume(self) -> str:
        """The rest of the pipe, from the last good document."""
        done = self.directory / (ALL[self.next - 1].file if self.next else FIRST)
        first, *others = [shell(self.command(stage)) for stage in ALL[self.next :]]
        return " | ".join([f"{first} <{shlex.quote(str(done))}", *others])


def check(wanted: Settings) -> None:
    """A flag's wrong value is refused before anything is done, not after all that
    comes before its stage."""
    for stage in ALL:
        if flags := wanted.options(stage.name):
            tools.run(*stage.command, *flags, "--help")


def shell(command: list[str]) -> str:
    """As one types it, where the program is on the shell's path."""
    program = command[0] if shutil.which(command[0]) else tools.find(command[0])
    # A header may be a login; in a file, as @FILE, it is none.
    args = [re.sub(r"^(--header=[^@:][^:]*:).*", r"\1 …", arg) for arg in command[1:]]
    return shlex.join([program, *args])


def error_number(code: str) -> int:
    from mlflow.protos.databricks_pb2 import ErrorCode

    return int(ErrorCode.Value(code))


def write(path: Path, document: bytes) -> None:
    """Whole or not at all, even if this process ends at any moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    with writing(path.parent):
        temporary.write_bytes(document)
        temporary.replace(path)


@contextlib.contextmanager
def writing(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.invalid(
            f"cannot write the stages' documents to '{directory}': {error.strerror}",
            "-C out=DIR gives another directory",
        ) from None
