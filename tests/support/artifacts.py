"""As much of a tracking server as serves one model's files, and counts them."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

MLMODEL = b"""\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
mlflow_version: 3.17.2
"""
RUN = "0123456789abcdef0123456789abcdef"
FILES = f"/api/2.0/mlflow-artifacts/artifacts/1/{RUN}/artifacts/model/"


class ArtifactServer:
    run_id = RUN

    def __init__(self, files):
        self.files = {"MLmodel": MLMODEL} | files
        self.sent, self.lock = 0, threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version, sys_version = "uvicorn", ""

            def setup(self):
                super().setup()
                # What waits in the kernel counts as sent.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)

            def do_GET(self):
                url = urlsplit(self.path)
                if url.path.startswith(FILES):
                    owner.send(self, unquote(url.path.removeprefix(FILES)))
                else:
                    owner.answer(self, url.path, parse_qs(url.query))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler, path, query):
        known = {
            "/api/2.0/mlflow/runs/get": lambda: {"run": {
                "info": {"run_id": RUN, "experiment_id": "1", "lifecycle_stage": "active",
                         "artifact_uri": f"mlflow-artifacts:/1/{RUN}/artifacts"},
                "data": {"tags": [{"key": "mlflow.log-model.history",
                                   "value": json.dumps([{"artifact_path": "model"}])}]},
            }},
            "/api/2.0/mlflow/artifacts/list": lambda: {
                "files": list(self.listing(query["path"][0].removeprefix("model")))},
        }
        status = 200 if path in known else 404
        body = json.dumps(known.get(path, dict)()).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def listing(self, below):
        prefix, seen = below.strip("/") + "/" if below else "", set()
        for path, content in self.files.items():
            first, is_deep, _ = path.removeprefix(prefix).partition("/")
            if path.startswith(prefix) and first not in seen:
                seen.add(first)
                size = {} if is_deep else {"file_size": len(content)}
                yield {"path": f"model/{prefix}{first}", "is_dir": bool(is_deep)} | size

    def send(self, handler, path):
        content = self.files[path]
        etag = f'"{hash(content)}"'
        asked = handler.headers.get("Range")
        asked = asked if handler.headers.get("If-Range", etag) == etag else None
        first, _, last = (asked or "bytes=0-").removeprefix("bytes=").partition("-")
        begin, end = int(first), min(int(last) + 1 if last else len(content), len(content))
        partial = asked and begin < len(content)
        handler.send_response(206 if partial else 200)
        handler.send_header("ETag", etag)
        if partial:
            handler.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
        handler.send_header("Content-Length", str(end - begin))
        handler.end_headers()
        for at in range(begin, end, 16 << 10):
            piece = content[at:min(at + (16 << 10), end)]
            try:
                handler.wfile.write(piece)
            except OSError:
                handler.close_connection = True
                return
            with self.lock:
                self.sent += len(piece)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
