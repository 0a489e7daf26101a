"""Every instruction of the testbench's vocabulary at every kind of request that an
upload is made of: what came of it, what was sent for it, and what is there then."""

import json
import random
import shutil

import pytest

from support.emulator import Emulator
from support.local import LocalModel
from support.outcome import run
from support.places import base_env, tool

SIZE = (9 << 20) + 12345  # above the limit for one request
HALF = 4 << 20
QUANTUM = 256 << 10
PASS = "stall-for-0s"  # takes the place of a request to which nothing happens
BREAK = f"return-reset-connection-after-{HALF >> 10}K"

PASSING = [f"return-{code}" for code in (408, 429, 500, 502, 503, 504)]
RESET = "return-reset-connection"
BROKEN = ["return-broken-stream", "return-broken-stream-after-5B"]
SHORT = [f"return-broken-stream-final-chunk-after-{count}B" for count in (0, 5)]
# Longer than the tool waits for a sign of life.
STALLS = ["stall-for-5s", "stall-always"]
REFUSALS = [f"return-{code}" for code in (400, 401, 403, 412)]

# What is armed for a fault to meet this request, or this part of one.
WHERE = {
    "start": lambda fault: [fault],
    "PUT": lambda fault: [PASS, fault],
    "chunk": lambda fault: [PASS, f"{fault}-after-{HALF >> 10}K"],
    "last byte": lambda fault: [PASS, f"{fault}-after-{SIZE}B"],
    "status": lambda fault: [BREAK, fault],
}

# Where, what, and from where the content goes out again: the service keeps it at
# multiples of the quantum. Nothing: it goes out once.
CASES = [
    *(("start", fault, None) for fault in [*PASSING, RESET, BROKEN[0], *STALLS]),
    *(("PUT", fault, 0) for fault in [*PASSING, RESET, *STALLS, "stall-at-256KiB"]),
    *(("PUT", fault, None) for fault in [*BROKEN, "return-corrupted-data", *SHORT]),
    *(("chunk", fault, HALF - QUANTUM) for fault in [*PASSING, RESET, STALLS[0]]),
    *(("last byte", fault, SIZE - QUANTUM) for fault in [*PASSING, RESET, STALLS[0]]),
    *(("status", fault, HALF - QUANTUM) for fault in [*PASSING, RESET, *BROKEN, *STALLS]),
]


class Upload:
    """A model of one large file, which is sent again and again; all else is there."""

    def __init__(self, directory):
        (directory / "home").mkdir()
        home = base_env(directory / "home") | {"AIP_HTTP_TIMEOUT": "1"}
        self.emulator = Emulator(directory / "emulator", home)
        local = LocalModel(directory)
        (local.directory / "large.bin").write_bytes(random.Random(1).randbytes(SIZE))
        bucket = self.emulator.make_bucket("large")
        self.env = home | self.emulator.env | local.env(bucket, "m")
        self.directory, self.document, self.count = directory, "", 0
        for stage in ("mlf-fetch", "aip-bundle"):
            self.document = self.run(stage).stdout
        assert self.run("aip-upload", "--header", "X-Case: 0").status == 0

    def run(self, stage, *args):
        return run([tool(stage), *args], env=self.env, cwd=self.directory, stdin=self.document)

    def content(self, method="GET", name="large.bin", below="route%2Fv1%2Fmodel%2F"):
        """What is live, or nothing."""
        status, found = self.emulator.call(method, f"/storage/v1/b/large/o/{below}{name}")
        return found if status == 200 else None

    def check(self, done, name="large.bin"):
        """What is live is right, and the document says the same."""
        document = json.loads(done.stdout)
        [said] = [o for o in document["stages"]["upload"]["objects"] if o["uri"].endswith("/" + name)]
        [file] = [f for f in document["stages"]["fetch"]["files"] if f["path"] == name]
        live = self.content(name=name)
        assert (live["crc32c"], live["generation"]) == (file["crc32c"], str(said["generation"]))

    def meet(self, faults, name="large.bin"):
        """How it ends where these are armed, and from where on content was sent."""
        self.content("DELETE", name)
        # The first request is that of the mark.
        self.content("DELETE", ".upload", "route%2Fv1%2F")
        faults = [PASS, *faults]
        shutil.rmtree(self.directory / "kept/state", ignore_errors=True)
        body = {"everyone": True, "instructions": {"storage.objects.insert": faults}}
        _, test = self.emulator.call("POST", "/retry_test", body)
        # A request that stalled is logged when it is over, among others'.
        self.count += 1
        done = self.run("aip-upload", "--overwrite", "--header", f"X-Case: {self.count}")
        _, state = self.emulator.call("GET", f"/retry_test/{test['id']}")
        self.emulator.call("DELETE", f"/retry_test/{test['id']}")
        assert state["completed"], state
        puts = [put["requestHeaders"] for put in self.emulator.requests("PUT")]
        puts = [put for put in puts if put["x-case"] == str(self.count)]
        ranges = [put["content-range"].removeprefix("bytes ") for put in puts]
        return done, [int(span.partition("-")[0]) for span in ranges if span[0] != "*"]


@pytest.fixture(scope="module")
def upload(tmp_path_factory):
    upload = Upload(tmp_path_factory.mktemp("faults"))
    yield upload
    upload.emulator.end()


@pytest.mark.parametrize(("where", "fault", "again"), CASES, ids=str)
def test_what_passes(upload, where, fault, again):
    """It costs no more than what the service had not kept."""
    done, offsets = upload.meet(WHERE[where](fault))
    assert done.status == 0, done.stderr
    upload.check(done)
    if again is None:
        assert offsets == [0]
    else:
        # Of a request that was given up while the emulator stalled, it says nothing.
        first, last = offsets[:-1], offsets[-1]
        assert first == [0] or ("stall" in fault and not first), offsets
        assert last >= again


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("fault", REFUSALS)
def test_what_is_refused(upload, where, fault):
    """It ends there, with nothing live."""
    done, offsets = upload.meet(WHERE[where](fault))
    assert (done.status, done.stdout) == (4, ""), done.stderr
    assert upload.content() is None
    assert offsets == ([] if where == "start" else [0])


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("fault", ["return-404", "return-410"])
def test_a_session_that_is_gone(upload, where, fault):
    """Another one takes all the content, once; where there was none, it is refused."""
    done, offsets = upload.meet(WHERE[where](fault))
    if where == "start":
        assert (done.status, offsets, upload.content()) == (4, [], None), done.stderr
    else:
        assert (done.status, offsets) == (0, [0, 0]), done.stderr
        upload.check(done)


@pytest.mark.parametrize(
    "fault",
    [*PASSING, RESET, *BROKEN, "return-corrupted-data", *STALLS,
     "return-503-after-100B", f"{RESET}-after-100B", "stall-for-5s-after-100B"],
)
def test_a_small_file_goes_in_one_request(upload, fault):
    done, offsets = upload.meet([fault], "factor.txt")
    assert (done.status, offsets) == (0, []), done.stderr
    upload.check(done, "factor.txt")
