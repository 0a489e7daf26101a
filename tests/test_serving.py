"""The image's server, held to Vertex AI's contract for custom containers, with a
predictor that does as it is asked."""

import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from support.places import VENV, interpreter
from support.serving import Server, Tree

# What an instance says decides; files are how the test and the predictor talk.
PREDICTOR = '''
import logging, multiprocessing, os, sys, time, warnings

def wait_for(name):
    open(name + ".begun", "w").close()
    while not os.path.exists(name):
        time.sleep(0.01)

class Predictor:
    def __init__(self, text):
        self.text = text

    @classmethod
    def from_path(cls, model_dir):
        if os.environ.get("LOAD_WAITS"):
            wait_for("load")
        with open(os.path.join(model_dir, "model.txt")) as file:
            return cls(file.read())

    def predict(self, instances, **kwargs):
        what = instances[0] if instances else None
        if what == "wait":
            wait_for(kwargs["name"])
        if what == "value":
            raise ValueError("no secret-instance here")
        if what == "key":
            raise KeyError("a column")
        if what == "exit":
            sys.exit(3)
        if what == "nan":
            return [float("nan")]
        if what == "object":
            return [object()]
        if what == "talk":
            print("printed", "日本", end="\\n")
            print('{"severity": "EMERGENCY"}')
            print("to stderr", file=sys.stderr)
            warnings.warn("a warning")
            logging.getLogger("somebody").error("logged %s", 1)
        if what == "handler":
            # Libraries do so when they are imported.
            logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
            logging.getLogger("somebody").error("once")
            logging.basicConfig(force=True)
            logging.getLogger("somebody").error("twice")
        if what == "fork":
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=[60])
            child.start()
            time.sleep(0.3)
            child.terminate()
            child.join(10)
            return child.exitcode
        if what == "abort":
            os.abort()
        if what == "text":
            return self.text
        return [instances, kwargs]

class Broken:
    @classmethod
    def from_path(cls, model_dir):
        raise RuntimeError("no such weights")
    def predict(self, instances, **kwargs):
        return instances
'''


@pytest.fixture
def tree(tmp_path):
    model = tmp_path / "files"
    model.mkdir()
    (model / "model.txt").write_text("rosé")
    return Tree(tmp_path, PREDICTOR, model)


@pytest.fixture
def start(tree, env):
    servers = []

    def start(**variables):
        servers.append(Server(tree, env, **variables))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory, env):
    """One for all tests that only ask."""
    directory = tmp_path_factory.mktemp("server")
    (directory / "files").mkdir()
    (directory / "files/model.txt").write_text("rosé")
    tree = Tree(directory, PREDICTOR, directory / "files")
    route = "/v1/endpoints/1/deployedModels/2"
    server = Server(
        tree, env, MLFLOW_AIP_MAX_BODY="100000", AIP_STORAGE_URI="",
        AIP_HEALTH_ROUTE=route, AIP_PREDICT_ROUTE=route + ":predict", GOOGLE_CLOUD_PROJECT="acme",
        PYTHONWARNINGS="default", MLFLOW_AIP_ACCESS_LOG="predict",
    )
    server.listening()
    server.route = route + ":predict"
    while server.call(route)[0] != 200:
        time.sleep(0.02)
    yield server
    server.kill()


def until(path):
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


class Asking(threading.Thread):
    """A request that is under way."""

    def __init__(self, server, instances, **parameters):
        super().__init__(daemon=True)
        self.ask = lambda: server.predict(instances, parameters=parameters)
        self.answer = None
        self.start()

    def run(self):
        self.answer = self.ask()

    def result(self):
        self.join(20)
        return self.answer


def test_binds_first_and_loads_behind(start, tree):
    """The platform calls alive whoever accepts connections, and restarts others."""
    server = start(LOAD_WAITS="1").listening()
    until(tree.log.parent / "load.begun")
    assert server.call("/health") == (503, {"error": "the model is being loaded"})
    assert server.predict(["text"]) == (503, {"error": "the model is being loaded"})
    (tree.log.parent / "load").touch()
    server.ready()
    assert server.predict(["text"]) == (200, {"predictions": "rosé"})


def test_health_answers_while_a_prediction_runs(start, tree):
    server = start().ready()
    slow, queued = Asking(server, ["wait"], name="go"), None
    until(tree.log.parent / "go.begun")
    queued = Asking(server, ["wait"], name="next")
    for _ in range(20):
        begun = time.monotonic()
        assert server.call("/health")[0] == 200
        assert time.monotonic() - begun < 1
    # A model is asked one thing at a time.
    assert not (tree.log.parent / "next.begun").exists()
    (tree.log.parent / "next").touch()
    (tree.log.parent / "go").touch()
    assert slow.result()[0] == queued.result()[0] == 200


def test_more_threads_where_the_model_allows_it(start, tree):
    server = start(MLFLOW_AIP_THREADS="2").ready()
    asked = [Asking(server, ["wait"], name=name) for name in "ab"]
    for name in "ab":
        until(tree.log.parent / f"{name}.begun")
    for name in "ab":
        (tree.log.parent / name).touch()
    assert [ask.result()[0] for ask in asked] == [200, 200]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_after_what_it_is_doing(start, tree, number):
    server = start().ready()
    idle = server.connection()
    idle.request("GET", "/health")
    idle.getresponse().read()
    asked = Asking(server, ["wait"], name="go")
    until(tree.log.parent / "go.begun")
    server.process.send_signal(number)
    with pytest.raises(ConnectionRefusedError):
        for _ in range(200):
            socket.create_connection(("127.0.0.1", server.port)).close()
            time.sleep(0.05)
    (tree.log.parent / "go").touch()
    assert asked.result()[0] == 200
    assert server.wait() == 0
    assert server.messages()[-1] == "the server has ended"


def test_waits_no_longer_than_it_may(start, tree):
    server = start(MLFLOW_AIP_GRACE="1").ready()
    asked = Asking(server, ["wait"], name="never")
    until(tree.log.parent / "never.begun")
    begun = time.monotonic()
    assert server.end() == 1
    assert time.monotonic() - begun < 10
    assert asked.result() == (503, {"error": "the server has ended"})
    assert "the server has ended in the midst of a prediction" in server.messages()


def test_ends_while_it_loads(start, tree):
    server = start(LOAD_WAITS="1").listening()
    until(tree.log.parent / "load.begun")
    assert server.end() == 0


def test_ends_as_process_1(start):
    """Nobody else is there then to have signals heard."""
    if subprocess.run(["unshare", "-pf", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no PID namespaces here")
    server = start(before=["unshare", "-pf", "--mount-proc", "--kill-child"]).ready()
    [child] = server.children()
    os.kill(child, signal.SIGTERM)
    assert server.wait() == 0


def ask(server, body, **headers):
    return server.call(server.route, body, **headers)


REFUSED = [
    (b"", 400, "the request is empty"),
    (b" \n", 400, "the request is empty"),
    (b"{", 400, "the request is not JSON: "),
    (b'{"instances": [\xff]}', 400, "the request is not UTF-8 at byte 15"),
    (b'{"instances": [NaN]}', 400, "NaN is no JSON number; null stands for a missing one"),
    (b'{"instances": [-Infinity]}', 400, "Infinity is no JSON number"),
    (b'{"instances": [1], "instances": [2]}', 400, "'instances' is there twice"),
    (b'{"instances": [{"a": 1, "a": 2}]}', 400, "'a' is there twice"),
    (b"[" * 40000, 400, "nested too deeply"),
    (b'{"instances": [1' + b"0" * 5000 + b"]}", 400, "the request is not JSON: "),
    (b"[[1]]", 400, 'the request has no "instances"; send {"instances": […]}'),
    (b"{}", 400, 'the request has no "instances"'),
    (b'{"inputs": [[1]]}', 400, "instead of 'inputs'"),
    (b'{"dataframe_split": {}}', 400, "instead of 'dataframe_split'"),
    (b'{"instances": {"a": [1]}}', 400, "'instances' is not a list"),
    (b'{"instances": [], "params": {}}', 400, "the name is 'parameters'"),
    (b'{"instances": [], "parameters": [1]}', 400, "'parameters' is not an object"),
    (b'{"instances": ["value"]}', 400, "no secret-instance here"),
    (b'{"instances": [], "parameters": {"instances": 1}}', 400, "'instances'"),
    (b'{"instances": ["key"]}', 500, "the prediction failed: KeyError"),
    (b'{"instances": ["exit"]}', 500, "the prediction failed: SystemExit"),
    (b'{"instances": ["nan"]}', 500, "what is no JSON"),
    (b'{"instances": ["object"]}', 500, "what is no JSON"),
    (b'{"instances": ["' + b"x" * 100000 + b'"]}', 413, "larger than 100000 bytes"),
]


@pytest.mark.parametrize(("body", "status", "message"), REFUSED, ids=range(len(REFUSED)))
def test_says_what_is_wrong(server, body, status, message):
    found, answer = ask(server, body)
    assert (found, list(answer)) == (status, ["error"])
    if message.startswith("the request is not JSON") and body.endswith(b"0]}"):
        return pytest.skip("this Python reads it") if found == 200 else None
    assert message in answer["error"]
    # It goes on.
    assert ask(server, {"instances": ["text"]}) == (200, {"predictions": "rosé"})


def test_other_encodings_paths_and_methods(server):
    body = b'{"instances": ["text"]}'
    status, answer = ask(server, body, Content_Encoding="gzip")
    assert (status, "'gzip'" in answer["error"]) == (415, True)
    for path, method, wanted in (
        ("/", "GET", 404), ("/predict", "POST", 404), (server.route, "GET", 405),
        ("/v1/endpoints/1/deployedModels/2", "POST", 405),
    ):
        status, answer = server.call(path, body, method=method)
        assert (status, answer) == (wanted, {"error": f"no {method} {path} here"})
    # Vertex's invoke, and any content type.
    for path in (server.route, "/invoke" + server.route):
        assert server.call(path, body, Content_Type="text/plain")[0] == 200


def raw(server, *parts):
    """What a client sends that takes its time."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        for part in parts:
            client.sendall(part)
            time.sleep(0.2)
        return client.recv(65536)


def test_bodies_in_pieces(server):
    head = f"POST {server.route} HTTP/1.1\r\nHost: x\r\n".encode()
    chunks = [b"e\r\n" + b'{"instances": ' + b"\r\n", b"9\r\n" + b'["text"]}' + b"\r\n", b"0\r\n\r\n"]
    answer = raw(server, head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks)
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith('{"predictions":"rosé"}'.encode())
    large = b"%x\r\n" % 60000 + b" " * 60000 + b"\r\n"
    answer = raw(server, head + b"Transfer-Encoding: chunked\r\n\r\n" + large, large)
    assert answer.startswith(b"HTTP/1.1 413")
    length = b'Expect: 100-continue\r\nContent-Length: 23\r\n\r\n'
    answer = raw(server, head + length, b'{"instances": ["text"]}')
    assert b"HTTP/1.1 100" in answer


def test_values_survive(server):
    instances = [2**53 + 1, -(2**63), 10**40, 0.1, 1e-320, "日本\u0000", True, None, [], {"b64": "aGk="}]
    status, answer = ask(server, {"instances": instances, "parameters": {"k": 2**60}})
    assert (status, answer) == (200, {"predictions": [instances, {"k": 2**60}]})
    assert [type(value) for value in answer["predictions"][0]] == [type(v) for v in instances]
    # What is only half a character cannot be said in UTF-8.
    assert ask(server, b'{"instances": ["\\ud83d"]}')[1]["predictions"][0] == ["\ud83d"]
    assert ask(server, {"instances": [], "parameters": None}) == (200, {"predictions": [[], {}]})


def test_a_connection_is_kept(server):
    connection = server.connection()
    for _ in range(3):
        connection.request("POST", server.route, b'{"instances": [1]}')
        assert connection.getresponse().read() == b'{"predictions":[[1],{}]}'
        assert connection.sock is not None
    connection.close()


def logged(server, before, count):
    """The entries of a request: some are written after it is answered."""
    deadline = time.monotonic() + 10
    while len(server.entries()) < before + count and time.monotonic() < deadline:
        time.sleep(0.02)
    return server.entries()[before:]


def test_logs_as_cloud_logging_reads_it(server):
    before = len(server.entries())
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = {"Traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    assert ask(server, {"instances": ["talk", "secret-instance"]}, **parent)[0] == 200
    entries = logged(server, before, 6)
    said = [(entry["severity"], entry["logger"], entry["message"]) for entry in entries[:-1]]
    assert said[:3] == [
        ("INFO", "stdout", "printed 日本"),
        ("INFO", "stdout", '{"severity": "EMERGENCY"}'),
        ("WARNING", "stderr", "to stderr"),
    ]
    assert said[3][:2] == ("WARNING", "py.warnings") and "a warning" in said[3][2]
    assert said[4] == ("ERROR", "somebody", "logged 1")
    request = entries[-1]["httpRequest"]
    assert request["requestMethod"] == "POST" and request["requestUrl"] == server.route
    assert request["status"] == 200 and float(request["latency"].removesuffix("s")) > 0
    for entry in entries:
        assert entry["logging.googleapis.com/trace"] == f"projects/acme/traces/{trace}"
        assert entry["logging.googleapis.com/spanId"] == "00f067aa0ba902b7"
        assert entry["logging.googleapis.com/trace_sampled"] is True
        assert entry["time"].endswith("+00:00")
    assert "secret-instance" not in server.said()


def test_logs_googles_own_trace_header(server):
    before = len(server.entries())
    header = {"X_Cloud_Trace_Context": "105445aa7843bc8bf206b12000100000/255;o=1"}
    ask(server, {"instances": [1]}, **header)
    [entry] = logged(server, before, 1)
    assert entry["logging.googleapis.com/trace"].endswith("/105445aa7843bc8bf206b12000100000")
    assert entry["logging.googleapis.com/spanId"] == "00000000000000ff"


def test_a_failure_is_one_entry_with_its_stack(server):
    before = len(server.entries())
    ask(server, {"instances": ["key"]})
    failure, access = logged(server, before, 2)
    assert failure["severity"] == access["severity"] == "ERROR"
    assert "Traceback" in failure["message"] and failure["message"].endswith("KeyError: 'a column'")
    # Of an input that was refused only where: the message may quote it.
    before = len(server.entries())
    ask(server, {"instances": ["value", "secret-instance"]})
    refusal, access = logged(server, before, 2)
    assert "ValueError in predict (" in refusal["message"]
    assert access["httpRequest"]["status"] == 400
    assert "secret-instance" not in refusal["message"] + json.dumps(access)


def test_other_handlers_do_no_harm(start):
    server = start(MLFLOW_AIP_ACCESS_LOG="predict").ready()
    assert server.predict(["handler"])[0] == 200
    assert server.predict(["key"])[0] == 500
    assert server.end() == 0
    messages = server.messages()
    assert "once" in messages and "ERROR:somebody:twice" in messages
    assert messages.count("POST /predict 500") == 1


def test_a_model_may_fork(start):
    """And its processes end when it tells them to."""
    server = start().ready()
    assert server.predict(["fork"]) == (200, {"predictions": -signal.SIGTERM})
    assert server.end() == 0


def test_a_fault_says_where(start):
    server = start().ready()
    with pytest.raises(ConnectionError):
        server.predict(["abort"])
    assert server.process.wait(20) == -signal.SIGABRT
    said = server.process.stderr.read().decode()
    assert "Fatal Python error: Aborted" in said and " in predict\n" in said


# By default, after a health check, a prediction, and one that fails.
@pytest.mark.parametrize(
    ("setting", "paths"),
    [("", ["/predict 400"]), ("all", ["/health 200", "/predict 200", "/predict 400"]), ("none", [])],
)
def test_which_requests_are_logged(start, setting, paths):
    server = start(MLFLOW_AIP_ACCESS_LOG=setting).ready()
    server.call("/health")
    server.predict([1])
    server.predict(1)
    assert server.end() == 0
    requests = [entry["httpRequest"] for entry in server.entries() if "httpRequest" in entry]
    found = [f"{request['requestUrl']} {request['status']}" for request in requests]
    assert list(dict.fromkeys(path for path in found if "503" not in path)) == paths


FAILING = [
    ({"MLFLOW_AIP_PREDICTION_CLASS": "predictor.Broken"}, "RuntimeError: no such weights"),
    ({"MLFLOW_AIP_PREDICTION_CLASS": "predictor.Nope"}, "has no class 'Nope'"),
    ({"MLFLOW_AIP_PREDICTION_CLASS": "nobody.Nope"}, "No module named 'nobody'"),
    ({"MLFLOW_AIP_PREDICTION_CLASS": "Predictor"}, "is not of the form module.Class"),
    ({"MLFLOW_AIP_PREDICTION_CLASS": "predictor.wait_for"}, "has no method from_path"),
    ({"AIP_STORAGE_URI": "/nowhere"}, "AIP_STORAGE_URI '/nowhere' is no directory"),
    ({"AIP_STORAGE_URI": "s3://bucket/model"}, "is neither gs:// nor a path"),
    ({"AIP_HTTP_PORT": "http"}, "AIP_HTTP_PORT is 'http', not a number from 0"),
    ({"MLFLOW_AIP_THREADS": "0"}, "MLFLOW_AIP_THREADS is '0', not a number from 1"),
    ({"AIP_PREDICT_ROUTE": "predict"}, "AIP_PREDICT_ROUTE is 'predict', which does not begin"),
    ({"MLFLOW_AIP_ACCESS_LOG": "yes"}, "not one of errors, predict, all, none"),
    ({"MLFLOW_AIP_HOST": "192.0.2.1"}, "the server cannot run: "),
]


@pytest.mark.parametrize(("variables", "reason"), FAILING, ids=range(len(FAILING)))
def test_what_cannot_work_ends_with_the_reason(start, variables, reason):
    """So that the platform starts it anew, and a deployment fails with that text."""
    server = start(**variables)
    assert server.wait() == 1
    [failure] = [entry for entry in server.entries() if entry["severity"] == "CRITICAL"]
    assert reason in failure["message"]


def test_no_model_at_all(start, tree):
    (tree.root / "model/model.txt").unlink()
    (tree.root / "model").rmdir()
    server = start()
    assert server.wait() == 1
    assert "there is no model: AIP_STORAGE_URI is not set" in server.entries()[-1]["message"]


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_model_of_a_path(start, tree, tmp_path, form):
    (tmp_path / "else where").mkdir()
    (tmp_path / "else where/model.txt").write_text("of a path")
    path = tmp_path / "else where"
    path = str(path) if form == "{}" else path.as_uri().removeprefix("file://")
    server = start(AIP_STORAGE_URI=form.format(path)).ready()
    assert server.predict(["text"]) == (200, {"predictions": "of a path"})


# The oldest that AI Platform's last runtimes had, with what starlette and uvicorn
# were then; and a newer one.
@pytest.mark.parametrize("version", ["3.7", "3.9", "3.13"])
def test_other_pythons(tmp_path, env, version):
    python, packages = interpreter(version, env), tmp_path / "packages"
    wanted = ["--python", python, "--target", packages, "starlette", "uvicorn"]
    subprocess.run([VENV / "bin/uv", "pip", "install", "-q", *wanted], env=env, check=True, timeout=120)
    (tmp_path / "model.txt").write_text("rosé")
    tree = Tree(tmp_path, PREDICTOR, interpreter=python, packages=packages)
    server = Server(tree, env, AIP_STORAGE_URI=str(tmp_path)).ready()
    try:
        assert server.predict(["text"]) == (200, {"predictions": "rosé"})
        for instances, status in ((["value"], 400), (["key"], 500), (["talk"], 200), (1, 400)):
            assert server.predict(instances)[0] == status
        assert server.end() == 0
        assert server.messages()[-1] == "the server has ended"
    finally:
        server.kill()
