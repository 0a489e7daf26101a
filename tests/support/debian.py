"""Programs of Debian's that a test needs, without installing them: fetched
with what they need, and unpacked into a cache. No root."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .places import VENV

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or VENV / "cache", "mlflow-aip-tests", "debian")


class Program:
    def __init__(self, path, libraries):
        self.path, self.libraries = path, libraries

    def env(self, env):
        """The environment it is run in."""
        return env | {"LD_LIBRARY_PATH": self.libraries} if self.libraries else env


def program(name, package=None):
    """This machine's own, or Debian's."""
    if here := shutil.which(name):
        return Program(here, "")
    root = CACHE / (package or name)
    fetch([package or name], root, root)
    libraries = [str(path) for path in (root / "usr/lib").glob("*-linux-gnu")]
    return Program(str(root / "usr/bin" / name), os.pathsep.join(libraries))


def tree(name, *packages):
    """A file system of packages and all that they need, whatever is installed
    here: nothing in it was set up, which unpacked programs seldom need."""
    place = CACHE / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "status").touch()
    fetch(packages, place, place / "tree", "-o", f"Dir::State::status={place}/status")
    return place / "tree"


def fetch(packages, place, root, *options):
    """Unpacks packages into a root, with a place to work in."""
    if (place / "complete").exists():
        return
    if not shutil.which("apt-get"):
        pytest.skip(f"{packages[0]} comes from Debian, and there is no apt-get here")
    root.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        # Another run may be at it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (place / "complete").exists():
            return
        found = missing(packages, options) or missing(packages, (*options, *own_lists(place)))
        for deb in download(found, place):
            subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
            deb.unlink()
        (place / "complete").touch()


def missing(packages, options):
    """The packages and what they need that is not installed, with the options
    that apt-get finds them by; nothing where it does not know them."""
    done = subprocess.run(
        ["apt-get", *options, "-o", "Debug::NoLocking=true", "--no-install-recommends", "-y",
         "--print-uris", "install", *packages],
        capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}, check=False,
    )
    if done.returncode:
        return None
    # 'URL' FILE SIZE HASH
    files = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("'")]
    return options, [file.split("_")[0] for file in files]


def own_lists(root):
    """The system's lists are root's to update; these are ours."""
    state = root / "apt"
    (state / "lists/partial").mkdir(parents=True, exist_ok=True)
    options = ("-o", f"Dir::State::lists={state}/lists", "-o", f"Dir::Cache={state}")
    subprocess.run(["apt-get", *options, "update"], check=True, capture_output=True)
    return options


def download(packages, directory):
    options, names = packages
    subprocess.run(
        ["apt-get", *options, "download", *names], cwd=directory, check=True, capture_output=True
    )
    return sorted(directory.glob("*.deb"))
