"""Files that are too large for one request, over a line that breaks."""

import base64
import os

import google_crc32c
import pytest

from support.pipeline import Pipeline
from support.upload import arm

SIZE = (20 << 20) + 1
POINT = 8 << 20
# What Cloud Storage keeps of a broken request ends at a multiple of this.
QUANTUM = 256 << 10


@pytest.fixture
def large(outcome, own_emulator, local):
    """A model of which only a large file is not there yet; and the file."""
    pipeline = Pipeline(outcome, own_emulator.env | local.env(own_emulator.make_bucket("large"), "m"))
    pipeline.run(last="upload")
    file = local.directory / "large.bin"
    file.write_bytes(os.urandom(SIZE))
    pipeline.run(last="bundle")
    return pipeline, file


def uploads(emulator):
    """First byte and length of each request that carried the file's content."""
    found = []
    for entry in emulator.requests("PUT"):
        unit, _, content = entry["requestHeaders"]["content-range"].partition(" ")
        assert unit == "bytes"
        span, total = content.split("/")
        assert int(total) == SIZE
        if span != "*":
            first, last = map(int, span.split("-"))
            found.append((first, last + 1 - first))
    return found


def check(emulator, pipeline, file):
    """The bucket has the file, and the document says so."""
    # The same model without the large file is there.
    flags = {"upload": ["--overwrite"]}
    upload = pipeline.run(first="upload", last="upload", flags=flags)["stages"]["upload"]
    [there] = [o for o in upload["objects"] if o["uri"].endswith("/large.bin")]
    name = there["uri"].removeprefix("gs://large/").replace("/", "%2F")
    status, found = emulator.call("GET", f"/storage/v1/b/large/o/{name}")
    data = file.read_bytes()
    expected = base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
    assert (status, found["size"], found["crc32c"]) == (200, str(SIZE), expected)
    assert found["generation"] == str(there["generation"])


def test_a_large_file_goes_in_one_piece(large, own_emulator):
    pipeline, file = large
    check(own_emulator, pipeline, file)
    assert uploads(own_emulator) == [(0, SIZE)]
    check(own_emulator, pipeline, file)
    assert len(uploads(own_emulator)) == 1, "what is there is not sent again"


@pytest.mark.parametrize(
    ("faults", "again"),
    [
        (["return-503-after-8192K"], 1),
        (["return-reset-connection-after-8192K"], 1),
        (["return-503-after-8192K", "return-reset-connection-after-16384K"], 2),
    ],
    ids=["status", "reset", "both"],
)
def test_a_broken_upload_goes_on_where_it_broke(large, own_emulator, faults, again):
    pipeline, file = large
    arm(own_emulator, faults)
    check(own_emulator, pipeline, file)
    sent = uploads(own_emulator)
    assert len(sent) == 1 + again
    for (first, _), turn in zip(sent[1:], range(1, again + 1), strict=True):
        assert turn * POINT - QUANTUM <= first <= turn * POINT, sent


def test_a_lost_answer_does_not_send_the_file_again(large, own_emulator):
    """All has arrived, but the tool does not know."""
    pipeline, file = large
    # The mark's answer comes whole.
    arm(own_emulator, ["stall-for-0s", "return-broken-stream-after-10B"])
    check(own_emulator, pipeline, file)
    assert uploads(own_emulator) == [(0, SIZE)]
    assert len(own_emulator.requests("PUT")) == 2, "it asked how far it got"


def test_a_lost_session_begins_anew(large, own_emulator):
    pipeline, file = large
    arm(own_emulator, ["return-410-after-8192K"])
    check(own_emulator, pipeline, file)
    assert uploads(own_emulator) == [(0, SIZE), (0, SIZE)]
