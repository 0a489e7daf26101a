"""A model's files from Cloud Storage, with nothing but the standard library."""

import concurrent.futures
import json
import logging
import os
import tempfile
from urllib.parse import quote, urlencode

from mlflow_aip_serving import transfer

LOG = logging.getLogger("mlflow_aip_serving")

PARALLEL = 8
FIELDS = "items(name,size,generation,crc32c,md5Hash),nextPageToken"


class NoModel(Exception):
    """The bucket does not hold what it should."""


def new_directory():
    return tempfile.mkdtemp(prefix="model-")


def download(uri, directory):
    """Puts the files below gs://BUCKET/PREFIX into a directory, all or none."""
    bucket, _, prefix = uri[len("gs://") :].partition("/")
    prefix = prefix.rstrip("/") + "/" if prefix.rstrip("/") else ""
    client = transfer.Client()
    files = {}
    for item in _list(client, bucket, prefix):
        # Consoles mark directories by empty objects with such names.
        if not item["name"].endswith("/"):
            files[_place(directory, item["name"], prefix)] = item
    if not files:
        raise NoModel("there is nothing below '{}'".format(uri))
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        jobs = [pool.submit(_fetch, client, bucket, item, path) for path, item in files.items()]
        try:
            for job in concurrent.futures.as_completed(jobs):
                job.result()
        except BaseException:
            for job in jobs:
                job.cancel()
            raise
    size = sum(int(item["size"]) for item in files.values())
    LOG.info("fetched %d files, %d bytes, from %s", len(files), size, uri)


def _list(client, bucket, prefix):
    query = {"prefix": prefix, "fields": FIELDS}
    while True:
        path = "/storage/v1/b/{}/o?{}".format(quote(bucket, safe=""), urlencode(query))
        page = json.loads(client.read(path))
        yield from page.get("items", ())
        if not page.get("nextPageToken"):
            return
        query["pageToken"] = page["nextPageToken"]


def _place(directory, name, prefix):
    """Where an object goes; nothing may leave the directory by its name."""
    parts = name[len(prefix) :].split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise NoModel("the object '{}' has a name that no file can have".format(name))
    return os.path.join(directory, *parts)


def _fetch(client, bucket, item, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    names = quote(bucket, safe=""), quote(item["name"], safe="")
    query = urlencode({"alt": "media", "generation": item["generation"]})
    client.save("/storage/v1/b/{}/o/{}?{}".format(*names, query), path, item)
