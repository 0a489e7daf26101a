"""A model server that needs nothing but Python, and does as it is told."""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote
from urllib.request import urlopen

WEIGHTS = float(os.environ.get("WEIGHTS", "1"))
STATE = {"is_healthy": os.environ.get("UNHEALTHY") != "1"}


def fetch(uri):
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    url = f"{os.environ['STORAGE_EMULATOR_HOST']}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
    with urlopen(f"{url}?alt=media") as answer:
        return answer.read().decode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, kind="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if unquote(self.path) == os.environ["AIP_HEALTH_ROUTE"]:
            self.answer(200 if STATE["is_healthy"] else 503, {})
        else:
            self.answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if unquote(self.path) != os.environ["AIP_PREDICT_ROUTE"]:
            # As it came: whoever invokes a route sees what arrives there.
            said = {"path": self.path, "body": body.decode(), "kind": self.headers["Content-Type"]}
            self.answer(200, said)
            return
        request = json.loads(body)
        instances, parameters = request["instances"], request.get("parameters") or {}
        if "fail" in parameters:
            self.answer(int(parameters["fail"]), {"error": "as you wish"})
        elif parameters.get("do") == "env":
            self.answer(200, {"predictions": [dict(os.environ)]})
        elif parameters.get("do") == "raw":
            self.answer(200, {"predictions": [body.decode()]})
        elif parameters.get("do") == "nonsense":
            self.answer(200, {"outputs": []})
        elif parameters.get("do") == "much":
            self.answer(200, {"predictions": ["x" * int(parameters["size"])]})
        elif parameters.get("do") == "exit":
            os._exit(3)
        elif parameters.get("do") == "sicken":
            STATE["is_healthy"] = False
            self.answer(200, {"predictions": []})
        elif "poison" in instances:
            self.answer(500, {"error": "poisoned"})
        else:
            self.answer(200, {"predictions": [WEIGHTS * x if isinstance(x, int) else x for x in instances]})

    def log_message(self, *_):
        pass


if "CRASH" in os.environ:
    print("about to load the model", flush=True)
    sys.exit("ModuleNotFoundError: No module named 'nothing'")
if os.environ["AIP_STORAGE_URI"]:
    WEIGHTS = float(fetch(os.environ["AIP_STORAGE_URI"] + "/weights.txt"))
print(json.dumps({"severity": "NOTICE", "message": f"weights {WEIGHTS}"}), flush=True)
time.sleep(float(os.environ.get("SLOW", "0")))
address = ("127.0.0.1", int(os.environ["AIP_HTTP_PORT"]))
ThreadingHTTPServer(address, Handler).serve_forever()
