"""A service that is not well."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXTS = {
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    409: ("ALREADY_EXISTS", "Requested entity already exists"),
    412: ("FAILED_PRECONDITION", "At least one of the pre-conditions did not hold."),
    429: ("RESOURCE_EXHAUSTED", "Quota exceeded"),
    500: ("INTERNAL", "Internal error encountered."),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
}


class FaultyService:
    """Answers everything in one way: a status, `closes` or `silent`.

    `answers` may say otherwise for some requests: it is called with the method
    and the path, and returns (status, JSON) or None.
    """

    def __init__(self, how, answers=None):
        self.how, self.answers = how, answers or (lambda method, path: None)
        self.seen = []
        self.over = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                service.seen.append((self.command, self.path))
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                service.respond(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def respond(self, handler):
        given = self.answers(handler.command, handler.path)
        if given is None and self.how == "silent":
            self.over.wait(60)
        if given is None and self.how in ("silent", "closes"):
            handler.close_connection = True
            return
        status, body = given or (self.how, self.error(handler.path))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data)

    def error(self, path):
        status, message = TEXTS[self.how]
        if "/mlflow" in path:
            return {"error_code": status, "message": message}
        return {"error": {"code": self.how, "message": message, "status": status}}

    def env(self):
        """Leads our tools to it."""
        return {
            "STORAGE_EMULATOR_HOST": self.url,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML": f"{self.url}/",
            "MLFLOW_TRACKING_URI": self.url,
        }

    def end(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
