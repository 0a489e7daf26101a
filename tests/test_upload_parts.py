"""Large files in parts, which the service puts together."""

import pytest

from support.between import Between
from support.upload import Upload, arm, until

SIZE = (200 << 20) + 7


@pytest.fixture
def upload(outcome, own_emulator, local, env):
    upload = Upload(outcome, own_emulator, local, env)
    with open(upload.file, "wb") as file:
        for _ in range(SIZE >> 20):
            file.write(b"0123456789abcdef" * 65536)
        file.write(b"7" * (SIZE & 0xFFFFF))
    upload.bundle()
    return upload


def names(upload):
    _, found = upload.emulator.call("GET", "/storage/v1/b/large/o?prefix=route/v1/")
    return [item["name"].removeprefix("route/v1/") for item in found.get("items", [])]


def whole(upload, crc32c):
    live = upload.content()
    assert (live["size"], live["crc32c"]) == (str(SIZE), crc32c(upload.file))
    assert not [name for name in names(upload) if name.startswith(".parts")], "parts stay behind"


def test_in_parts(upload, crc32c):
    upload.finish("--parallel-composite")
    whole(upload, crc32c)
    assert upload.content()["componentCount"] == 7
    assert not upload.notes()


def test_without_the_flag_it_goes_whole(upload, crc32c):
    upload.finish()
    whole(upload, crc32c)
    assert "componentCount" not in upload.content()


@pytest.mark.parametrize("args", [["--parallel-composite"], []], ids=["parts", "whole"])
def test_killed_and_run_again(upload, crc32c, args):
    process = upload.start("--parallel-composite", "--limit-rate", "300M")
    until(lambda: len([n for n in names(upload) if n.startswith(".parts")]) >= 1, timeout=20)
    process.kill()
    process.communicate()
    assert upload.content() is None
    upload.finish(*args)
    whole(upload, crc32c)
    refused = [entry for entry in upload.emulator.requests() if entry["status"] == 412]
    assert not refused, "parts that are there are seen, not run into"


def test_a_part_that_fails_leaves_nothing(upload):
    arm(upload.emulator, ["return-403"], "storage.objects.compose")
    failed = upload.run("--parallel-composite")
    assert (failed.status, failed.stdout) == (4, "")
    assert upload.content() is None
    assert not [name for name in names(upload) if name.startswith(".parts")]


def fails(upload, snapshot, *args):
    """For good, and leaves nothing."""
    failed = upload.run("--parallel-composite", *args)
    assert failed.text() == snapshot
    assert upload.content() is None
    assert not [name for name in names(upload) if name.startswith(".parts")]


def composed(upload):
    return [e for e in upload.emulator.requests("POST") if e["path"].endswith("/compose")]


def test_parts_that_were_put_together_wrong(upload, snapshot):
    """Nobody but the tool looks at what came of them."""

    def alter(request, answer):
        if "/compose?" in request.path:
            answer["crc32c"] = "AAAAAA=="

    with Between(upload.emulator.url, alter=alter) as between:
        upload.env["STORAGE_EMULATOR_HOST"] = between.url
        fails(upload, snapshot)
    assert len(composed(upload)) == 1


def change(file, offset):
    with open(file, "r+b") as content:
        content.seek(offset)
        content.write(b"!")


def test_a_file_that_changed_since_it_was_hashed(upload, snapshot):
    """Each part has the sum that it was sent with; all of them have not."""
    change(upload.sent, 100 << 20)
    fails(upload, snapshot)
    assert not composed(upload)


def test_a_file_that_changes_while_its_parts_are_sent(upload, snapshot):
    """After a part was hashed, and before it leaves."""
    changed = []

    def meanwhile(request):
        if request.method == "POST" and "parts" in request.path and not changed:
            changed.append(request)
            for part in range(7):
                change(upload.sent, part * (32 << 20))

    with Between(upload.emulator.url, meanwhile=meanwhile) as between:
        upload.env["STORAGE_EMULATOR_HOST"] = between.url
        fails(upload, snapshot, "--jobs", "1")
    assert changed and not composed(upload)


def test_parts_that_may_not_be_removed_are_no_failure(upload, crc32c):
    process = upload.start("--parallel-composite", "--limit-rate", "300M")
    until(lambda: len([n for n in names(upload) if n.startswith(".parts")]) >= 1, timeout=20)
    process.kill()
    process.communicate()
    arm(upload.emulator, ["return-403"], "storage.objects.delete")
    _, done = upload.finish()
    assert "parts stay in 'gs://large/route/v1/.parts/" in done.stderr, done.stderr
    live = upload.content()
    assert (live["size"], live["crc32c"]) == (str(SIZE), crc32c(upload.file))


def test_buckets_in_which_parts_cost_something(upload, outcome, crc32c):
    for name, more in [
        ("cold", {"storageClass": "NEARLINE"}),
        ("kept", {"retentionPolicy": {"retentionPeriod": "60"}}),
    ]:
        upload.emulator.call("POST", "/storage/v1/b?project=p", {"name": name} | more)
        done = outcome(
            "aip-upload", "--parallel-composite", "--bucket", name,
            stdin=upload.pipeline.documents["bundle"], env=upload.env,
        )
        assert done.status == 0 and "go in one piece" in done.stderr, done.stderr
