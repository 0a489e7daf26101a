"""Lines for people, in the form that the tools have."""

from __future__ import annotations

import sys


def info(text: str) -> None:
    # sys.stderr as it is now: a notebook has put its own there.
    print(f"mlflow-aip: {text}", file=sys.stderr, flush=True)


def warning(text: str) -> None:
    info(f"warning: {text}")
