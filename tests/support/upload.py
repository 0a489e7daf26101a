"""One large file on its way into a bucket, and trouble on that way."""

import json
import random
import subprocess
import time
from pathlib import Path

from support.pipeline import Pipeline
from support.places import tool

SIZE = (48 << 20) + 1


class Upload:
    """One large file that is not there yet, beside what is, and the tool that sends it."""

    def __init__(self, outcome, emulator, local, env):
        self.emulator, self.outcome, self.base_env = emulator, outcome, env
        self.env = emulator.env | local.env(emulator.make_bucket("large"), "m")
        self.pipeline = Pipeline(outcome, self.env)
        self.pipeline.run(last="upload")
        self.file = local.directory / "large.bin"
        self.file.write_bytes(random.Random(1).randbytes(SIZE))
        self.bundle()
        self.state = local.directory.parent / "kept/state/upload"

    def bundle(self):
        document = self.pipeline.run(last="bundle")
        # What is sent: mlf-fetch keeps models of its own.
        self.sent = Path(document["stages"]["bundle"]["modelDirectory"]) / "large.bin"

    def start(self, *args):
        process = subprocess.Popen(
            [tool("aip-upload"), "--overwrite", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=self.base_env | self.env, text=True,
        )
        process.stdin.write(self.pipeline.documents["bundle"])
        process.stdin.close()
        process.stdin = None
        return process

    def finish(self, *args):
        """Runs it to its end; the document."""
        done = self.run(*args)
        assert done.status == 0, done.stderr
        return json.loads(done.stdout), done

    def run(self, *args):
        return self.outcome(
            "aip-upload", "--overwrite", *args,
            stdin=self.pipeline.documents["bundle"], env=self.env,
        )

    def content(self):
        """What is live, or nothing."""
        name = "route/v1/model/large.bin".replace("/", "%2F")
        status, found = self.emulator.call("GET", f"/storage/v1/b/large/o/{name}")
        return found if status == 200 else None

    def puts(self):
        """What each request to a session said, and how much it brought."""
        return [
            (entry["requestHeaders"]["content-range"], entry["requestBytes"])
            for entry in self.emulator.requests("PUT")
        ]

    def notes(self):
        return list(self.state.glob("*/*.json"))


def until(condition, timeout=10):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)
    return found


def arm(emulator, faults, method="storage.objects.insert"):
    body = {"everyone": True, "instructions": {method: faults}}
    status, test = emulator.call("POST", "/retry_test", body)
    assert status == 200, test
    return test["id"]
