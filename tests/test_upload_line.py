"""Uploads over a line that cuts, delays and corrupts; AIP_TEST_ROUNDS says how many."""

import json
import os
import random
from collections import Counter

from support.line import Line
from support.pipeline import Pipeline

ROUNDS = int(os.environ.get("AIP_TEST_ROUNDS", 40))


def live(emulator, bucket):
    _, found = emulator.call("GET", f"/storage/v1/b/{bucket}/o")
    return {item["name"]: (int(item["size"]), item["crc32c"]) for item in found.get("items", [])}


def test_whatever_the_line_does(outcome, emulator, local):
    chance = random.Random(3)
    (local.directory / "large.bin").write_bytes(chance.randbytes((9 << 20) + 5))
    for number in range(8):
        (local.directory / f"{number}.bin").write_bytes(chance.randbytes(50_000 * number))
    pipeline = Pipeline(outcome, emulator.env | local.env("none", "m"))
    document = pipeline.run(last="bundle")
    files = document["stages"]["fetch"]["files"] + [document["stages"]["bundle"]["sdist"]]
    right = {(file["size"], file["crc32c"]) for file in files}
    seen, statuses = Counter(), Counter()
    for seed in range(ROUNDS):
        bucket = emulator.make_bucket(f"line-{seed}")
        line = Line(emulator.url, seed)
        env = pipeline.env | {"STORAGE_EMULATOR_HOST": line.url}
        for attempt in range(9):
            line.ended = attempt == 8
            done = outcome(
                "aip-upload", "--bucket", bucket, stdin=pipeline.documents["bundle"], env=env,
                timeout=60,
            )
            statuses[done.status] += 1
            assert set(live(emulator, bucket).values()) <= right, f"seed {seed}: something wrong is live"
            if done.status == 0:
                break
            assert done.status in (1, 5) and done.stdout == "", f"seed {seed}: {done.stderr}"
        assert done.status == 0, f"seed {seed}: {done.stderr}"
        assert set(live(emulator, bucket).values()) == right
        assert json.loads(done.stdout)["stages"]["upload"]["objects"]
        seen.update(line.done)
        line.end()
    assert min(seen[fault] for fault in ("cut", "delay", "corrupt")) >= ROUNDS // 20, seen
