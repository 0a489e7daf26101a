"""Runs the programs that came with this package."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import IO, Any, Optional

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

from . import errors, say

# How long a program that was told to end may take to say so.
PATIENCE = 10


def find(program: str) -> str:
    """Where the program is: beside this Python, or wherever AIP_BIN says."""
    places = [os.environ.get("AIP_BIN"), os.path.dirname(sys.executable)]
    places += [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user")]
    for place in filter(None, places):
        if path := shutil.which(program, path=place):
            return path
    if path := shutil.which(program):
        return path
    raise MlflowException(
        errors.text(
            f"cannot find the program '{program}', which is a part of mlflow-aip",
            hints=[f"run: {sys.executable} -m pip install --force-reinstall mlflow-aip"],
        ),
        error_code=INTERNAL_ERROR,
    )


def environment() -> dict[str, str]:
    """This process's, in which the programs find uv and Python where an
    environment of theirs is used without being activated."""
    own = [os.path.dirname(sys.executable), os.path.join(sys.base_prefix, "bin")]
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": os.pathsep.join([path, *own])}


def start(
    program: str,
    *args: str,
    env: Optional[Mapping[str, str]] = None,
    stdin: Optional[int] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Starts a program in a group of its own, all streams piped. Ctrl-C in a
    terminal reaches this process alone, which then ends the group. Should this
    process vanish, or forget the child, the group ends by itself."""
    theirs, ours = os.pipe()
    try:
        child = subprocess.Popen(
            [find(program), *args],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(), **(env or {}), "AIP_LIFELINE": f"/dev/fd/{theirs}"},
            pass_fds=[theirs],
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    weakref.finalize(child, os.close, ours)
    return child


def run(
    program: str,
    *args: str,
    document: Optional[bytes] = None,
    env: Optional[Mapping[str, str]] = None,
) -> bytes:
    """A program's stdout. What it says meanwhile goes to sys.stderr, and why it
    failed into an exception."""
    stdin = subprocess.DEVNULL if document is None else subprocess.PIPE
    child = start(program, *args, "--log-format=json", env=env, stdin=stdin)
    assert child.stderr
    said = Said(program)
    with child.stderr:
        try:
            with fed(child, document) as output:
                said.hear_all(child.stderr)
            status = child.wait()
        except BaseException:
            end(child)
            said.hear_all(child.stderr)
            said.last_words()
            raise
    if status == 0:
        return b"".join(output)
    raise said.failure(status)


def lines(
    program: str, *args: str, document: bytes, env: Optional[Mapping[str, str]] = None
) -> Generator[bytes, None, None]:
    """A program's stdout, line by line as it comes. Whoever wants no more of
    them ends it."""
    child = start(program, *args, "--log-format=json", env=env)
    said = Said(program)
    assert child.stdin and child.stdout and child.stderr
    hearing = threading.Thread(target=said.hear_all, args=[child.stderr], daemon=True)
    hearing.start()
    try:
        with contextlib.suppress(BrokenPipeError), child.stdin as stdin:
            stdin.write(document)
        with child.stdout as stdout:
            yield from stdout
        status = child.wait()
    except BaseException:
        end(child)
        raise
    finally:
        hearing.join()
        child.stderr.close()
    if status:
        raise said.failure(status)


class Said:
    """What a program says on stderr: shown as it comes, its failure kept."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.error: dict[str, Any] = {}
        self.rest: list[str] = []

    def hear_all(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            self.hear(line)

    def hear(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r\n")
        event = parsed(line)
        if event.get("severity") == "error":
            self.error = event
            return
        if event:
            label = "warning: " if event.get("severity") == "warning" else ""
            prefix = f"{event.get('tool', self.program)}: "
            texts = str(event["message"]).splitlines()
            texts += [f"hint: {hint}" for hint in event.get("hints", ())]
            line = "\n".join(prefix + text for text in texts)
            line = line.replace(prefix, prefix + label, 1)
        else:
            # What no logger said, such as a panic or a child's own words.
            self.rest = [*self.rest[-4:], line]
        say.line(line)

    def failure(self, status: int) -> BaseException:
        if status in (130, -signal.SIGINT):
            self.last_words()
            return KeyboardInterrupt()
        if not self.error:
            ending = f"by signal {-status}" if status < 0 else f"with status {status}"
            last = [f"its last words: {line}" for line in self.rest[-1:]]
            message = errors.text(f"'{self.program}' ended {ending}", causes=last)
            return MlflowException(message, error_code=errors.code(status))
        code = errors.code(status, self.error.get("httpStatus"))
        return MlflowException(self.text(), error_code=code)

    def text(self) -> str:
        """The failure, as a person reads it."""
        hints = [*self.error.get("hints", ())]
        hints += as_config(hints)
        tool = self.error.get("tool", self.program)
        causes = self.error.get("causes", ())
        return errors.text(f"{tool}: {self.error['message']}", causes, hints)

    def last_words(self) -> None:
        """For one whose end is no exception of its own: how to go on."""
        if self.error:
            say.line(self.text())


def as_config(hints: Sequence[str]) -> list[str]:
    """What flags in a tool's hints are called where there is no command line."""
    from . import keys

    named = [name for hint in hints for name in re.findall(r"--([a-z][a-z-]+)", hint)]
    known = dict.fromkeys(name for name in named if name in keys.flag_names())
    if not known:
        return []
    renamed = " and ".join(f"--{name} is {keys.snake(name)}" for name in known)
    return [f"in the config of a deployment, -C NAME=VALUE, {renamed}"]


def parsed(line: str) -> dict[str, Any]:
    """A line as an event of ours, or nothing where it is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) and "message" in event else {}


@contextlib.contextmanager
def fed(child: subprocess.Popen[bytes], document: Optional[bytes]) -> Iterator[list[bytes]]:
    """Gives the child its stdin and collects its stdout on threads: the caller's
    own thread hears stderr, for a notebook knows by it where output belongs."""
    output: list[bytes] = []

    def feed(stdin: IO[bytes]) -> None:
        # A child that ends before it has read everything says why on stderr.
        with contextlib.suppress(BrokenPipeError), stdin:
            stdin.write(document or b"")

    def collect(stdout: IO[bytes]) -> None:
        with stdout:
            output.append(stdout.read())

    work = [(feed, child.stdin)] if child.stdin else []
    threads = [
        threading.Thread(target=one, args=(stream,), daemon=True)
        for one, stream in [*work, (collect, child.stdout)]
    ]
    for thread in threads:
        thread.start()
    yield output
    for thread in threads:
        thread.join()


def end(child: subprocess.Popen[bytes]) -> None:
    """Ends the child and all that it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
