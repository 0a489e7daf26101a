"""An image with a model server in it, in the emulator's registry."""

import platform
import tempfile
from pathlib import Path

from .layout import Layout, layer
from .places import ROOT

SERVER = ROOT / "crates/aip-emulator/tests/vertex/server.py"
CONTAINER = {"predict_route": "/predict", "health_route": "/health"}


def push_image(emulator, name="models/server"):
    """The URI of an image that predicts its instances, times WEIGHTS or what
    weights.txt says among its artifacts."""
    config = {
        "Entrypoint": ["python3", "/opt/app"],
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", f"PYTHON_VERSION={platform.python_version()}"],
    }
    with tempfile.TemporaryDirectory() as directory:
        content = layer({"opt/app/__main__.py": SERVER.read_bytes()})
        return Layout(Path(directory), config, [content]).push(emulator, name)
