"""Google's own storage client against the emulator."""

import base64
import hashlib
import io
import json
import os
import urllib.error
import urllib.request

import google_crc32c
import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage import transfer_manager

CHUNK = 256 * 1024


@pytest.fixture
def client(emulator):
    return storage.Client(
        project="emulator",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": emulator.url},
    )


@pytest.fixture
def there(client, bucket):
    """The test's own bucket."""
    return client.bucket(bucket)


def crc32c(data):
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def test_a_bucket_is_made_once(client, unique):
    made = client.create_bucket(unique)
    assert made.exists() and client.get_bucket(unique).name == unique
    assert unique in [bucket.name for bucket in client.list_buckets()]
    with pytest.raises(Exception, match="409"):
        client.create_bucket(unique)
    made.delete()
    assert not made.exists()
    with pytest.raises(NotFound):
        client.get_bucket(unique)


def test_a_multipart_upload_keeps_content_and_metadata(there):
    data = os.urandom(100_000)
    blob = there.blob("dir/ü name+&?#%41.bin")
    blob.metadata = {"run": "é 日本", "empty": ""}
    blob.cache_control = "no-store"
    blob.upload_from_string(data, content_type="application/x-model", if_generation_match=0)
    assert blob.crc32c == crc32c(data) and blob.md5_hash == md5(data) and blob.size == len(data)

    found = there.get_blob("dir/ü name+&?#%41.bin")
    assert found.download_as_bytes(checksum="md5") == data
    assert found.metadata == {"run": "é 日本", "empty": ""}
    assert (found.content_type, found.cache_control) == ("application/x-model", "no-store")
    assert found.generation == blob.generation


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK * 2 + 17])
def test_a_resumable_upload_in_chunks(there, size):
    data = os.urandom(size)
    blob = there.blob("chunks", chunk_size=CHUNK)
    # Without a size the client cannot say the total before the end.
    blob.upload_from_file(io.BytesIO(data), rewind=True, checksum="crc32c")
    blob.reload()
    assert (blob.size, blob.crc32c) == (size, crc32c(data))
    assert blob.download_as_bytes() == data


def test_a_writer_of_unknown_length(there):
    data = os.urandom(CHUNK * 3 + 1)
    with there.blob("stream").open("wb", chunk_size=CHUNK) as writer:
        for start in range(0, len(data), 1000):
            writer.write(data[start : start + 1000])
    with there.blob("stream").open("rb", chunk_size=CHUNK) as reader:
        assert reader.read() == data


def test_ranges(there):
    data = bytes(range(256)) * 10
    blob = there.blob("ranges")
    blob.upload_from_string(data)
    assert blob.download_as_bytes(start=10, end=19, checksum=None) == data[10:20]
    assert blob.download_as_bytes(start=2500, checksum=None) == data[2500:]
    assert blob.download_as_bytes(start=2500, end=99_999, checksum=None) == data[2500:]
    with pytest.raises(Exception, match="416"):
        blob.download_as_bytes(start=len(data), checksum=None)


def test_lists_with_delimiter_and_pages(client, there):
    names = ["a/1", "a/2", "a/b/3", "a.txt", "é/x", "z"]
    for name in names:
        there.blob(name).upload_from_string(name)

    def listed(**options):
        found = client.list_blobs(there, **options)
        return [blob.name for blob in found], sorted(found.prefixes)

    assert listed() == (sorted(names, key=str.encode), [])
    assert listed(delimiter="/") == (["a.txt", "z"], ["a/", "é/"])
    assert listed(prefix="a/", delimiter="/") == (["a/1", "a/2"], ["a/b/"])
    assert listed(prefix="nothing/") == ([], [])
    assert listed(match_glob="a/**") == (["a/1", "a/2", "a/b/3"], [])
    assert listed(start_offset="a/2", end_offset="z") == (["a/2", "a/b/3", "é/x"][:2], [])
    assert listed(page_size=2)[0] == sorted(names, key=str.encode)


def test_compose_and_copy_and_rename(client, there):
    parts = [there.blob(f"part{i}") for i in range(3)]
    for i, part in enumerate(parts):
        part.upload_from_string(str(i) * 5)
    whole = there.blob("whole")
    whole.content_type = "text/plain"
    whole.compose(parts, if_generation_match=0)
    assert whole.download_as_bytes() == b"000001111122222"
    whole.reload()
    assert whole.md5_hash is None and whole.component_count == 3
    assert whole.crc32c == crc32c(b"000001111122222")

    copy = there.copy_blob(whole, there, "copy")
    assert copy.download_as_bytes() == b"000001111122222" and copy.crc32c == whole.crc32c
    token, done, total = there.blob("again").rewrite(whole)
    assert (token, done, total) == (None, 15, 15)
    moved = there.rename_blob(copy, "moved")
    assert moved.exists() and not there.blob("copy").exists()


def test_preconditions(there):
    blob = there.blob("guarded")
    blob.upload_from_string("1", if_generation_match=0)
    first = blob.generation
    with pytest.raises(PreconditionFailed, match="pre-conditions you specified did not hold"):
        there.blob("guarded").upload_from_string("2", if_generation_match=0)
    blob.upload_from_string("2", if_generation_match=first)
    assert blob.generation != first
    with pytest.raises(PreconditionFailed):
        blob.delete(if_generation_match=first)
    with pytest.raises(PreconditionFailed):
        blob.download_as_bytes(if_generation_match=first)
    blob.metadata = {"k": "v"}
    blob.patch(if_metageneration_match=blob.metageneration)
    with pytest.raises(PreconditionFailed):
        blob.patch(if_metageneration_match=99)
    blob.delete(if_generation_match=there.get_blob("guarded").generation)
    with pytest.raises(NotFound):
        blob.delete()


@pytest.mark.parametrize("field", ["md5Hash", "crc32c"])
def test_a_wrong_checksum_is_refused(emulator, bucket, field):
    wrong = {"md5Hash": md5(b"other"), "crc32c": crc32c(b"other")}[field]
    boundary = (
        b'--x\r\nContent-Type: application/json\r\n\r\n{"name":"bad","%s":"%s"}\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\ndata\r\n--x--\r\n"
    ) % (field.encode(), wrong.encode())
    request = urllib.request.Request(
        f"{emulator.url}/upload/storage/v1/b/{bucket}/o?uploadType=multipart",
        boundary,
        {"Content-Type": "multipart/related; boundary=x"},
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=30)
    assert error.value.code == 400
    message = json.load(error.value)["error"]["message"]
    assert "doesn't match calculated" in message and wrong in message
    assert emulator.call("GET", f"/storage/v1/b/{bucket}/o/bad")[0] == 404


def test_metadata_is_patched_and_deleted(there):
    blob = there.blob("labelled")
    blob.upload_from_string("x")
    blob.metadata = {"a": "1", "b": "2"}
    blob.patch()
    blob.metadata = {"a": None, "b": "3"}
    blob.patch()
    blob.reload()
    assert blob.metadata == {"b": "3"} and blob.metageneration == 3


def test_many_in_parallel(there, tmp_path):
    names = [f"{i:03}" for i in range(60)]
    for name in names:
        (tmp_path / name).write_bytes(os.urandom(2000))
    results = transfer_manager.upload_many_from_filenames(
        there, names, source_directory=str(tmp_path), worker_type="thread", max_workers=8
    )
    assert results == [None] * 60
    into = tmp_path / "back"
    into.mkdir()
    transfer_manager.download_many_to_path(
        there, names, destination_directory=str(into), worker_type="thread", max_workers=8
    )
    assert all((into / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)
