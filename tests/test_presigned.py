"""Large files straight from S3, by URLs that a real MLflow 3.17 makes."""

import base64
import os
import random
import signal
import subprocess
import time

import pytest

from support.artifacts import MLMODEL
from support.gateway import Authority, Gateway
from support.link import Fault
from support.mlflow_server import MlflowServer
from support.named_models import digests
from support.places import tool

LARGE = 20 << 20
VAST, PART = (32 << 20) + 3, 2 << 20
# What may be on its way in the link and the kernel when a connection ends.
QUANTUM = 8 << 20
LOGIN = {"MLFLOW_TRACKING_USERNAME": "ana", "MLFLOW_TRACKING_PASSWORD": "pass-w0rd"}
BASIC = base64.b64encode(b"ana:pass-w0rd").decode()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    (directory / "data").mkdir()
    (directory / "MLmodel").write_bytes(MLMODEL)
    (directory / "data/large.bin").write_bytes(random.Random(3).randbytes(LARGE))
    (directory / "data/small é.txt").write_text("small")
    (directory / "empty").write_bytes(b"")
    return directory


@pytest.fixture(scope="module", params=["proxied", "direct"])
def stored(request, s3, session_dir, env, model):
    """A server whose artifacts lie in S3, and the URIs of a model there."""
    proxied = request.param == "proxied"
    server = MlflowServer(
        3, session_dir / f"presigned-{request.param}", env | s3.env,
        proxied=proxied, root=s3.bucket(f"presigned-{request.param}"),
    )
    said = server.run("logged_directory.py", model)
    # URLs for what lies elsewhere than in the proxy's store are made for runs alone.
    yield server, [f"runs:/{said['run']}/model", *([f"models:/{said['model']}"] if proxied else [])]
    server.end()


@pytest.fixture
def begin(stored, env, tmp_path):
    """Starts a fetch into one place and one cache."""

    def start(uri, *args, **more):
        places = {"MLFLOW_TRACKING_URI": stored[0].uri, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.Popen(
            [tool("mlf-fetch"), uri, "--output", "out/model", *args], cwd=tmp_path,
            env=env | places | more, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    return start


def whole(process, model, tmp_path):
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert digests(tmp_path / "out/model") == digests(model)
    assert sorted(os.listdir(tmp_path / "out")) == [".model.fetched.json", "model"]
    return stderr


def ours(requests):
    """Those of mlf-fetch; the others are the server's."""
    return [it for it in requests if it.headers["user-agent"].startswith("mlflow-aip")]


@pytest.mark.parametrize(
    "how",
    [
        ([], LOGIN),
        ([], {"MLFLOW_TRACKING_TOKEN": "t0ken-s3cret"}),
        (["--header", "X-Api-Key: k3y-s3cret", "--header", "Cookie: c00kie-s3cret"], {}),
    ],
    ids=["basic", "token", "headers"],
)
def test_the_store_hears_nothing_of_who_we_are_at_mlflow(how, stored, begin, s3, model, tmp_path):
    uri = stored[1][-1]
    seen = len(s3.seen)
    stderr = whole(begin(uri, "-vv", "--no-cache", *how[0], **how[1]), model, tmp_path)
    asked = ours(s3.seen[seen:])
    assert [it.path.split("?")[0].rsplit("/", 1)[-1] for it in asked] == ["large.bin"]
    assert "X-Amz-Signature" in asked[0].path or "Signature=" in asked[0].path
    assert set(asked[0].headers) <= {"host", "user-agent", "accept", "accept-encoding"}
    # Not even by way of the server.
    told = "\n".join(f"{it.path} {it.headers} {it.body}" for it in s3.seen[seen:])
    for secret in (BASIC, "pass-w0rd", "s3cret"):
        assert secret not in told and secret not in stderr
    assert "Signature" not in stderr


def test_a_link_that_breaks_is_gone_on_from_by_ranges(stored, begin, s3, model, tmp_path):
    for uri in stored[1]:
        link, seen = s3.link, len(s3.seen)
        carried, last = link.carried[0], len(link.faults) + 2
        # Nobody else's connection carries so much.
        link.draw = lambda: Fault("cut", False, 7 << 20) if len(link.faults) < last else None
        whole(begin(uri, "--no-cache"), model, tmp_path)
        asked = ours(s3.seen[seen:])
        assert [it.status for it in asked] == [200, 206, 206]
        places = [int(it.headers["range"][len("bytes=") : -1]) for it in asked[1:]]
        assert 0 < places[0] < places[1]
        assert link.carried[0] - carried < LARGE + QUANTUM


def test_a_vast_file_comes_in_parts(stored, begin, s3, tmp_path):
    vast = tmp_path / "vast"
    vast.mkdir()
    (vast / "MLmodel").write_bytes(MLMODEL)
    (vast / "weights.bin").write_bytes(random.Random(4).randbytes(VAST))
    run = stored[0].run("logged_directory.py", vast)["run"]
    seen = len(s3.seen)
    whole(begin(f"runs:/{run}/model", "--no-cache"), vast, tmp_path)
    asked = ours(s3.seen[seen:])
    assert {it.status for it in asked} == {206}
    ranges = sorted(it.headers["range"] for it in asked)
    ends = [(start, min(start + PART, VAST) - 1) for start in range(0, VAST, PART)]
    assert ranges == sorted(f"bytes={start}-{end}" for start, end in ends)


def test_who_was_killed_goes_on(stored, begin, s3, model, tmp_path):
    uri, carried, before = stored[1][0], s3.link.carried, s3.link.carried[0]
    process = begin(uri, "--limit-rate", "8M")
    deadline = time.monotonic() + 60
    while carried[0] - before < LARGE // 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    seen = len(s3.seen)
    whole(begin(uri), model, tmp_path)
    (asked,) = ours(s3.seen[seen:])
    assert asked.status == 206 and int(asked.headers["range"][len("bytes=") : -1]) > 0
    assert carried[0] - before < LARGE + QUANTUM


def test_what_is_here_already_is_asked_for_one_byte(stored, begin, s3, model, tmp_path):
    for uri in stored[1]:
        whole(begin(uri), model, tmp_path)
        seen = len(s3.seen)
        whole(begin(uri), model, tmp_path)
        asked = {(it.headers["range"], it.sent) for it in ours(s3.seen[seen:])}
        # A logged model never changes.
        assert asked == ({("bytes=0-0", 1)} if uri.startswith("runs:") else set())


class Renaming(Gateway):
    """Calls a service by another name in what it passes on."""

    def __init__(self, upstream, identity, old, new):
        self.names = old.encode(), new.encode()
        super().__init__(upstream, identity)

    def passed_on(self, handler, body):
        status, headers, data = super().passed_on(handler, body)
        return status, headers, data.replace(*self.names)


@pytest.fixture
def behind_tls(stored, s3, tmp_path):
    """The server and its store, each with an authority of its own."""
    own, stores = (Authority(tmp_path, name) for name in ("own", "stores"))
    store = Gateway(s3.link.url, stores.identity("store"))
    server = Renaming(stored[0].uri, own.identity("server"), s3.link.url, store.url)
    yield server.url, str(own.path), str(stores.path)
    server.end()
    store.end()


def test_a_store_is_trusted_for_itself(behind_tls, stored, begin, s3, model, tmp_path):
    url, own, stores = behind_tls
    here = dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), "")
    here |= {"MLFLOW_TRACKING_URI": url, "SSL_CERT_FILE": "/nowhere"}
    of_server = {"MLFLOW_TRACKING_SERVER_CERT_PATH": own}
    nobody = {"MLFLOW_TRACKING_INSECURE_TLS": "true"}
    for trust, reached in [
        (of_server | {"SSL_CERT_FILE": stores}, True),
        (of_server | {"REQUESTS_CA_BUNDLE": stores}, True),
        (of_server | {"MLFLOW_S3_IGNORE_TLS": "true"}, True),
        (of_server, False),
        (nobody, False),
    ]:
        seen = len(s3.seen)
        stderr = whole(begin(stored[1][0], "--no-cache", "-vv", **here | trust), model, tmp_path)
        assert bool(ours(s3.seen[seen:])) == reached, (trust, stderr)
