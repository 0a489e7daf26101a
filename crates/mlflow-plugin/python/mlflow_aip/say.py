"""Lines for people, in the form that the tools have."""

from __future__ import annotations

import contextlib
import sys


def line(text: str) -> None:
    """A deployment goes on, whether or not anybody can hear of it."""
    # sys.stderr as it is now: a notebook has put its own there. Closed, it is None,
    # which print() would take for stdout.
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr:
            print(text, file=sys.stderr, flush=True)


def info(text: str) -> None:
    line(f"mlflow-aip: {text}")


def warning(text: str) -> None:
    info(f"warning: {text}")
