"""What the documentation shows works: every ```sh block is run.

The blocks of one file run in order in one shell, in an emulated cloud, beside
an MLflow server that listens where the text says localhost:5000."""

import os
import re
import subprocess

import pytest

from support.installed import program
from support.places import BIN, ROOT, tool

# What other tests run, or what would change the machine.
PRELUDE = """\
set -euo pipefail
git() { echo "(not run: git $*)"; }
sudo() { echo "(not run: sudo $*)"; }
cd() { [[ -d ${1-} ]] && builtin cd "$@" || echo "(not run: cd $*)"; }
make() {
  case "$*" in
    '' | build | demo | test | check | bench | install* | PREFIX=* | clean) echo "(not run: make $*)" ;;
    *) command make "$@" ;;
  esac
}
"""


def blocks(page):
    found = re.finditer(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [match[1] for match in found]


PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if blocks(page)]


@pytest.fixture
def checkout(tmp_path):
    """A directory that looks like the checkout, in which files may be left."""
    place = tmp_path / "checkout"
    place.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ("target", ".git", "deploy"):
            (place / path.name).symlink_to(path)
    (place / "target").mkdir()
    (place / "target/release").symlink_to(BIN)
    return place


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_runs(page, checkout, env, mlflow_server):
    found = blocks(page)
    server = mlflow_server(3).uri.removeprefix("http://")
    script = PRELUDE + "\n".join(f'echo "--- block {i}" >&2\n{text}' for i, text in enumerate(found))
    script = re.sub(r"(localhost|127\.0\.0\.1):5000", server, script)
    # As in an activated environment that has the plugin.
    plugin = os.path.dirname(program(3, "mlflow"))
    done = subprocess.run(
        [tool("aip-emulator"), "run", "--bucket", "models", "--", "bash", "-c", script],
        env={name: value for name, value in env.items() if name != "AIP_TARGET"}
        | {"CARGO": os.environ.get("CARGO", "cargo"), "PATH": f"{plugin}:{env['PATH']}"},
        cwd=checkout, capture_output=True, text=True, timeout=800, check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"


def test_the_exit_codes_stand_in_the_readme(outcome):
    """As every tool's help has them."""
    text = (ROOT / "README.md").read_text()
    table = outcome("aip-bundle", "--help").stdout.split("Exit status:\n", 1)[1]
    codes = re.findall(r"^  (\d+) ", table, re.MULTILINE)
    assert codes
    for code in codes:
        assert re.search(rf"^\| `?{code}`? +\|", text, re.MULTILINE), f"no exit code {code}"
