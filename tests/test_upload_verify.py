"""aip-upload verify, and what was left in Cloud Storage."""

import json

import pytest

from support.between import Between
from support.pipeline import Pipeline

MARK = "route%2Fv1%2F.upload"  # an upload is under way


@pytest.fixture
def uploaded(pipeline):
    pipeline.run(last="upload")
    pipeline.bucket = pipeline.env["production_bucket"]
    return pipeline


def verify(pipeline, outcome):
    return outcome("aip-upload", "verify", stdin=pipeline.documents["upload"], env=pipeline.env)


def shown(done, pipeline):
    return done.text().replace(pipeline.bucket, "BUCKET")


def put(emulator, bucket, name, data="other"):
    path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
    status, body = emulator.call("POST", path, data, {"Content-Type": "text/plain"})
    assert status == 200, body


def test_as_it_was(uploaded, outcome):
    done = verify(uploaded, outcome)
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verified"] and found["uri"] == f"gs://{uploaded.bucket}/route/v1/"
    assert found["objects"] == len(json.loads(uploaded.documents["upload"])["stages"]["upload"]["objects"])


def test_all_that_can_differ(uploaded, outcome, emulator, snapshot):
    bucket = uploaded.bucket
    put(emulator, bucket, "route/v1/model/factor.txt", "3.0")
    put(emulator, bucket, "route/v1/model/stray.txt")
    status, _ = emulator.call("DELETE", f"/storage/v1/b/{bucket}/o/route%2Fv1%2Fmodel%2FMLmodel")
    assert status == 204
    done = verify(uploaded, outcome)
    assert (done.status, done.stdout) == (1, "")
    assert shown(done, uploaded) == snapshot
    mended = outcome(
        "aip-upload", "--overwrite", "--delete-extra", stdin=uploaded.documents["upload"], env=uploaded.env
    )
    assert mended.status == 0, mended.stderr
    assert verify(uploaded, outcome).status == 0


def test_by_the_record_alone(uploaded, outcome):
    document = json.loads(uploaded.documents["upload"])
    del document["stages"]["fetch"], document["stages"]["bundle"]
    uploaded.documents["upload"] = json.dumps(document)
    assert verify(uploaded, outcome).status == 0


def test_without_an_upload(uploaded, outcome):
    done = outcome("aip-upload", "verify", stdin=uploaded.documents["bundle"], env=uploaded.env)
    assert (done.status, done.stdout) == (3, "")
    assert "run aip-upload first" in done.stderr


def test_flags_of_the_filter_are_not_the_verbs(uploaded, outcome):
    done = outcome("aip-upload", "--bucket", "b", "verify", env=uploaded.env)
    assert (done.status, done.stdout) == (2, "")


def test_a_header_goes_with_every_request_of_every_verb(own_emulator, outcome, local, tmp_path):
    (tmp_path / "headers").write_text("X-Secret: s3cret\n")
    flags = ("--header", "X-Goog-User-Project: acme", "--header", f"@{tmp_path}/headers", "-vv")
    env = own_emulator.env | local.env(own_emulator.make_bucket("billed"), "m")
    (local.directory / "large.bin").write_bytes(bytes(9 << 20))
    pipeline = Pipeline(outcome, env)
    pipeline.run(last="upload", flags={"upload": flags})
    for verb in ("verify", "prune"):
        done = outcome(
            "aip-upload", verb, "--document", "-", *flags, stdin=pipeline.documents["upload"], env=env
        )
        assert done.status == 0 and "s3cret" not in done.stderr, done.stderr
    asked = [e for e in own_emulator.requests() if "/storage/v1/" in e["path"]]
    asked = [e for e in asked if e["requestHeaders"].get("user-agent", "").startswith("mlflow-aip")]
    assert {e["method"] for e in asked} == {"GET", "POST", "PUT", "DELETE"}
    for entry in asked:
        assert entry["requestHeaders"].get("x-goog-user-project") == "acme", entry


def test_who_may_look_but_not_write_is_told(own_emulator, outcome, local):
    pipeline = Pipeline(outcome, own_emulator.env | local.env(own_emulator.make_bucket("b_k"), "m"))
    pipeline.run(last="bundle")
    body = {"everyone": True, "instructions": {"storage.objects.insert": ["return-403"] * 9}}
    own_emulator.call("POST", "/retry_test", body)
    done = outcome(
        "aip-upload", "--jobs", "1", stdin=pipeline.documents["bundle"], env=pipeline.env
    )
    assert (done.status, done.stdout) == (4, "")
    assert "grant the caller roles/storage.objectUser on gs://b_k" in done.stderr, done.stderr


class Left:
    """A model in another bucket, of which no byte is here."""

    def __init__(self, pipeline, emulator, location):
        self.pipeline, self.emulator = pipeline, emulator
        pipeline.run(last="bundle")
        self.bucket = pipeline.env["production_bucket"].replace("_", "-") + "-src"
        body = {"name": self.bucket, "location": location}
        emulator.call("POST", "/storage/v1/b?project=emulator", body)
        self.document = json.loads(pipeline.documents["bundle"])
        for file in self.document["stages"]["fetch"]["files"]:
            path = f"{self.document['stages']['bundle']['modelDirectory']}/{file['path']}"
            with open(path, "rb") as content:
                self.put(file, content.read())

    def put(self, file, data):
        import urllib.request

        name = f"run/artifacts/model/{file['path']}".replace("/", "%2F")
        request = urllib.request.Request(
            f"{self.emulator.url}/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name={name}",
            data, method="POST",
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert found["crc32c"] == file["crc32c"]
        file["uri"] = f"gs://{self.bucket}/run/artifacts/model/{file['path']}"
        file["generation"] = int(found["generation"])

    def upload(self, outcome, *args):
        return outcome(
            "aip-upload", *args, stdin=json.dumps(self.document), env=self.pipeline.env
        )


@pytest.mark.parametrize("location", ["US", "EUROPE-WEST1"])
def test_a_model_in_the_cloud_is_copied_there(pipeline, emulator, outcome, location):
    left = Left(pipeline, emulator, location)
    files = left.document["stages"]["fetch"]["files"]
    left.document["stages"]["bundle"]["modelDirectory"] = "/nowhere"
    done = left.upload(outcome)
    assert done.status == 0, done.stderr
    upload = json.loads(done.stdout)["stages"]["upload"]
    assert upload["notes"]["objectsCopied"] == len(files)
    assert upload["notes"]["objectsSent"] == 1, "the package"
    again = json.loads(left.upload(outcome).stdout)["stages"]["upload"]
    assert "objectsCopied" not in again["notes"] and again["objects"] == upload["objects"]
    dry = left.upload(outcome, "--dry-run")
    assert dry.status == 0 and "/rewriteTo/b/" in dry.stderr


def test_a_model_that_changed_there_is_not_copied(pipeline, emulator, outcome, snapshot):
    left = Left(pipeline, emulator, "US")
    left.document["stages"]["fetch"]["files"][0]["generation"] += 1
    done = left.upload(outcome)
    assert (done.status, done.stdout) == (4, "")
    text = done.text().replace(left.bucket, "SOURCE")
    assert text.replace(pipeline.env["production_bucket"], "BUCKET") == snapshot


@pytest.mark.parametrize(
    "told", [{"crc32c": "AAAAAA=="}, {"crc32c": ""}, {"size": "1"}], ids=["sum", "no sum", "size"]
)
def test_a_copy_that_is_another_is_no_success(pipeline, emulator, outcome, snapshot, told):
    """The service says that what it wrote has other content; so the upload is not
    over, and the next one goes on."""
    left = Left(pipeline, emulator, "US")

    def alter(request, answer):
        if "/rewriteTo/" in request.path and request.path.partition("?")[0].endswith("factor.txt"):
            answer["resource"] |= told

    with Between(emulator.url, alter=alter) as between:
        pipeline.env["STORAGE_EMULATOR_HOST"] = between.url
        done = left.upload(outcome)
    pipeline.env |= emulator.env
    text = done.text().replace(left.bucket, "SOURCE")
    assert text.replace(pipeline.env["production_bucket"], "BUCKET") == snapshot
    status, _ = emulator.call("GET", f"/storage/v1/b/{pipeline.env['production_bucket']}/o/{MARK}")
    assert status == 200, "what lies there passes for whole"
    assert left.upload(outcome).status == 0


def test_a_file_that_only_mlflow_reads(pipeline, emulator, outcome):
    left = Left(pipeline, emulator, "US")
    left.document["stages"]["fetch"]["files"][0]["uri"] = "s3://elsewhere/model"
    done = left.upload(outcome)
    assert (done.status, done.stdout) == (3, "")
    assert "--metadata-only" in done.stderr


def test_a_large_copy_takes_several_requests(outcome, own_emulator, local):
    """Between locations, the service moves a part at a time."""
    (local.directory / "large.bin").write_bytes(bytes(150 << 20))
    pipeline = Pipeline(outcome, own_emulator.env | local.env(own_emulator.make_bucket("b_k"), "m"))
    left = Left(pipeline, own_emulator, "EUROPE-WEST1")
    for fault in ("return-503", "return-broken-stream"):
        body = {"everyone": True, "instructions": {"storage.objects.rewrite": [fault]}}
        own_emulator.call("POST", "/retry_test", body)
    done = left.upload(outcome)
    assert done.status == 0, done.stderr
    calls = [e for e in own_emulator.requests("POST") if "rewriteToken" in e["query"]]
    assert len(calls) >= 2, "64 MiB each"


@pytest.mark.parametrize("route", ["../x", "a/./b", "a\rb", "a*", "/"])
def test_no_other_place(uploaded, outcome, emulator, route):
    document = uploaded.documents["bundle"]
    done = outcome("aip-upload", "--route", route, stdin=document, env=uploaded.env)
    assert (done.status, done.stdout) == (2, ""), done.stderr
    _, found = emulator.call("GET", f"/storage/v1/b/{uploaded.bucket}/o")
    assert all(item["name"].startswith("route/v1/") for item in found["items"])
