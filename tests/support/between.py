"""Stands between a tool and a service: sees what is asked and answered, does
something of its own first, or loses the answer, or alters it."""

import http.client
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    method: str
    path: str
    body: bytes
    headers: dict  # by their names in lower case
    status: int = 0  # of the answer, and how many bytes of content it had
    sent: int = 0


class Between:
    """`meanwhile` is called before a request goes on; what `refuse` gives a status
    does not; where `lose` says so, once, the answer does not come back; `alter` may
    change the JSON of an answer before it does."""

    def __init__(
        self, url, meanwhile=lambda request: None, lose=lambda request: False,
        refuse=lambda request: None, alter=None,
    ):
        self.host = url.removeprefix("http://").rstrip("/")
        self.meanwhile, self.refuse, self.lose, self.lost = meanwhile, refuse, lose, False
        self.alter = alter
        self.requests, self.connections = [], 0
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                between.connections += 1

            def pass_on(self):
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length") or 0))
                between.pass_on(self, Request(self.command, self.path, body, headers))

            do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def pass_on(self, handler, request):
        self.requests.append(request)
        self.meanwhile(request)
        if status := self.refuse(request):
            handler.send_error(status)
            return
        headers = {k: v for k, v in request.headers.items() if k not in ("host", "connection")}
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if self.alter and answer.getheader("Content-Type", "").startswith("application/json"):
            told = json.loads(body)
            self.alter(request, told)
            body = json.dumps(told).encode()
        request.status, request.sent = answer.status, len(body)
        if not self.lost and self.lose(request):
            self.lost = True
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                handler.send_header(name, value)
        # What HEAD tells is the length of what GET would send.
        length = answer.getheader("Content-Length", 0) if request.method == "HEAD" else len(body)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except OSError:
            # It heard enough, or was killed.
            handler.close_connection = True
