"""`mlflow deployments` as processes: two at once, one that is killed, one that
serves on this machine, and the article's own line."""

import json
import re
import shlex
import signal
import subprocess
import time
import urllib.request

import pytest

from support.installed import MAJORS, program
from support.places import ROOT
from support.process import Background


def start(tell, major, *args):
    return subprocess.Popen(
        [program(major, "mlflow"), "deployments", *map(str, args)],
        env=tell.env, cwd=tell.directory, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("major", MAJORS)
def test_the_articles_line(story, major):
    """As it is printed, after the exports that are printed before it."""
    tell = story(major, "ai-platform")
    exported = {"model_name": "tester", "version_name": f"v{tell.name.rsplit('_', 1)[-1]}",
                "run_id": str(tell.model)}
    line = "mlflow deployments create -t aiplatform --name tester -m $MODEL_URI"
    directory = program(major, "mlflow").rsplit("/", 1)[0]
    path = f"{directory}:{tell.env['PATH']}"
    tell("delete", "--name", "tester")
    done = subprocess.run(
        ["bash", "-c", line], env=tell.env | exported | {"MODEL_URI": str(tell.model), "PATH": path},
        cwd=tell.directory, capture_output=True, text=True, timeout=200, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "python_function deployment tester is created"
    assert exported["version_name"] in tell("list", "--endpoint", "tester").stdout
    tell("delete", "--name", "tester")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("major", "target"), [(2, "ai-platform"), (3, "vertex")])
def test_the_articles_python(story, major, target):
    tell = story(major, target)
    exported = {"model_name": tell.name, "version_name": "v7", "run_id": str(tell.model)}
    done = subprocess.run(
        [program(major, "python"), ROOT / "scripts/deploy.py", tell.instances],
        env=tell.env | exported, cwd=tell.directory,
        capture_output=True, text=True, timeout=200, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["predictions"] == [2, 5]
    assert f"version v7 of {tell.name} is deployed" in done.stderr


@pytest.mark.timeout(300)
def test_two_at_the_same_time(story):
    """Different ones, and the same one twice: neither sees half of the other."""
    tell = story(3, "vertex")
    other = f"{tell.name}-other"
    commands = [
        (2, "create", "-t", "aiplatform", "--name", tell.name, "-m", tell.model),
        (3, "create", "-t", "aiplatform", "--name", tell.name, "-m", tell.model),
        (3, "create", "-t", "aiplatform", "--name", other, "-m", tell.other,
         "-C", "route=other"),
    ]
    running = [start(tell, *command) for command in commands]
    for process in running:
        _, said = process.communicate(timeout=250)
        assert process.returncode == 0, said
    for name, expected in ((tell.name, [2, 5]), (other, [3, 7.5])):
        done = tell("predict", "--name", name, "-I", tell.instances)
        assert json.loads(done.stdout)["predictions"] == expected
        listed = tell("list", "--endpoint", name).stdout
        assert len(re.findall(r"'endpoint': ", listed)) == 1, listed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", ["vertex", "ai-platform"])
def test_killed_midway_and_resumed_by_the_shell(story, target, tmp_path):
    tell = story(3, target)
    out = tmp_path / "documents"
    process = start(
        tell, 3, "create", "-t", "aiplatform", "--name", tell.name, "-m", tell.model, "-C", f"out={out}"
    )
    deadline = time.monotonic() + 120
    while not (out / "2-bundle.json").exists():
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate()
    left = sorted(path.name for path in out.iterdir())
    assert "5-version.json" not in left, "it was too fast to be killed"
    for path in out.glob("*.json"):
        json.loads(path.read_text())

    # Nothing but the documents: no variable of the article is exported.
    settings = ("project_id", "production_bucket", "production_route", "prediction_script",
                "setup_file", "tmp_dir", "AIP_TARGET")
    env = {name: value for name, value in tell.env.items() if name not in settings}
    last = max(path for path in out.glob("[1-5]-*.json"))
    rest = [("aip-upload",), ("aip-model", "create"), ("aip-version", "create")]
    rest = rest[int(last.name[0]) - 2 :]
    pipe = " | ".join(shlex.join([program(3, name), *verb]) for name, *verb in rest)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"<{last} {pipe}"], env=env,
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )
    assert done.returncode == 0, done.stderr
    done = tell("predict", "--name", tell.name, "-I", tell.instances)
    assert json.loads(done.stdout)["predictions"] == [2, 5]
    # And by the plugin, for which there is nothing left to do.
    done = tell("create", "--name", tell.name, "-m", tell.model)
    assert "was there already" in done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", ["vertex", "ai-platform"])
def test_what_failed_says_how_to_go_on(story, target, emulator, tmp_path):
    """The line that it prints is run as it is."""
    tell = story(3, target)
    late = f"{tell.name.lower()}-late"
    done = tell(
        "create", "--name", tell.name, "-m", tell.model, "-C", f"bucket={late}", status=1,
    )
    assert "MlflowException: aip-upload: " in done.stderr
    line = re.search(r"^hint: to go on from here: (.*)$", done.stderr, re.MULTILINE)[1]
    emulator.make_bucket(late)
    done = subprocess.run(
        ["bash", "-c", line], env=tell.env, cwd=tmp_path, capture_output=True, text=True,
        timeout=200, check=False,
    )
    assert done.returncode == 0, done.stderr
    done = tell("predict", "--name", tell.name, "-I", tell.instances)
    assert json.loads(done.stdout)["predictions"] == [2, 5]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("major", "target"), [(2, "ai-platform"), (3, "vertex")])
def test_run_local(story, env, major, target, tmp_path):
    """Without anything that leads to a cloud; until Ctrl-C."""
    tell = story(major, target)
    given = ("PATH", "prediction_script", "setup_file", "tmp_dir", "AIP_TARGET")
    alone = env | {name: tell.env[name] for name in given}
    process = Background(
        [
            program(major, "mlflow"), "deployments", "run-local", "-t", "aiplatform",
            "--name", "iris", "-m", str(tell.model),
        ],
        env=alone, log=tmp_path / "log", cwd=tmp_path,
    )
    deadline = time.monotonic() + 200
    while not (asked := re.search(r"curl .*?(http://127\.0\.0\.1:\S+)", process.said())):
        assert time.monotonic() < deadline and process.popen.poll() is None, process.said()
        time.sleep(0.1)
    body = tell.instances.read_bytes()
    request = urllib.request.Request(asked[1], body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["predictions"] == [2, 5]
    process.popen.send_signal(signal.SIGINT)
    process.popen.wait(20)
    # Whatever it started ends with it.
    with pytest.raises(OSError):
        urllib.request.urlopen(request, timeout=5)
    process.end()
