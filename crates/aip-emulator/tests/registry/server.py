"""A server that tells what it sees."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.path.join(os.environ["DATA"], "model")) as model:
            said = {"env": dict(os.environ), "path": sys.path, "model": model.read()}
        said["uid"] = os.getuid()
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def end(*_):
    print("bye", flush=True)
    sys.exit()


signal.signal(signal.SIGTERM, end)
address = (os.environ["MLFLOW_AIP_HOST"], int(os.environ["AIP_HTTP_PORT"]))
HTTPServer(address, Handler).serve_forever()
