"""HTTP to Cloud Storage: who we are, another try, and whether all arrived."""

import base64
import hashlib
import http.client
import json
import os
import random
import ssl
import threading
import time
import urllib.error
import urllib.request

GOOGLE = "https://storage.googleapis.com"

ATTEMPTS = 6
TIMEOUT = 60
CHUNK = 1 << 20

TOKEN = "http://{}/computeMetadata/v1/instance/service-accounts/default/token"
# Before it ends, a token is renewed.
TOKEN_MARGIN = 120


class Refused(Exception):
    """An answer that another try would not change."""


class Damaged(Exception):
    """What came is not what was stored."""


class NoToken(OSError):
    """The metadata server does not say who we are."""


# A connection that fails in any way, at any moment.
BROKEN = (OSError, http.client.HTTPException, Damaged)


class Client:
    """Reads from Cloud Storage, or from what STORAGE_EMULATOR_HOST names."""

    def __init__(self, environ=os.environ):
        emulator = environ.get("STORAGE_EMULATOR_HOST")
        if emulator and "://" not in emulator:
            emulator = "http://" + emulator
        self._root = emulator.rstrip("/") if emulator else GOOGLE
        self._token = None if emulator else Token(environ)
        # An emulator is on this machine, where no proxy leads to.
        proxies = [urllib.request.ProxyHandler({})] if emulator else []
        self._opener = urllib.request.build_opener(
            *proxies, urllib.request.HTTPSHandler(context=_trust())
        )

    def read(self, path):
        return self._persist(path, lambda answer: answer.read())

    def save(self, path, file, item):
        """The object as a file, held against the size and checksum of its metadata."""
        self._persist(path, lambda answer: _copy(answer, file, item))

    def _persist(self, path, work):
        for attempt in range(ATTEMPTS):
            try:
                with self._open(path) as answer:
                    return work(answer)
            except urllib.error.HTTPError as error:
                said = _said(error)
                if error.code == 401 and self._token:
                    self._token.forget()
                elif error.code not in (401, 408, 429) and error.code < 500:
                    raise Refused("GET {}: {}".format(self._root + path, said)) from None
                last = said
            except BROKEN as error:
                last = str(error) or type(error).__name__
            if attempt + 1 < ATTEMPTS:
                time.sleep(random.uniform(0, 0.5 * 2**attempt))
        message = "GET {} failed {} times: {}"
        raise Refused(message.format(self._root + path, ATTEMPTS, last))

    def _open(self, path):
        headers = {"Authorization": "Bearer " + self._token.get()} if self._token else {}
        request = urllib.request.Request(self._root + path, headers=headers)
        return self._opener.open(request, timeout=TIMEOUT)


class Token:
    """The service account's access token, from the metadata server."""

    def __init__(self, environ):
        host = environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
        self._request = urllib.request.Request(
            TOKEN.format(host), headers={"Metadata-Flavor": "Google"}
        )
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._lock, self._value, self._ends = threading.Lock(), None, 0

    def get(self):
        with self._lock:
            if time.monotonic() >= self._ends:
                try:
                    with self._opener.open(self._request, timeout=10) as answer:
                        found = json.load(answer)
                    self._value = found["access_token"]
                except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                    raise NoToken("no token from the metadata server: {}".format(error)) from None
                self._ends = time.monotonic() + found.get("expires_in", 0) - TOKEN_MARGIN
            return self._value

    def forget(self):
        self._ends = 0


def _trust():
    """The system's certificates, and certifi's, for images without any."""
    context = ssl.create_default_context()
    try:
        import certifi

        context.load_verify_locations(certifi.where())
    except (ImportError, OSError):
        pass
    return context


def _said(error):
    """Google's own words about an error."""
    text = error.read(4096).decode("utf-8", "replace")
    try:
        text = json.loads(text)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        pass
    return "{} {}".format(error.code, text.strip() or error.reason)


def _copy(answer, file, item):
    wanted, checksum = _checksum(item)
    size = 0
    with open(file, "wb") as target:
        while True:
            chunk = answer.read(CHUNK)
            if not chunk:
                break
            target.write(chunk)
            checksum.update(chunk)
            size += len(chunk)
    if size != int(item["size"]):
        raise Damaged("{} of {} bytes came".format(size, item["size"]))
    if wanted and base64.b64encode(checksum.digest()).decode() != wanted:
        raise Damaged("the checksum differs from '{}'".format(wanted))


def _checksum(item):
    """The checksum to expect, and what computes it. The standard library has no
    CRC-32C, and composed objects no MD5."""
    try:
        import google_crc32c

        return item.get("crc32c"), google_crc32c.Checksum()
    except ImportError:
        return item.get("md5Hash"), hashlib.md5()
