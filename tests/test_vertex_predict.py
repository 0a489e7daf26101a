"""aip-predict against endpoints of Vertex AI."""

import json
import signal
import subprocess
import urllib.request

import pytest

from support.places import tool
from support.version import Versions


@pytest.fixture
def versions(emulator, outcome, unique):
    return Versions(emulator, outcome, "p-" + unique.replace("_", "-")[-40:])


@pytest.fixture
def one(versions):
    versions.deploy("v1", 2)
    return versions


def asked(versions, part, before=0):
    return [entry for entry in versions.emulator.requests()[before:] if part in entry["path"]]


def test_an_endpoint_answers_and_says_which_version(one):
    assert one.ask([1, 2.5]) == {"predictions": [2, 5], "answeredBy": {"v1": 1}}
    assert one.ask([1], "--parameters", '{"plus": 1}')["predictions"] == [3]
    lines = one.outcome(
        "aip-predict", "--instances", "-", "--format", "jsonl", "-v", stdin="1\n2\n", env=one.env
    )
    assert (lines.status, lines.stdout) == (0, "2\n4\n")
    assert "deployed model" in lines.stderr and "version 'v1' answered" in lines.stderr


def test_whole_numbers_stay_exact_where_that_is_asked_for(one):
    number = 2**53 + 1
    exact = one.ask([number], "--raw")
    assert exact == {"predictions": [2 * number], "answeredBy": {"v1": 1}}
    done = one.outcome(
        "aip-predict", "--instances", "-", stdin=f"[{number}]", env=one.env
    )
    assert json.loads(done.stdout)["predictions"] == [2 * (number - 1)]
    assert "warning: numbers of more than fifteen digits are rounded" in done.stderr
    assert "--raw keeps them" in done.stderr


def test_a_version_that_shares_the_traffic_is_not_asked_by_chance(one):
    one.deploy("v2", 3, "--traffic", "30")
    refused = one.ask([1], "--version-name", "v2", status=4)
    assert "version 'v2' has 30 % of the traffic" in refused
    assert "aip-version traffic promote --version-name v2" in refused
    refused = one.ask([1], "--version-name", "v9", status=4)
    assert "there are 'v1', 'v2'" in refused
    one.traffic("promote", "--version-name", "v2")
    assert one.ask([1], "--version-name", "v2")["predictions"] == [3]
    assert "has 0 % of the traffic" in one.ask([1], "--version-name", "v1", status=4)


def test_what_goes_wrong_is_said(one, versions):
    refused = one.ask([1, "x"], status=4)
    assert "the container answered 400: an instance is no number" in refused
    assert "signature" in refused
    assert "an instance is no number" in one.ask(["x"], "--raw", status=4)
    refused = one.ask([1], "--explain", status=4)
    assert "does not support explanations" in refused and "explanationSpec" in refused
    done = versions.outcome(
        "aip-predict", "--instances", "-", stdin="[1]", env=versions.env | {"model_name": "nobody"}
    )
    assert done.status == 4 and "aip-model list" in done.stderr


def test_an_endpoint_without_traffic_says_how_it_gets_some(versions):
    versions.deploy("v1", 2, "--traffic", "0")
    refused = versions.ask([1], status=4)
    assert "aip-version traffic promote" in refused


def predict_rows(versions, rows, *args):
    """From a file: the answer, and what was sent for it."""
    before = len(versions.emulator.requests())
    path = versions.outcome.directory / "rows.json"
    path.write_text(json.dumps(rows, separators=(",", ":")))
    done = versions.outcome(
        "aip-predict", "--model", versions.model, "--instances", str(path), *args, env=versions.env
    )
    assert done.status == 0, done.stderr
    return json.loads(done.stdout), asked(versions, "redict", before)


@pytest.mark.parametrize(
    ("dedicated", "limit", "requests"), [(False, 1_500_000, 7), (True, 10_000_000, 2)]
)
def test_requests_are_filled_to_the_endpoints_limit(versions, dedicated, limit, requests):
    """And a dedicated endpoint is asked at its own domain alone."""
    versions.create(versions.document("v1", 2), model_args=["--dedicated"] if dedicated else [])
    rows = [{"n": n, "pad": "x" * 980} for n in range(10_300)]
    answer, sent = predict_rows(versions, rows)
    assert answer["predictions"] == [2 * n for n in range(10_300)]
    sizes = [int(entry["requestHeaders"]["content-length"]) for entry in sent]
    assert len(sizes) == requests and limit - 1000 < max(sizes) <= limit
    hosts = {entry["requestHeaders"]["host"] for entry in sent}
    own = versions.emulator.url.removeprefix("http://")
    assert (hosts == {own}) != dedicated, hosts


def test_an_answer_over_the_limit_is_asked_for_in_parts(one):
    """Each prediction has more digits than its instance."""
    rows = [10**14 + n for n in range(100_000)]
    answer, sent = predict_rows(one, rows, "--parameters", json.dumps({"plus": 10**17}), "--raw")
    assert answer["predictions"] == [2 * row + 10**17 for row in rows]
    assert [entry["status"] for entry in sent].count(400) == 1
    refused = one.ask(["much"], status=4)
    assert "too large" in refused, refused


def test_flags_of_the_other_service_are_refused(one):
    done = one.outcome(
        "aip-predict", "--instances", "-", "--raw", "--target", "ai-platform", stdin="[1]",
        env=one.env | {"model_name": "iris"},
    )
    assert done.status == 2 and "--raw is for target 'vertex'" in done.stderr


def test_an_endpoint_that_is_more_patient_than_we_are(versions):
    more = ["--dedicated", "--inference-timeout", "600"]
    versions.create(versions.document("v1", 2), model_args=more)
    done = versions.outcome("aip-predict", "--instances", "-", stdin="[1]", env=versions.env)
    assert done.status == 0 and "set AIP_HTTP_TIMEOUT=600" in done.stderr


def test_a_dry_run_asks_nothing(one):
    before = len(one.emulator.requests())
    done = one.outcome("aip-predict", "--instances", "-", "--dry-run", stdin="[1, 2]", env=one.env)
    assert json.loads(done.stdout) == {"dryRun": True}
    assert ":predict (2 instances" in done.stderr
    assert len(one.emulator.requests()) == before


class TestBatch:
    """In jobs of the service."""

    @pytest.fixture
    def batch(self, one, emulator, bucket):
        lines = "".join(f"{n}\n" for n in range(150))
        upload = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name=in/rows.jsonl"
        self.put(emulator, upload, lines.encode())

        def run(*args, status=0, stdin="", **more):
            done = one.outcome(
                "aip-predict", "batch", "--version-name", "v1", *args,
                stdin=stdin, env=one.env | more.pop("env", {}), **more,
            )
            assert done.status == status, done.stderr
            return done

        run.versions, run.bucket = one, bucket
        run.input = ("--input", f"gs://{bucket}/in/rows.jsonl", "--output", f"gs://{bucket}/out")
        return run

    @staticmethod
    def put(emulator, path, content):
        headers = {"Content-Type": "application/octet-stream"}
        urllib.request.urlopen(urllib.request.Request(emulator.url + path, content, headers))

    def model(self, batch):
        return ("--model", batch.versions.model)

    def test_a_job_from_beginning_to_end(self, batch):
        done = batch(*batch.input, *self.model(batch), "--batch-size", "16", "--max-replicas", "2")
        summary = json.loads(done.stdout)
        assert summary["state"] == "JOB_STATE_SUCCEEDED"
        assert summary["counts"]["successful"] == 150 and not summary["counts"]["failed"]
        assert summary["outputDirectory"].startswith(f"gs://{batch.bucket}/out/prediction-")
        job = asked(batch.versions, "/batchPredictionJobs")[-1]["responseBody"]
        assert job["model"].endswith(f"/models/{batch.versions.model}")
        assert job["manualBatchTuningParameters"] == {"batchSize": 16}
        taken = batch("--job", summary["name"], "--output-file", "-")
        lines = [json.loads(line) for line in taken.stdout.splitlines()]
        assert sorted(line["prediction"] for line in lines) == [2 * n for n in range(150)]

    def test_results_come_as_files(self, batch, tmp_path):
        batch(*batch.input, *self.model(batch), "--download", str(tmp_path / "answers"))
        files = sorted((tmp_path / "answers").rglob("*"))
        text = "".join(path.read_text() for path in files if "prediction" in path.name)
        assert len(text.splitlines()) == 150
        assert not [path for path in files if path.name.endswith(".part")]

    def test_a_job_is_taken_up(self, batch):
        begun = json.loads(batch(*batch.input, *self.model(batch), "--no-wait").stdout)
        assert begun["name"].startswith("projects/")
        number = begun["name"].rsplit("/", 1)[1]
        done = json.loads(batch("--job", number).stdout)
        assert done["state"] == "JOB_STATE_SUCCEEDED" and done["counts"]["successful"] == 150

    def test_a_document_says_which_version(self, batch):
        document = batch.versions.deploy("v1", 2)
        done = batch(*batch.input, stdin=json.dumps(document))
        assert json.loads(done.stdout)["counts"]["successful"] == 150

    def test_instances_without_a_prediction(self, batch, emulator):
        upload = f"/upload/storage/v1/b/{batch.bucket}/o?uploadType=media&name=in/some.jsonl"
        self.put(emulator, upload, b'1\n"x"\n2\n')
        where = ("--input", f"gs://{batch.bucket}/in/some.jsonl", "--output", f"gs://{batch.bucket}/out")
        done = batch(*where, *self.model(batch), "--batch-size", "1")
        assert json.loads(done.stdout)["counts"] == {"successful": 2, "failed": 1, "incomplete": 0}
        assert "1 instances have no prediction" in done.stderr

    def test_a_job_that_fails_says_why(self, batch):
        where = ("--input", f"gs://{batch.bucket}/in/nothing", "--output", f"gs://{batch.bucket}/out")
        failed = batch(*where, *self.model(batch), status=1)
        assert failed.stdout == "" and "cannot end batch prediction" in failed.stderr
        assert "caused by" in failed.stderr

    def test_ctrl_c_leaves_the_job_and_says_how_to_take_it_up(self, faulty, env, tmp_path):
        name = "projects/acme/locations/europe-west1/batchPredictionJobs/7"
        job = {
            "name": name, "state": "JOB_STATE_RUNNING",
            "completionStats": {"successfulCount": "12", "failedCount": "1"},
        }
        service = faulty(404, lambda method, path: (200, job) if path == f"/v1/{name}" else None)
        own = {"AIP_TARGET": "vertex", "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": service.url}
        process = subprocess.Popen(
            [tool("aip-predict"), "batch", "--job", name], env=env | own, cwd=tmp_path,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert "the job is running: 12 predicted, 1 failed" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        assert (process.returncode, stdout) == (130, "")
        assert "interrupted while waiting" in stderr and "it goes on" in stderr
        assert f"aip-predict batch --target vertex --project acme --job {name}" in stderr
        assert {method for method, _ in service.seen} == {"GET"}

    def test_what_cannot_be(self, batch):
        local = batch("--input", "rows.jsonl", "--output", "gs://b/o", *self.model(batch), status=2)
        assert "gcloud storage cp" in local.stderr
        assert "--input" in batch(*self.model(batch), status=2).stderr
        other = batch(*batch.input, "--model", "iris", "--target", "ai-platform", status=2)
        assert "no batch prediction" in other.stderr
        done = batch.versions.outcome("aip-predict", "--raw", "batch", "--job", "9", env=batch.versions.env)
        assert done.status == 2 and "--raw stands before 'batch'" in done.stderr
        missing = batch("--job", "99", status=4)
        assert "batch prediction" in missing.stderr

    def test_a_dry_run_begins_nothing(self, batch):
        before = len(batch.versions.emulator.requests("POST"))
        dry = json.loads(batch(*batch.input, *self.model(batch), "--dry-run").stdout)
        assert dry["dryRun"] and "batchPredictionJobs" in dry["requests"][0]
        assert len(batch.versions.emulator.requests("POST")) == before
