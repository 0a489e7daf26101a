"""Debian's docker-registry: the registry that everybody else's tools meet."""

import json
import re
import urllib.request

from . import debian
from .process import Background, free_port

# bcrypt of the password below.
HTPASSWD = "tester:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"
LOGIN = ("tester", "open sesame")


class DockerRegistry:
    def __init__(self, directory, env, login=False):
        directory.mkdir(parents=True, exist_ok=True)
        program = debian.program("docker-registry")
        port = free_port()
        self.host = f"127.0.0.1:{port}"
        config = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}},
            "http": {"addr": self.host},
        }
        if login:
            (directory / "htpasswd").write_text(HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}
        path = directory / "config.yml"
        path.write_text(json.dumps(config))  # which is YAML
        self.log = directory / "registry.log"
        self.process = Background(
            ["sh", "-c", 'exec "$0" serve "$1" >&2', program.path, str(path)],
            env=program.env(env), log=self.log,
        )
        self.process.listens(port, timeout=30)

    def requests(self):
        """Method and path of each so far."""
        return re.findall(r'"([A-Z]+) (/v2/\S*) HTTP', self.log.read_text())

    def get(self, path, accept="application/vnd.oci.image.manifest.v1+json"):
        request = urllib.request.Request(f"http://{self.host}/v2/{path}", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers, answer.read()

    def end(self):
        self.process.end()
