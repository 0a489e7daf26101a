"""The emulator as a process: how it starts, what it leads to, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import predictor
from support.places import tool
from support.process import descendants, gone


def emulator_run(env, *args, **options):
    return subprocess.run(
        [tool("aip-emulator"), "run", *args],
        env=env, timeout=60, check=False, capture_output=True, text=True, **options,
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -KILL $$"], 128 + 9),
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_run_ends_as_its_command_ends(env, command, status):
    assert emulator_run(env, "--", *command).returncode == status


def test_run_leads_clients_to_itself(env):
    script = """if True:
        import json, os, urllib.request
        url = os.environ["STORAGE_EMULATOR_HOST"] + "/storage/v1/b/mine"
        print(json.dumps([json.load(urllib.request.urlopen(url, timeout=30)), dict(os.environ)]))
    """
    done = emulator_run(env, "--bucket", "mine", "--", sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    bucket, seen = json.loads(done.stdout)
    assert bucket["kind"] == "storage#bucket"
    url = seen["AIP_EMULATOR_URL"]
    assert url.startswith("http://127.0.0.1:")
    assert seen["CLOUDSDK_API_ENDPOINT_OVERRIDES_ML"] == f"{url}/"
    assert seen["CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"] == f"{url}/storage/v1/"
    assert seen["GOOGLE_CLOUD_PROJECT"] == "emulator"


def test_run_keeps_stdin_and_stdout_for_its_command(env):
    done = emulator_run(env, "--", "cat", input="é\n")
    assert (done.returncode, done.stdout) == (0, "é\n")
    assert all(line.startswith("aip-emulator: ") for line in done.stderr.splitlines())


def test_only_loopback_is_listened_on(env):
    done = subprocess.run(
        [tool("aip-emulator"), "serve", "--listen", "0.0.0.0:0"],
        env=env, timeout=30, check=False, capture_output=True, text=True,
    )
    assert done.returncode != 0 and done.stdout == ""
    assert "aip-emulator: " in done.stderr and "0.0.0.0" in done.stderr


def deploy(emulator, bucket):
    """One version that runs, and the process that serves it."""
    body = {"name": "v"} | predictor.version(emulator, emulator.make_bucket(bucket))
    emulator.call("POST", "/v1/projects/emulator/models", {"name": "m"})
    _, operation = emulator.call("POST", "/v1/projects/emulator/models/m/versions", body)
    deadline = time.monotonic() + 120
    while not operation.get("done"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
        _, operation = emulator.call("GET", f"/v1/{operation['name']}")
    assert "response" in operation, operation
    workers = descendants(emulator.process.popen.pid)
    assert workers
    return workers


def predict(emulator):
    return emulator.call("POST", "/v1/projects/emulator/models/m:predict", {"instances": [1]})


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, "stdin"])
def test_no_worker_outlives_the_emulator(own_emulator, how):
    workers = deploy(own_emulator, "workers")
    process = own_emulator.process.popen
    if how == "stdin":
        process.stdin.close()
        process.stdin = None
    else:
        os.kill(process.pid, how)
    process.wait(30)
    gone(workers)
    if how != signal.SIGKILL:
        assert process.returncode == 0


def test_what_is_kept_survives_a_restart(tmp_path, env, start_emulator):
    data = str(tmp_path / "data")
    first = start_emulator(tmp_path / "first", env, "--data-dir", data)
    deploy(first, "kept")
    status, answer = predict(first)
    assert status == 200 and "predictions" in answer
    first.end()

    second = start_emulator(tmp_path / "second", env, "--data-dir", data)
    assert second.call("GET", "/storage/v1/b/kept/o/model%2Fmodel.txt")[0] == 200
    assert predict(second) == (200, answer)


def test_what_a_predictor_writes_goes_with_its_version(own_emulator):
    deploy(own_emulator, "writes")
    assert sorted(path.name for path in own_emulator.directory.iterdir()) == [
        "emulator.log", "traffic.jsonl"
    ]
    data = Path(own_emulator.ready["dataDir"])
    [version] = (data / "ml/deployed/emulator/m").iterdir()
    assert list(data.rglob("left-behind")) == [version / "cwd/left-behind"]


def test_a_worker_that_dies_is_started_again(own_emulator):
    workers = deploy(own_emulator, "dies")
    before = predict(own_emulator)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    gone(workers)
    answers = [predict(own_emulator) for _ in range(3)]
    assert before in answers


def test_a_token_is_asked_for(tmp_path, env, start_emulator):
    emulator = start_emulator(tmp_path / "strict", env, "--require-token")
    status, answer = emulator.call("GET", "/v1/projects/p/models")
    assert status == 401 and answer["error"]["status"] == "UNAUTHENTICATED"
    headers = {"Authorization": "Bearer abc"}
    assert emulator.call("GET", "/v1/projects/p/models", headers=headers) == (200, {})
    assert "abc" not in emulator.traffic.read_text()


def test_faults_are_injected(own_emulator):
    own_emulator.make_bucket("faulty")
    _, test = own_emulator.call(
        "POST", "/retry_test", {"instructions": {"storage.buckets.get": ["return-503"]}}
    )
    headers = {"x-retry-test-id": test["id"]}
    assert own_emulator.call("GET", "/storage/v1/b/faulty", headers=headers)[0] == 503
    assert own_emulator.call("GET", "/storage/v1/b/faulty", headers=headers)[0] == 200
    assert own_emulator.call("GET", f"/retry_test/{test['id']}")[1]["completed"]
