"""Every instruction of the testbench's vocabulary at every kind of request that a
fetch from a bucket is made of: what came of it, and from where on content was
asked for again."""

import itertools
import os
import random
import shutil

import pytest

from support.artifacts import MLMODEL
from support.emulator import Emulator
from support.fetched import fetched
from support.named_models import digests
from support.outcome import run
from support.places import base_env, tool

SIZE = (1 << 20) + 12345
HALF = 512 << 10
PASS = "stall-for-0s"  # takes the place of a request to which nothing happens

PASSING = [f"return-{code}" for code in (408, 429, 500, 502, 503, 504)]
RESET, BROKEN = "return-reset-connection", "return-broken-stream"
# Longer than the tool waits for a sign of life.
STALLS = ["stall-for-5s", "stall-always"]
REFUSALS = [f"return-{code}" for code in (400, 401, 403, 404, 412)]

# What is armed for a fault to meet this request. MLmodel is read first, for what
# it says, and comes last: while it is missing, a directory is no model.
WHERE = {
    "list": lambda *faults: {"storage.objects.list": faults},
    "MLmodel": lambda *faults: {"storage.objects.get": faults},
    "large.bin": lambda *faults: {"storage.objects.get": [PASS, *faults]},
    "MLmodel at last": lambda *faults: {"storage.objects.get": [PASS, PASS, *faults]},
}


class Bucket:
    """A model of one large file, under another name for each fetch."""

    def __init__(self, directory):
        self.directory, self.count, self.name = directory, itertools.count(), ""
        self.home = base_env(directory)
        self.emulator = Emulator(directory / "emulator", self.home)
        self.emulator.make_bucket("models")
        self.model = directory / "model"
        self.model.mkdir()
        (self.model / "MLmodel").write_bytes(MLMODEL)
        (self.model / "large.bin").write_bytes(random.Random(1).randbytes(SIZE))

    def put(self):
        self.name = f"case-{next(self.count)}"
        for path in self.model.iterdir():
            self.emulator.put("models", f"{self.name}/{path.name}", path.read_bytes())

    def meet(self, instructions, **env):
        """How a fetch into nothing ends where these are armed; all of them struck."""
        shutil.rmtree(self.directory / "out", ignore_errors=True)
        self.put()
        body = {"everyone": True, "instructions": instructions}
        _, test = self.emulator.call("POST", "/retry_test", body)
        if "stall" in str(instructions):
            env["AIP_HTTP_TIMEOUT"] = "1"
        done = self.fetch(**env)
        _, state = self.emulator.call("GET", f"/retry_test/{test['id']}")
        self.emulator.call("DELETE", f"/retry_test/{test['id']}")
        assert state["completed"], (state, done.stderr)
        return done

    def fetch(self, **env):
        args = [tool("mlf-fetch"), f"gs://models/{self.name}", "--no-cache", "--output", "out/model"]
        return run(args, env=self.home | self.emulator.env | env, cwd=self.directory)

    def offsets(self):
        """From where on the large file was asked for, each time."""
        asked = [it for it in self.emulator.requests("GET")
                 if it["path"].endswith(f"/{self.name}%2Flarge.bin")]
        ranges = [it["requestHeaders"].get("range", "bytes=0-") for it in asked]
        return [int(span.removeprefix("bytes=").removesuffix("-")) for span in ranges]

    def there(self):
        return sorted(os.listdir(self.directory / "out")) if (self.directory / "out").exists() else []

    def check(self, done):
        """All of it is there, nothing else is, and the document says the same."""
        assert fetched(done)[1] == digests(self.directory / "out/model") == digests(self.model)
        assert self.there() == [".model.fetched.json", "model"]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    bucket = Bucket(tmp_path_factory.mktemp("faults"))
    yield bucket
    bucket.emulator.end()


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("fault", [*PASSING, RESET, BROKEN, f"{BROKEN}-after-5B", *STALLS])
def test_what_passes(bucket, where, fault):
    """Nothing comes twice."""
    bucket.check(bucket.meet(WHERE[where](fault)))
    came = {BROKEN: 1, f"{BROKEN}-after-5B": 5}.get(fault, 0)
    offsets = bucket.offsets()
    # Of a request that was given up while the emulator stalled, it may say nothing.
    again = [0, came] if where == "large.bin" and len(offsets) > (fault in STALLS) else [0]
    assert offsets == again


@pytest.mark.parametrize("fault", ["return-503", RESET, BROKEN, *STALLS[:1]])
def test_what_breaks_off_goes_on_where_it_was(bucket, fault):
    bucket.check(bucket.meet(WHERE["large.bin"](f"{fault}-after-{HALF >> 10}K")))
    first, second = bucket.offsets()
    assert first == 0 and 0 < second <= HALF


def test_what_does_not_pass_is_gone_on_with(bucket):
    fault = f"{BROKEN}-after-{HALF >> 10}K"
    done = bucket.meet(WHERE["large.bin"](fault), AIP_MAX_RETRIES="0")
    assert (done.status, done.stdout) == (5, "")
    assert "hint: run it again: it goes on with what has come so far" in done.stderr
    assert "model" not in bucket.there()
    bucket.check(bucket.fetch())
    first, second = bucket.offsets()
    assert first == 0 and 0 < second <= HALF


@pytest.mark.parametrize("where", WHERE)
def test_what_does_not_pass_is_tried_five_times_more(bucket, where):
    done = bucket.meet(WHERE[where](*["return-503"] * 6))
    assert (done.status, done.stdout) == (5, "")


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("fault", REFUSALS)
def test_what_is_refused(bucket, where, fault):
    """It is not tried again, and leaves nothing that stands in the way."""
    done = bucket.meet(WHERE[where](fault))
    what = "list 'gs://models/" if where == "list" else f"download '{where.split()[0]}'"
    assert (done.status, done.stdout, bucket.there()) == (4, "", []), done.stderr
    assert f"mlf-fetch: error: cannot {what}" in done.stderr
    assert f": {fault[-3:]} " in done.stderr
    bucket.check(bucket.fetch())


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("list", "the answer is not JSON"),
        ("MLmodel", "'MLmodel' came with crc32c "),
        ("large.bin", "'large.bin' came with crc32c "),
        ("MLmodel at last", "'MLmodel' came with crc32c "),
    ],
)
def test_what_came_wrong_is_not_taken(bucket, where, said):
    done = bucket.meet(WHERE[where]("return-corrupted-data"))
    assert (done.status, done.stdout, bucket.there()) == (1, "", []), done.stderr
    assert "mlf-fetch: error: " in done.stderr and said in done.stderr
    bucket.check(bucket.fetch())
