"""The compiled-in predictor with real models of either MLflow, and its package
against the one that setuptools makes of the same files."""

import hashlib
import json
import subprocess
import sys
import tarfile

import pytest

from support.places import TESTS, python

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
    subprocess.run([python(major), script, sdist[0], scratch], env=env, check=True, timeout=300)


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
