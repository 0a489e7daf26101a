"""Stands between a tool and a service: sees what is asked, does something of
its own first, or loses the answer."""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    method: str
    path: str
    body: bytes


class Between:
    """`meanwhile` is called before a request goes on; where `lose` says so, once,
    the answer does not come back."""

    def __init__(self, url, meanwhile=lambda request: None, lose=lambda request: False):
        self.host = url.removeprefix("http://").rstrip("/")
        self.meanwhile, self.lose, self.lost = meanwhile, lose, False
        self.requests = []
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                length = int(self.headers.get("Content-Length") or 0)
                between.pass_on(self, Request(self.command, self.path, self.rfile.read(length)))

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on

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
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in ("host", "connection")}
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if not self.lost and self.lose(request):
            self.lost = True
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
