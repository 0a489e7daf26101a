"""What `mlflow deployments run-local` serves, and that nothing of it is left."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
from mlflow.exceptions import MlflowException
from mlflow_aip import local as plugin_local

from support.places import BIN, python
from support.plugin import Plugin
from support.process import Background, descendants, free_port, gone

READY = "Ctrl-C ends it"


@pytest.fixture(scope="module")
def plugin(session_dir, env):
    path = {"PATH": f"{BIN}{os.pathsep}{env['PATH']}"}
    return Plugin(session_dir / "plugin-local", {k: v for k, v in env.items() if k != "AIP_TARGET"} | path)


@pytest.fixture
def config(local, tmp_path):
    """What a model without MLflow needs: a predictor of its own."""
    return {
        "prediction_script": str(local.predictor), "setup_file": str(local.setup),
        "tmp_dir": str(tmp_path / "work"),
    }


class Served:
    """`mlflow deployments run-local`, until it says how to ask."""

    def __init__(self, plugin, major, directory, model_uri, config, env=None, until=READY):
        self.log = directory / "run-local.log"
        options = [f"-C{name}={value}" for name, value in config.items()]
        self.process = Background(
            [
                python(major), "-m", "mlflow", "deployments", "run-local", "-t", "aiplatform",
                "--name", "iris", "-m", str(model_uri), *options,
            ],
            env=plugin.env | (env or {}), log=self.log, cwd=directory,
        )
        deadline = time.monotonic() + 240
        while until not in self.said():
            assert self.process.popen.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)
        if until == READY:
            self.url = re.search(r"^  (http://\S+:predict)$", self.said(), re.MULTILINE)[1]

    def said(self):
        return self.log.read_text(errors="replace")

    def ask(self, instances):
        data = json.dumps({"instances": instances}).encode()
        request = urllib.request.Request(self.url, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def stop(self, number=signal.SIGINT, least=2):
        """Its status. Whatever it started ends with it."""
        pids = descendants(self.process.popen.pid)
        assert len(pids) >= least, "nothing serves"
        self.process.popen.send_signal(number)
        status = self.process.popen.wait(30)
        gone(pids)
        return status

    def end(self):
        self.process.end(signal.SIGKILL)


@pytest.fixture
def serve(plugin, tmp_path):
    served = []

    def start(*args, **options):
        served.append(Served(plugin, args[0], tmp_path, *args[1:], **options))
        return served[-1]

    yield start
    for one in served:
        one.end()


@pytest.mark.parametrize(("major", "target"), [(3, "vertex"), (2, "ai-platform")])
def test_served_until_ctrl_c(serve, plugin, local, config, major, target):
    served = serve(major, local.directory, config | {"target": target})
    assert served.ask([[1], [2.5]])[1]["predictions"] == [2, 5]
    status, answer = served.ask([[1, "x" * 1_600_000]])
    assert status == 400 and "exceeds the limit" in json.dumps(answer), answer
    how_it_says(served, plugin, major, local.instances)
    assert served.stop() == 0
    assert "mlflow-aip: stopped" in served.said()
    with pytest.raises(OSError):
        served.ask([[1]])


def how_it_says(served, plugin, major, instances):
    """Every line that is printed to be copied works."""
    text = served.said()
    shell = re.search(r"^  curl .*?(?=^  os\.environ)", text, re.MULTILINE | re.DOTALL)[0]
    shell = shell.replace("FILE", shlex.quote(str(instances)))
    shell = shell.replace("'{\"instances\": []}'", "'{\"instances\": [[1], [2.5]]}'")
    shell = shell.replace("\n  mlflow ", f"\n  {python(major)} -m mlflow ")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", shell.replace("\n  curl", "\n  curl -s")],
        env=plugin.env, capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [list(map(float, answer.split(","))) for answer in re.findall(r'"predictions": ?\[(.*?)\]', done.stdout)]
    assert found == [[2, 5]] * 3, done.stdout
    code = "".join(re.findall(r"^  (os\.environ.*|mlflow\.deployments.*)\n", text, re.MULTILINE)[:1])
    call = re.search(r"^  (mlflow\.deployments.*)$", text, re.MULTILINE)[1].replace("inputs", "[[1], [2.5]]")
    done = plugin.python(major, f"import os, mlflow.deployments\n{code}\nprint({call}['predictions'])")
    assert done.stdout.strip() in ("[2, 5]", "[2.0, 5.0]"), done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, -15), (signal.SIGKILL, -9)])
def test_whoever_kills_it_ends_all_of_it(serve, local, config, number, status):
    served = serve(3, local.directory, config)
    assert served.stop(number) == status


def test_ctrl_c_on_the_way_there(serve, local, config):
    served = serve(3, local.directory, config, until="aip-bundle: wrote")
    assert served.stop(least=1) == 1  # one tool has ended, another is about to start
    assert "Aborted!" in served.said() and READY not in served.said()


@pytest.mark.parametrize("major", [2, 3])
def test_a_run_of_mlflows_with_its_own_requirements(serve, mlflow_server, logged, tmp_path, major):
    """And what it is shown to be asked with is the model's own example."""
    model = logged(major)["sklearn"]
    served = serve(
        major, f"runs:/{model['run_id']}/model",
        {"tmp_dir": str(tmp_path / "work"), "target": "ai-platform"},
        env={"MLFLOW_TRACKING_URI": mlflow_server(major).uri},
    )
    assert served.ask(model["request"]["instances"])[1]["predictions"] == model["predictions"]
    shown = json.loads(re.search(r"-d '(.*)'$", served.said(), re.MULTILINE)[1])
    assert len(shown["instances"]) == 2
    assert served.ask(shown["instances"])[0] == 200
    assert served.stop() == 0


class TestFromPython:
    @pytest.fixture(autouse=True)
    def environment(self, plugin, monkeypatch):
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in plugin.env.items():
            monkeypatch.setenv(name, value)

    def run(self, local, config, name="my iris", **more):
        return plugin_local.run_local(name, str(local.directory), None, config | more)

    def test_in_the_background(self, local, config, capfd, monkeypatch):
        from mlflow_aip.deployments import AIPlatformDeploymentClient

        port = free_port()
        with self.run(local, config, background=True, port=port, bucket="gs://mine") as running:
            assert f"127.0.0.1:{port}" in running.url and "'my iris'" in repr(running)
            assert (running.name, running.document["spec"]["bucket"]) == ("my iris", "mine")
            for name, value in running.environment.items():
                monkeypatch.setenv(name, value)
            client = AIPlatformDeploymentClient("aiplatform")
            assert client.predict("my iris", [[1]])["predictions"] == [2]
            pids = descendants(running.emulator.child.pid)
        gone(pids)
        said = capfd.readouterr().err
        assert running.url in said and "--name 'my iris'" in said
        running.stop()

    def test_a_port_that_is_taken(self, local, config, tmp_path):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            with pytest.raises(MlflowException) as caught:
                self.run(local, config, port=port)
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
        assert f"cannot listen on '127.0.0.1:{port}'" in caught.value.message
        assert "hint: another program listens there" in caught.value.message
        assert not (tmp_path / "work").exists()
        with pytest.raises(MlflowException, match="99999") as caught:
            self.run(local, config, port=99999)
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"

    @pytest.mark.parametrize("target", ["vertex", "ai-platform"])
    def test_a_model_that_does_not_load_says_why(self, local, config, capfd, target):
        text = local.predictor.read_text().replace("return cls(", "raise RuntimeError(")
        local.predictor.write_text(text)
        before = set(descendants(os.getpid()))
        with pytest.raises(MlflowException) as caught:
            self.run(local, config, "iris", target=target)
        said = capfd.readouterr().err + caught.value.message
        assert 'raise RuntimeError(float(file.read()))' in said
        assert "RuntimeError: 2.0" in said and "Traceback" in said
        assert set(descendants(os.getpid())) <= before

    def test_nothing_goes_to_the_real_places(self, local, config):
        theirs = {
            "project": "acme", "region": "europe-west4", "image_repository": "example.com/models",
            "dry_run": True,
        }
        with self.run(local, config, background=True, **theirs) as running:
            assert "/projects/acme/locations/europe-west4/" in running.url
            image = running.document["stages"]["upload"]["image"]["uri"]
            assert image.startswith(running.emulator.url.removeprefix("http://"))
            assert running.document["stages"]["version"]["state"] == "READY"

    def test_what_cannot_be(self, local, config):
        for given, text in (({"port": "many"}, "'port'"), ({"ports": 1}, "did you mean 'port'")):
            with pytest.raises(MlflowException, match=text):
                self.run(local, config, **given)
        with pytest.raises(MlflowException, match="flavor 'sklearn'"):
            plugin_local.run_local("iris", str(local.directory), "sklearn", config)

