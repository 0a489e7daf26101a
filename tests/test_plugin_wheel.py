"""What is in the wheel, and that it lives beside either MLflow."""

import ast
import csv
import io
import os
import re
import subprocess
import tomllib
import zipfile
from email.parser import Parser

import pytest

from support.places import BIN, ROOT, TOOLS, VENV, interpreter
from support.installed import MAJORS, program

CRATE = ROOT / "crates/mlflow-plugin"
SOURCES = sorted((CRATE / "python/mlflow_aip").glob("**/*.py"))


@pytest.fixture(scope="module")
def path():
    """As make built it for these tests."""
    found = list((BIN.parent / "wheel").glob("mlflow_aip-*.whl"))
    assert len(found) == 1, f"{found}; run: make plugin-environments PROFILE=debug"
    return found[0]


@pytest.fixture(scope="module")
def wheel(path):
    """Its files by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def version():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def test_nothing_is_missing_and_nothing_stray(wheel, version):
    info = f"mlflow_aip-{version}.dist-info"
    package = CRATE / "python"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=package, capture_output=True, text=True, check=True,
    ).stdout.split()
    assert "mlflow_aip/py.typed" in tracked
    assert sorted(wheel) == sorted(
        tracked
        + [f"mlflow_aip-{version}.data/scripts/{name}" for name in TOOLS]
        + [f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")]
    )
    for name in tracked:
        assert wheel[name] == (package / name).read_bytes(), f"{name}; run: make plugin-environments PROFILE=debug"


def test_what_it_says_of_itself(wheel, version):
    info = f"mlflow_aip-{version}.dist-info"
    said = Parser().parsestr(wheel[f"{info}/METADATA"].decode())
    assert (said["Name"], said["Version"]) == ("mlflow-aip", version)
    assert said["Requires-Python"] == ">=3.9"
    needed = [re.split("[<>=]", name)[0] for name in said.get_all("Requires-Dist")]
    assert needed == ["mlflow-skinny", "uv"]
    entry_points = wheel[f"{info}/entry_points.txt"].decode().split()
    assert entry_points == ["[mlflow.deployments]", "aiplatform=mlflow_aip.deployments"]
    record = {row[0] for row in csv.reader(io.StringIO(wheel[f"{info}/RECORD"].decode()))}
    assert record == set(wheel)


def test_any_python_on_linux_may_have_it(path, wheel, version):
    tag = re.fullmatch(rf"mlflow_aip-{version}-(py3-none-manylinux_2_\d+_\w+)\.whl", path.name)
    assert tag, path.name
    assert f"Tag: {tag[1]}\n" in wheel[f"mlflow_aip-{version}.dist-info/WHEEL"].decode()


def test_its_size(path, wheel):
    """Unstripped programs would be twice as large."""
    programs = [content for name, content in wheel.items() if "/scripts/" in name]
    assert all(content.startswith(b"\x7fELF") for content in programs)
    assert sum(map(len, programs)) < 120e6
    assert path.stat().st_size < 45e6


def test_it_names_nobody(wheel):
    """Neither where it was built nor by whom."""
    home = str(ROOT).encode()
    assert [name for name, content in wheel.items() if home in content] == []


@pytest.mark.timeout(600)
def test_the_same_sources_make_the_same_bytes(path, tmp_path):
    subprocess.run(
        ["make", "wheel", "PROFILE=debug", f"DIST={tmp_path}"], cwd=ROOT, check=True, timeout=550,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        | {"CARGO_TARGET_DIR": str(BIN.parent)},
        capture_output=True,
    )
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_python_3_9_reads_it(source):
    tree = ast.parse(source.read_text(), feature_version=(3, 9))
    # Annotations such as `int | None` are only read, not run.
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    annotated = any(isinstance(node, (ast.AnnAssign, ast.FunctionDef)) for node in ast.walk(tree))
    assert not annotated or any(node.module == "__future__" for node in futures)


def test_python_3_9_runs_it(env, path, tmp_path):
    """Without MLflow's numpy and pandas, too."""
    python = interpreter("3.9", env)
    uv = [str(VENV / "bin/uv"), "--quiet"]
    subprocess.run([*uv, "venv", "--no-project", "--python", python, tmp_path / "v"], env=env, check=True)
    subprocess.run(
        [*uv, "pip", "install", "--python", tmp_path / "v/bin/python", path, "mlflow-skinny==2.22.5"],
        env=env, check=True, timeout=250,
    )
    done = subprocess.run(
        [tmp_path / "v/bin/mlflow", "deployments", "help", "-t", "aiplatform"],
        env=env, capture_output=True, text=True, check=False, timeout=100,
    )
    assert done.returncode == 0 and "aiplatform:/PROJECT/REGION" in done.stdout, done.stderr


@pytest.mark.parametrize("major", MAJORS)
def test_nothing_contradicts_it(env, major, version):
    python = program(major, "python")
    done = subprocess.run(
        [VENV / "bin/uv", "pip", "check", "--python", python],
        env=env, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    script = "import mlflow, mlflow_aip; print(mlflow.__version__, mlflow_aip.__version__)"
    done = subprocess.run([python, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{major}.") and done.stdout.endswith(f" {version}\n")


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("name", [*TOOLS, "uv"])
def test_each_program_is_there(env, major, name, version):
    done = subprocess.run(
        [program(major, name), "--version"], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{name} ")
    assert name == "uv" or done.stdout.split()[1] == version


@pytest.mark.parametrize("major", MAJORS)
def test_what_loading_it_costs(env, major):
    """MLflow lists the entry points of all targets whatever it is asked for."""
    script = """
import sys, mlflow.deployments.base, mlflow.exceptions
before = set(sys.modules)
import mlflow_aip.deployments
print(*sorted(name.split(".")[0] for name in set(sys.modules) - before))
"""
    done = subprocess.run(
        [program(major, "python"), "-c", script], env=env, capture_output=True, text=True, check=True
    )
    heavy = {"google", "grpc", "numpy", "pandas", "requests", "subprocess"}
    assert heavy.isdisjoint(done.stdout.split()), done.stdout
