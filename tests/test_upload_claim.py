"""What is uploaded and whole is not written over by chance."""

import json
import subprocess

import pytest

from support.between import Between
from support.pipeline import Pipeline
from support.places import tool
from support.upload import until
from support.vertex import push_image


@pytest.fixture(params=["ai-platform", "vertex"])
def live(request, outcome, own_emulator, local, env):
    """Version v1 answers; its model multiplies by two."""
    own_emulator.make_bucket("models")
    pipeline = Live(outcome, own_emulator, local, env, AIP_TARGET=request.param)
    if request.param == "vertex":
        # A server that takes its factor from the bucket.
        (local.directory / "weights.txt").write_text("2")
        pipeline.serve_with(push_image(own_emulator))
    pipeline.run()
    return pipeline


class Live(Pipeline):
    def __init__(self, outcome, emulator, local, base_env, **env):
        super().__init__(outcome, emulator.env | local.env("models", "iris") | env)
        self.local, self.emulator, self.base_env = local, emulator, base_env
        self.of_bundle = ()

    def serve_with(self, image):
        routes = ("--predict-route", "/predict", "--health-route", "/health")
        self.of_bundle = ("--image", image, *routes)
        del self.env["prediction_script"], self.env["setup_file"]

    def run(self, *args, flags=None, **options):
        return super().run(*args, flags={"bundle": self.of_bundle, **(flags or {})}, **options)

    def change(self):
        for name in ("factor.txt", "weights.txt"):
            (self.local.directory / name).write_text("10")
        (self.local.directory / "new.txt").write_text("new")
        self.run(last="bundle")

    def upload(self, *args):
        return self.outcome("aip-upload", *args, stdin=self.documents["bundle"], env=self.env)

    def objects(self):
        return objects(self.emulator)

    def answer(self):
        """Of the version that is live."""
        args = ["--project", "emulator", "--model", "iris", "--target", self.env["AIP_TARGET"]]
        rows = "[1]" if self.of_bundle else "[[1]]"
        done = self.outcome("aip-predict", "--instances", "-", *args, stdin=rows, env=self.env)
        assert done.status == 0, done.stderr
        return json.loads(done.stdout)["predictions"]


def objects(emulator):
    _, found = emulator.call("GET", "/storage/v1/b/models/o")
    return {one["name"]: (one["generation"], one["crc32c"]) for one in found.get("items", [])}


def pipe(live, *flags):
    """All tools at once, as a shell runs them with pipefail; statuses and stderr."""
    of_upload = " ".join(flags)
    script = (
        f"{tool('mlf-fetch')} | {tool('aip-bundle')} {' '.join(live.of_bundle)} | "
        f"{tool('aip-upload')} {of_upload} | {tool('aip-model')} create | "
        f"{tool('aip-version')} create --replace; echo ${{PIPESTATUS[@]}}"
    )
    done = subprocess.run(
        ["bash", "-c", script], env=live.base_env | live.env, cwd=live.outcome.directory,
        capture_output=True, text=True, timeout=120, check=False,
    )
    return [int(status) for status in done.stdout.split("\n")[-2].split()], done.stderr


def test_what_is_live_stays_what_it_is(live, snapshot):
    before, answer = live.objects(), live.answer()
    live.change()
    seen = len(live.emulator.requests())
    statuses, _ = pipe(live)
    assert statuses == [0, 0, 4, 3, 3], "and nothing comes after it"
    written = [one for one in live.emulator.requests()[seen:] if one["method"] != "GET"]
    assert not written, "not a byte was sent"
    assert live.objects() == before and live.answer() == answer
    refused = live.upload()
    assert (refused.status, refused.stdout) == (4, "")
    dry = live.upload("--dry-run")
    assert (dry.status, dry.stdout) == (4, "")
    assert refused.text() == snapshot
    assert dry.stderr == refused.stderr

    statuses, stderr = pipe(live, "--overwrite")
    assert statuses == [0] * 5, stderr
    assert live.answer() != answer
    assert not [name for name in live.objects() if name.endswith("/.upload")]


def test_a_dry_run_shows_the_mark(live):
    dry = live.upload("--dry-run")
    assert dry.status == 0, dry.stderr
    first, *_, last = [line for line in dry.stderr.splitlines() if "dry run: " in line]
    assert "name=route%2Fv1%2F.upload&ifGenerationMatch=0" in first, first
    assert "DELETE " in last and last.endswith("%2F.upload, unless all is there"), last


def test_the_same_again_is_no_harm(live):
    before = live.objects()
    assert live.upload().status == 0 and live.objects() == before
    for flags in ((), ("--overwrite",)):
        assert pipe(live, *flags)[0] == [0] * 5
        assert live.objects() == before


@pytest.fixture
def two(outcome, own_emulator, local, env, tmp_path):
    """The bundles of two models for one place, where nothing lies yet."""
    own_emulator.make_bucket("models")
    pipeline = Live(outcome, own_emulator, local, env)
    pipeline.run(last="bundle")
    first = pipeline.documents["bundle"]
    pipeline.env["tmp_dir"] = str(tmp_path / "second")
    (local.directory / "big.bin").write_bytes(bytes(9 << 20))
    pipeline.change()
    pipeline.first, pipeline.second = first, pipeline.documents["bundle"]
    return pipeline


def start(two, document, *args):
    process = subprocess.Popen(
        [tool("aip-upload"), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=two.base_env | two.env, text=True,
    )
    process.stdin.write(document)
    process.stdin.close()
    process.stdin = None
    return process


def upload(two, document, *args):
    return two.outcome("aip-upload", *args, stdin=document, env=two.env)


def half_done(two):
    """The second broke off, its large file missing; all else is there."""
    process = start(two, two.second, "--limit-rate", "64K")
    until(lambda: len(two.objects()) >= 6)
    process.kill()
    process.communicate()
    assert "route/v1/.upload" in two.objects() and "route/v1/model/big.bin" not in two.objects()


def whole(two, document):
    """That there is this model, whole, and nothing else."""
    done = two.outcome("aip-upload", "verify", stdin=document, env=two.env)
    return done.status == 0 and "route/v1/.upload" not in two.objects()


def test_what_broke_off_may_be_going_on(two):
    """Nothing tells a dead upload from a slow one, so another needs leave."""
    half_done(two)
    before = two.objects()
    refused = upload(two, two.first)
    assert refused.status == 4 and "is under way" in refused.stderr and two.objects() == before
    done = upload(two, two.first, "--overwrite", "--delete-extra")
    assert done.status == 0, done.stderr
    assert whole(two, done.stdout)


def test_it_goes_on_itself(two):
    half_done(two)
    done = upload(two, two.second)
    assert done.status == 0, done.stderr
    assert whole(two, done.stdout)


def test_what_is_about_to_be_replaced(two):
    """The second has begun to write over the first, and has changed nothing yet."""
    assert upload(two, two.first).status == 0
    before = two.objects()
    process = start(two, two.second, "--overwrite", "--limit-rate", "1K")
    until(lambda: "route/v1/.upload" in two.objects())
    process.kill()
    process.communicate()
    assert {**two.objects(), **before} == two.objects(), "what was whole is there yet"
    assert upload(two, two.first).status == 4, "it does not take the other's mark away"
    done = upload(two, two.second)
    assert done.status == 0, done.stderr
    assert whole(two, done.stdout)


def test_a_foreign_directory_is_left_alone(two):
    path = "/upload/storage/v1/b/models/o?uploadType=media&name=route/v1/model/MLmodel"
    assert two.emulator.call("POST", path, "theirs", {"Content-Type": "text/plain"})[0] == 200
    before = two.objects()
    assert upload(two, two.first).status == 4 and two.objects() == before


def test_who_comes_second_stops_who_came_first(two, snapshot):
    """The first still writes when the second takes the place over: one of them is
    whole in the end, and the other says that it is not."""
    began = []

    def meanwhile(request):
        if request.method == "DELETE" and not began:
            began.append(upload(two, two.first, "--delete-extra", "--overwrite"))

    with Between(two.emulator.url, meanwhile=meanwhile) as between:
        env = {"STORAGE_EMULATOR_HOST": between.url,
               "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{between.url}/storage/v1/"}
        first = two.outcome("aip-upload", stdin=two.second, env=two.env | env)
    assert began[0].status == 0, began[0].stderr
    assert (first.status, first.stdout) == (4, "")
    assert first.text() == snapshot
    assert whole(two, began[0].stdout)


def test_what_was_thought_dead_writes_once_more(two):
    """Then it is not what was uploaded that lies there."""
    half_done(two)
    path = "/upload/storage/v1/b/models/o?uploadType=media&name=route/v1/model/big.bin"
    wrote = []

    def meanwhile(request):
        if request.method == "DELETE" and not wrote:
            wrote.append(two.emulator.call("POST", path, "late", {"Content-Type": "text/plain"}))

    with Between(two.emulator.url, meanwhile=meanwhile) as between:
        env = {"STORAGE_EMULATOR_HOST": between.url,
               "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{between.url}/storage/v1/"}
        flags = ("--overwrite", "--delete-extra")
        done = two.outcome("aip-upload", *flags, stdin=two.first, env=two.env | env)
    assert wrote and (done.status, done.stdout) == (4, ""), done.stderr


def begin_at_once(two, early, late):
    """Both saw an empty place; what came of them."""
    began = []

    def meanwhile(request):
        if request.method == "POST" and not began:
            began.append(upload(two, early))

    with Between(two.emulator.url, meanwhile=meanwhile) as between:
        env = {"STORAGE_EMULATOR_HOST": between.url,
               "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{between.url}/storage/v1/"}
        done = two.outcome("aip-upload", stdin=late, env=two.env | env)
    assert began[0].status == 0, began[0].stderr
    assert whole(two, began[0].stdout), done.stderr
    return done


def test_two_begin_at_once(two):
    late = begin_at_once(two, two.first, two.second)
    assert (late.status, late.stdout) == (4, "")


def test_two_of_the_same_begin_at_once(two):
    late = begin_at_once(two, two.first, two.first)
    assert late.status == 0, late.stderr
    assert whole(two, late.stdout)


def test_a_bucket_that_keeps_the_mark(outcome, own_emulator, local, env):
    """What is whole is whole, though the mark cannot be removed."""
    body = {"name": "models", "retentionPolicy": {"retentionPeriod": "3600"}}
    assert own_emulator.call("POST", "/storage/v1/b?project=emulator", body)[0] == 200
    two = Live(outcome, own_emulator, local, env)
    two.run(last="bundle")
    first = two.documents["bundle"]
    done = upload(two, first)
    assert done.status == 0 and "retention" in done.stderr, done.stderr
    before = two.objects()
    assert "route/v1/.upload" in before
    assert upload(two, first).status == 0
    two.change()
    refused = upload(two, two.documents["bundle"])
    assert refused.status == 4 and "another upload" in refused.stderr
    assert two.objects() == before
