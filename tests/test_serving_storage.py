"""How the image's server fetches a model: what may fail, and as whom it comes."""

import base64
import hashlib
import importlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from google_crc32c import Checksum

from support.serving import Tree

CONTENT = bytes(range(256)) * 5000


class Bucket:
    """Cloud Storage and the metadata server in one, as unwell as a test wants."""

    def __init__(self):
        self.objects = {"m/MLmodel": b"MLmodel", "m/data/large.bin": CONTENT}
        self.faults, self.seen, self.lock, self.tokens = [], [], Lock(), 0
        self.wanted = None
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                bucket.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = "127.0.0.1:%d" % self.server.server_port
        Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        url = urlsplit(handler.path)
        with self.lock:
            self.seen.append((handler.path, dict(handler.headers)))
            if url.path.startswith("/computeMetadata"):
                assert handler.headers["Metadata-Flavor"] == "Google"
                self.tokens += 1
                token = {"access_token": f"token-{self.tokens}", "expires_in": 3600}
                return self.send(handler, 200, json.dumps(token).encode())
            if self.wanted and handler.headers["Authorization"] != self.wanted:
                return self.send(handler, 401, b'{"error": {"message": "who is that"}}')
            media = "/o/" in url.path
            fault = self.faults.pop(0) if self.faults and media else None
        query = parse_qs(url.query)
        data = self.object(unquote(url.path)) if media else self.page(query)
        if isinstance(fault, int):
            return self.send(handler, fault, b'{"error": {"message": "as asked"}}')
        if fault == "short":
            handler.close_connection = True
            return self.send(handler, 200, data, len(data) - 1)
        if fault == "damaged":
            data = b"x" + data[1:]
        return self.send(handler, 200, data)

    def object(self, path):
        return self.objects[path.partition("/o/")[2]]

    def page(self, query):
        """One object a page."""
        names = sorted(name for name in self.objects if name.startswith(query["prefix"][0]))
        at = int(query.get("pageToken", ["0"])[0])
        page = {"items": [self.metadata(name) for name in names[at : at + 1]]}
        if at + 1 < len(names):
            page["nextPageToken"] = str(at + 1)
        return json.dumps(page).encode()

    def metadata(self, name):
        data = self.objects[name]
        crc32c, md5 = Checksum(data).digest(), hashlib.md5(data).digest()
        return {
            "name": name, "size": str(len(data)), "generation": "7",
            "crc32c": base64.b64encode(crc32c).decode(), "md5Hash": base64.b64encode(md5).decode(),
        }

    def send(self, handler, status, data, length=None):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:length])


@pytest.fixture
def bucket(monkeypatch):
    bucket = Bucket()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.host)
    # Nobody goes there by a proxy.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    yield bucket
    bucket.server.shutdown()
    bucket.server.server_close()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Modules of the server, imported."""
    tree = Tree(tmp_path, "")
    monkeypatch.syspath_prepend(tree.root / "app")
    monkeypatch.setattr("mlflow_aip_serving.transfer.random.uniform", lambda *_: 0)
    yield lambda name: importlib.import_module("mlflow_aip_serving." + name)
    for name in [name for name in sys.modules if name.startswith("mlflow_aip_serving")]:
        del sys.modules[name]


@pytest.mark.parametrize("md5", [False, True])
@pytest.mark.parametrize(
    "faults", [[], [503, 429, 500], ["short"], ["damaged"], ["damaged", 408, "short", "damaged"]]
)
def test_all_arrives_in_the_end(bucket, module, tmp_path, monkeypatch, faults, md5):
    if md5:
        monkeypatch.setitem(sys.modules, "google_crc32c", None)
    bucket.faults = list(faults)
    module("storage").download("gs://b/m", str(tmp_path / "to"))
    assert (tmp_path / "to/data/large.bin").read_bytes() == CONTENT
    assert (tmp_path / "to/MLmodel").read_bytes() == b"MLmodel"
    assert bucket.faults == []
    assert not [path for path, headers in bucket.seen if "Authorization" in headers]


@pytest.mark.parametrize(
    ("faults", "message"),
    [([403], "403 as asked"), ([503] * 12, "failed 6 times: 503 as asked"),
     (["damaged"] * 12, "failed 6 times: the checksum differs")],
)
def test_what_does_not_pass(bucket, module, tmp_path, faults, message):
    bucket.faults = list(faults)
    with pytest.raises(module("transfer").Refused, match=message):
        module("storage").download("gs://b/m", str(tmp_path / "to"))


@pytest.mark.parametrize("name", ["m/../../up", "m//two", "m/./dot", "m/nul\0"])
def test_no_object_leaves_the_directory(bucket, module, tmp_path, name):
    bucket.objects[name] = b""
    with pytest.raises(module("storage").NoModel, match="no file can have"):
        module("storage").download("gs://b/m", str(tmp_path / "to"))


def test_nothing_there(bucket, module, tmp_path):
    with pytest.raises(module("storage").NoModel, match="nothing below 'gs://b/other'"):
        module("storage").download("gs://b/other", str(tmp_path / "to"))


def test_comes_as_the_service_account(bucket, module, tmp_path, monkeypatch):
    """And once more, when its token is not good any longer."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GCE_METADATA_HOST", bucket.host)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module("transfer"), "GOOGLE", f"http://{bucket.host}")
    bucket.wanted = "Bearer token-2"
    module("storage").download("gs://b/m", str(tmp_path / "to"))
    assert (tmp_path / "to/data/large.bin").read_bytes() == CONTENT
    assert bucket.tokens == 2


def test_nobody_says_who_we_are(bucket, module, tmp_path, monkeypatch):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    with pytest.raises(module("transfer").Refused, match="6 times: no token from the metadata server"):
        module("storage").download("gs://b/m", str(tmp_path / "to"))
