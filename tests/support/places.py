"""Where things are in the checkout."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
VENV = ROOT / ".venv"
BIN = Path(os.environ.get("BIN") or ROOT / "target/debug")

PIPE_TOOLS = ["mlf-fetch", "aip-bundle", "aip-upload", "aip-model", "aip-version", "aip-predict"]
TOOLS = [*PIPE_TOOLS, "aip-emulator"]


def tool(name):
    return str(BIN / name)


def python(major):
    """The interpreter that has this MLflow."""
    return str(VENV / f"mlflow{major}" / "bin" / "python")


def interpreter(version, env):
    """From pyenv, or from PATH, where pyenv's shims may not work."""
    for path in Path(env["PYENV_ROOT"]).glob(f"versions/{version}.*/bin/python{version}"):
        return path
    path = shutil.which(f"python{version}", path=env["PATH"])
    if not path or subprocess.run([path, "-V"], env=env, check=False).returncode:
        pytest.skip(f"no Python {version}")
    return path


# How this machine reaches the package registries.
NETWORK = re.compile(r"(UV|PIP|SSL_CERT)_\w+|REQUESTS_CA_BUNDLE|\w+_PROXY", re.IGNORECASE)


def base_env(home):
    """An environment in which nobody's own settings reach a test."""
    network = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
    return network | {
        "PATH": os.pathsep.join(
            [str(BIN), str(VENV / "mlflow3/bin"), str(VENV / "bin"), os.environ["PATH"]]
        ),
        "HOME": str(home),
        # pyenv's shims look below HOME unless they are told.
        "PYENV_ROOT": os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(VENV / "cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "LC_ALL": "C.UTF-8",
        "PYTHONWARNINGS": "ignore",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "GIT_PYTHON_REFRESH": "quiet",
        "AIP_TARGET": "ai-platform",
        "AIP_TEST_NO_RETRY_DELAY": "1",
        "AIP_HTTP_TIMEOUT": "30",
    }
