"""The compiled-in predictor with real models of either MLflow, and its package
against the one that setuptools makes of the same files."""

import hashlib
import json
import subprocess
import sys
import tarfile

import pytest

from support.places import TESTS, VENV, interpreter, python

MLMODEL = "flavors:\n  python_function:\n    python_version: 3.11.7\n"
REQUIREMENTS = """\
mlflow==3.17.2
numpy<3, >=1.2 ; python_version < '3.8'
six[b,a]==1 ; os_name == "nt"
old<2 ; python_version<'3.8'
direct @ https://example.com/direct.zip
Some.Name
"""


@pytest.fixture
def sdist(outcome):
    """The directory of a source distribution, unpacked."""
    files = {"MLmodel": MLMODEL, "requirements.txt": REQUIREMENTS}
    model = outcome.directory / "model"
    model.mkdir()
    listed = []
    for name, text in files.items():
        (model / name).write_text(text)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        listed.append({"path": name, "size": len(text), "sha256": sha256})
    fetch = {"modelUri": "m", "directory": str(model), "digest": "", "files": listed,
             "flavors": {"python_function": {}}, "pythonVersion": "3.11.7"}
    document = {"apiVersion": "mlflow-aip/v1", "kind": "Deployment", "stages": {"fetch": fetch}}
    done = outcome("aip-bundle", "--output", "bundle", "--version-name", "iris_v1", stdin=document)
    assert done.status == 0, done.stderr
    bundle = json.loads(done.stdout)["stages"]["bundle"]
    archive = outcome.directory / "bundle" / bundle["sdist"]["path"]
    with tarfile.open(archive) as tar:
        tar.extractall(outcome.directory / "ours")
        names = tar.getnames()
    assert archive.name == "deploy_from_script-0.1+iris.v1.tar.gz"
    root = outcome.directory / "ours" / "deploy_from_script-0.1+iris.v1"
    return root, names


@pytest.mark.parametrize("major", [3, 2])
def test_what_the_predictor_answers(sdist, tmp_path, env, major):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    script = TESTS / "support" / "predictor_cases.py"
    # There, for MLflow 2 makes a directory mlruns where it runs.
    command = [python(major), script, sdist[0], scratch]
    subprocess.run(command, cwd=scratch, env=env, check=True, timeout=300)


def without_versions(metadata):
    """setuptools marks what setup.py decides; we take an older form that leaves it open."""
    lines = metadata.read_text().splitlines()
    return [line for line in lines if not line.startswith(("Metadata-Version:", "Dynamic:"))]


def test_the_package_is_as_setuptools_makes_it(sdist, tmp_path, env):
    ours, names = sdist
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.py", "predictor.py"):
        (source / name).write_bytes((ours / name).read_bytes())
    command = [sys.executable, "setup.py", "-q", "sdist", "--formats=gztar"]
    subprocess.run(command, cwd=source, env=env, check=True, capture_output=True, timeout=120)
    [archive] = (source / "dist").iterdir()
    assert archive.name == ours.name + ".tar.gz"
    with tarfile.open(archive) as tar:
        assert sorted(tar.getnames()) == sorted(names)
        tar.extractall(tmp_path / "theirs")
    theirs = tmp_path / "theirs" / ours.name
    for path in sorted(path for path in theirs.rglob("*") if path.is_file()):
        own = ours / path.relative_to(theirs)
        if path.name == "PKG-INFO":
            assert without_versions(own) == without_versions(path)
        else:
            assert own.read_text() == path.read_text(), path


# What it needs is not installed here.
IMPORT = """
import sys
from unittest import mock
for name in ("mlflow", "mlflow.pyfunc", "mlflow.types", "numpy", "pandas"):
    sys.modules[name] = mock.MagicMock()
sys.path.insert(0, sys.argv[1])
from predictor import Predictor
Predictor.from_path, Predictor.predict
"""


# The service ended with Python 3.7; pip 9 and 19 are of its time.
@pytest.mark.parametrize(
    ("version", "pip"), [("3.7", "9.0.3"), ("3.7", "19.3.1"), ("3.7", "24.0"), ("3.11", None)]
)
def test_any_pip_installs_it(sdist, tmp_path, env, version, pip):
    """As the service did: `pip install --target`."""
    ours, _ = sdist
    [archive] = (tmp_path / "bundle").rglob("*.tar.gz")
    python = interpreter(version, env)
    tools, target = tmp_path / "tools", tmp_path / "target"
    wanted = [f"pip=={pip}" if pip else "pip", "setuptools", "wheel"]
    get = [VENV / "bin/uv", "pip", "install", "-q", "--python", python, "--target", tools, *wanted]
    subprocess.run(get, env=env, check=True, timeout=120)
    own = env | {"PYTHONPATH": str(tools)}

    def run(*args, env=own):
        done = subprocess.run(
            [python, *args], env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert run("-m", "pip", "--version").startswith(f"pip {pip or ''}")
    run("-m", "pip", "install", "--no-deps", "--target", target, archive)
    assert (target / "predictor.py").read_bytes() == (ours / "predictor.py").read_bytes()
    run("-c", IMPORT, target, env=env)
