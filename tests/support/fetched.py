"""What a fetch brought, held against what its document says."""

import json

from .named_models import digests


def fetched(done):
    """The document's record, and SHA-256 by path."""
    assert done.status == 0, done.stderr
    record = json.loads(done.stdout)["stages"]["fetch"]
    files = {file["path"]: file["sha256"] for file in record["files"]}
    assert digests(record["directory"]) == files
    return record, files
