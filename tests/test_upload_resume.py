"""An upload that is killed goes on in another process."""

import json
import random
import signal
import stat
import time

import pytest

from support.between import Between
from support.upload import SIZE, Upload, arm, until

# What the service keeps of a request that breaks off ends at a multiple of this.
QUANTUM = 256 << 10


@pytest.fixture
def upload(outcome, own_emulator, local, env):
    return Upload(outcome, own_emulator, local, env)


def test_killed_at_any_moment(upload, crc32c):
    """In all, no more than the file and a quantum for each kill goes out."""
    chance, kills = random.Random(7), 0
    for _ in range(12):
        process = upload.start("--limit-rate", "40M")
        time.sleep(chance.uniform(0.02, 0.25))
        process.kill()
        process.wait()
        kills += 1
        live = upload.content()
        assert live is None or live["crc32c"] == crc32c(upload.file), "what is live is right"
    document, _ = upload.finish()
    live = upload.content()
    assert (live["size"], live["crc32c"]) == (str(SIZE), crc32c(upload.file))
    [there] = [o for o in document["stages"]["upload"]["objects"] if o["uri"].endswith("large.bin")]
    assert str(there["generation"]) == live["generation"]
    received = sum(count for _, count in upload.puts())
    assert received <= SIZE + kills * QUANTUM
    firsts = {content for content, count in upload.puts() if count}
    assert len(firsts) > 2, "it was killed in the middle at least once"
    assert not upload.state.exists() or not upload.notes(), "no notes stay behind"


def test_interrupted_it_says_how_to_go_on(upload, snapshot):
    process = upload.start("--limit-rate", "4M")
    until(upload.notes)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=10)
    assert time.monotonic() - begun < 1
    assert (process.returncode, stdout) == (130, "")
    assert stderr == snapshot
    [note] = upload.notes()
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    upload.finish()
    assert not upload.notes()


def test_a_session_is_nobody_elses_business(upload):
    process = upload.start("--limit-rate", "4M", "-vv")
    [note] = until(upload.notes)
    session = json.loads(note.read_text())["session"].partition("upload_id=")[2]
    assert session
    process.kill()
    _, stderr = process.communicate()
    _, done = upload.finish("-vv")
    assert session not in stderr + done.stderr + done.stdout
    assert "going on with the upload" in done.stderr


def killed(upload):
    """Killed when the service has some of it."""
    process = upload.start("--limit-rate", "40M")
    until(upload.notes)
    time.sleep(0.3)
    process.kill()
    process.communicate()
    until(upload.puts)  # it is told when it has ended
    return upload.notes()[0]


def test_what_was_there_is_not_told_as_sent(upload):
    killed(upload)
    before = sum(count for _, count in upload.puts())
    document, done = upload.finish()
    sent = document["stages"]["upload"]["notes"]["bytesSent"]
    assert 0 < sent < SIZE and sent == sum(count for _, count in upload.puts()) - before
    assert f"objects sent ({sent} bytes)" in done.stderr, done.stderr
    assert f"{SIZE - sent} bytes of them were there already" in done.stderr, done.stderr


def test_a_file_that_changed_goes_nowhere(upload, snapshot):
    killed(upload)
    data = bytearray(upload.sent.read_bytes())
    data[5] ^= 1
    upload.sent.unlink()
    upload.sent.write_bytes(data)
    failed = upload.run()
    assert (failed.status, failed.stdout) == (1, "")
    assert failed.text() == snapshot
    assert upload.content() is None


@pytest.mark.parametrize("where", [0, SIZE - 1], ids=["head", "tail"])
def test_another_file_begins_anew(upload, crc32c, where):
    """It was fetched again meanwhile, and is another one."""
    killed(upload)
    data = bytearray(upload.file.read_bytes())
    data[where] ^= 1
    upload.file.write_bytes(data)
    upload.bundle()
    upload.finish()
    assert upload.content()["crc32c"] == crc32c(upload.file)


def test_a_file_fetched_again_goes_on(upload, crc32c):
    """The same content in another file."""
    killed(upload)
    data = upload.sent.read_bytes()
    upload.sent.unlink()
    upload.sent.write_bytes(data)
    upload.finish()
    assert upload.content()["crc32c"] == crc32c(upload.file)
    assert sum(count for _, count in upload.puts()) <= SIZE + QUANTUM


@pytest.mark.parametrize("fault", ["return-404", "return-410", "return-499", "return-400"])
def test_a_session_that_is_gone_begins_anew(upload, crc32c, fault):
    killed(upload)
    arm(upload.emulator, [fault])
    upload.finish()
    assert upload.content()["crc32c"] == crc32c(upload.file)


def test_an_old_note_is_of_no_use(upload, crc32c):
    note = killed(upload)
    old = json.loads(note.read_text())
    note.write_text(json.dumps(old | {"created": old["created"] - 6 * 24 * 3600}))
    before = len(upload.puts())
    upload.finish()
    assert upload.puts()[before] == (f"bytes 0-{SIZE - 1}/{SIZE}", SIZE)
    assert upload.content()["crc32c"] == crc32c(upload.file)


def test_more_than_was_sent_is_an_abort(upload):
    """Somebody else has written to the session."""
    note = killed(upload)
    known = json.loads(note.read_text())
    note.write_text(json.dumps(known | {"bound": 1, "offset": 0, "prefix": "AAAAAA=="}))
    failed = upload.run()
    assert failed.status == 1 and "of which 1 were sent at most" in failed.stderr
    upload.finish()


def test_two_runs_at_a_time(upload, crc32c):
    """One keeps notes, and both end well."""
    first, second = upload.start("--limit-rate", "40M"), upload.start("--limit-rate", "40M")
    statuses = [process.wait() for process in (first, second)]
    assert statuses == [0, 0], first.stderr.read() + second.stderr.read()
    assert upload.content()["crc32c"] == crc32c(upload.file)


BREAK = "return-reset-connection-after-16384K"


@pytest.mark.parametrize(
    "faults",
    [
        ["return-503", "return-broken-stream-after-10B", "return-503"],
        ["return-broken-stream-final-chunk-after-0B", "return-reset-connection"],
        [BREAK, "return-503", "return-429"],
        [BREAK, "return-404", "return-503"],
        [BREAK, "stall-for-1s", "return-503-after-32768K"],
    ],
    ids=" ".join,
)
def test_one_fault_after_another(upload, crc32c, faults):
    test = arm(upload.emulator, faults)
    upload.finish()
    assert upload.content()["crc32c"] == crc32c(upload.file)
    _, state = upload.emulator.call("GET", f"/retry_test/{test}")
    assert state["completed"], state


def test_what_fails_for_good_is_told_at_once(upload):
    """And not when the large file has been sent."""
    (upload.file.parent / "small.bin").write_bytes(b"small")
    upload.bundle()

    def refuse(request):
        if request.method == "POST" and "small.bin" in request.path:
            until(upload.notes)
            return 403

    with Between(upload.emulator.url, refuse=refuse) as between:
        upload.env["STORAGE_EMULATOR_HOST"] = between.url
        begun = time.monotonic()
        failed = upload.run("--limit-rate", "4M")
    assert time.monotonic() - begun < 6, "at this rate, the large file takes twelve seconds"
    assert (failed.status, failed.stdout) == (4, "")
    assert "small.bin" in failed.stderr and "403" in failed.stderr, failed.stderr
    assert upload.notes(), "the next run goes on"
    upload.env["STORAGE_EMULATOR_HOST"] = upload.emulator.url
    upload.finish()
    assert upload.content()["size"] == str(SIZE)


def test_trouble_without_end_is_not_success(upload):
    arm(upload.emulator, [BREAK] + ["return-503"] * 20)
    failed = upload.run()
    assert (failed.status, failed.stdout) == (5, "")
    assert upload.content() is None and upload.notes()
