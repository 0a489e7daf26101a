"""Settings in which machines differ and which no digest may show."""

import os
import subprocess
import sys
from pathlib import Path


def machines(env):
    """(what it is called, umask, variables, working directory) of two."""
    other, version = other_python(env)
    first = {"TZ": "UTC", "USER": "root", "LOGNAME": "root"}
    second = {
        "TZ": "Asia/Kathmandu", "USER": "somebody", "LOGNAME": "somebody", "LC_ALL": "C",
        "PATH": os.pathsep.join([*other, env["PATH"]]),
    }
    return [
        ("umask 022, UTC", "022", first, "."),
        (f"umask 077, Kathmandu, other HOME and USER, in /, {version}", "077", second, "/"),
    ]


def other_python(env):
    """A directory for PATH, and what it brings, if there is a Python of another minor."""
    places = sorted(Path(env["PYENV_ROOT"]).glob("versions/3.*/bin"), reverse=True)
    for place in [*places, *map(Path, env["PATH"].split(os.pathsep))]:
        script = "import sys; print('%d.%d' % sys.version_info[:2])"
        try:
            done = subprocess.run(
                [place / "python3", "-c", script], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        if done.stdout.strip() != "%d.%d" % sys.version_info[:2]:
            return [str(place)], f"Python {done.stdout.strip()}"
    return [], "the same Python: there is no other here"
