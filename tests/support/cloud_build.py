"""A Cloud Build whose builds end as a test says."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from .discovery import Api

ID = "0e1f2d3c-0000-4000-8000-{:012d}"


class CloudBuild:
    """Each build is WORKING for two looks at it; then it is as `end` makes it.
    Requests and answers are held against the discovery document."""

    def __init__(self, end):
        self.end_of, self.builds, self.looks, self.problems = end, {}, {}, []
        self.created, self.api = 0, Api("cloudbuild.v1")
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                split = urlsplit(self.path)
                found = service.respond(self.command, split, json.loads(body) if body else None)
                status, value = found
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def respond(self, method, split, body):
        parent, _, rest = split.path.removeprefix("/v1/").partition("/builds")
        if split.path == "/v2/entries:list":
            # The latest first, as it is asked for.
            texts = ("ERROR: build step 0 failed", "Step 1/7 : FROM scratch\n")
            return 200, {"entries": [{"textPayload": text} for text in texts]}
        if method == "POST":
            self.problems += self.api.problems("Build", body, "request")
            return 200, self.create(parent, body)
        if rest:
            return 200, self.look(rest.removeprefix("/"))
        [wanted] = parse_qs(split.query)["filter"]
        builds = [build for build in self.builds.values() if wanted == f'tags="{build["tags"][1]}"']
        return 200, {"builds": builds} if builds else {}

    def create(self, parent, body):
        self.created += 1
        name = ID.format(self.created)
        build = {"id": name, "name": f"{parent}/builds/{name}", "status": "QUEUED",
                 "logUrl": f"https://console.cloud.google.com/cloud-build/builds/{name}", **body}
        self.builds[name] = build
        return {"name": f"operations/build/acme/{name}", "metadata": {"build": build}}

    def look(self, name):
        build = self.builds[name]
        self.looks[name] = self.looks.get(name, 0) + 1
        build["status"] = "WORKING"
        if self.looks[name] > 2:
            build.update(self.end_of(build))
        self.problems += self.api.problems("Build", build, "answer")
        return build

    def env(self):
        return {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD": f"{self.url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": f"{self.url}/",
        }

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        assert not self.problems, self.problems
