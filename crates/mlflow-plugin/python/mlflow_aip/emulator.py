"""Google Cloud on a loopback port, for as long as this process lives."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

from . import errors, say, tools

PROGRAM = "aip-emulator"


class Emulator:
    """Ends when it is told to, or when its stdin closes, as it does when this
    process ends in whatever way."""

    def __init__(self, *args: str) -> None:
        self.child = tools.start(PROGRAM, "serve", "--until-stdin-closes", *args)
        self.reasons: list[str] = []
        self.hearing = threading.Thread(target=self.hear, daemon=True)
        self.hearing.start()
        assert self.child.stdout
        try:
            line = self.child.stdout.readline()
        except BaseException:
            self.stop()
            raise
        if not line:
            self.stop()
            raise self.refusal()
        ready = json.loads(line)
        self.url: str = ready["url"]
        # What leads clients to it.
        self.environment: dict[str, str] = ready["environment"]

    def hear(self) -> None:
        """Shows what it says, and what runs in it; why it fails, it says last."""
        assert self.child.stderr
        with self.child.stderr as stderr:
            for raw in stderr:
                line = raw.decode(errors="replace").rstrip("\r\n")
                text = line[len(f"{PROGRAM}: ") :]
                if text.startswith(("error: ", "caused by: ")):
                    self.reasons.append(text.split(": ", 1)[1])
                else:
                    say.line(unwrapped(line))

    def refusal(self) -> Exception:
        """It did not start: with other arguments it may."""
        is_taken = any("already in use" in reason for reason in self.reasons)
        hint = "another program listens there; give another port, or none for any that is free"
        message = errors.text("the emulator did not start", self.reasons)
        return errors.invalid(message, *([hint] if is_taken else []))

    def wait(self) -> None:
        """Until it ends, which it does not by itself."""
        self.child.wait()
        self.stop()
        message = errors.text("the emulator ended", self.reasons)
        raise MlflowException(message, error_code=INTERNAL_ERROR)

    def stop(self) -> None:
        """Ends it with all that runs in it."""
        if self.child.stdin:
            self.child.stdin.close()
        try:
            self.child.wait(tools.PATIENCE)
        except subprocess.TimeoutExpired:
            tools.end(self.child)
        if self.child.stdout:
            self.child.stdout.close()
        self.hearing.join(tools.PATIENCE)


def unwrapped(line: str) -> str:
    """A container's record for Cloud Logging as what it says."""
    prefix, brace, rest = line.partition(": {")
    with contextlib.suppress(ValueError):
        record = json.loads("{" + rest) if brace else None
        if isinstance(record, dict) and isinstance(record.get("message"), str):
            said = record["message"].splitlines() or [""]
            return "\n".join(f"{prefix}: {one}" for one in said)
    return line
