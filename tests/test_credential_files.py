"""Credentials of every kind, with our tools and with Google's own library."""

import json
import re
import subprocess
import time

import pytest

from support.credentials import (
    AUDIENCE, DEPLOYER, ROBOT, SAML, WORKFORCE, IdentityProvider, Kinds, id_token,
)
from support.local import LocalModel
from support.pipeline import Pipeline
from support.places import TESTS, python

ALLOWED = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
METADATA_EMAIL = "emulator@emulator.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def strict(session_dir, env, start_emulator):
    return start_emulator(session_dir / "strict-files", env, "--require-token")


@pytest.fixture
def kinds(tmp_path, strict):
    return Kinds(tmp_path, strict.url)


@pytest.fixture
def provider():
    provider = IdentityProvider()
    yield provider
    provider.end()


@pytest.fixture
def ask(outcome, strict):
    """`aip-model VERB` with these credentials in a file, or in the environment."""

    def call(verb, *flags, file=None, env=None, status=0, **options):
        given = {"GOOGLE_APPLICATION_CREDENTIALS": file} if file else {}
        done = outcome("aip-model", verb, "--target", "ai-platform", *flags,
                       env=strict.env | given | (env or {}), **options)
        assert done.status == status, done.text()
        # What is made up here says so; a token of the emulator's, and a JWT.
        for secret in ("sesame", "ya29", "eyJ"):
            assert secret not in done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout else done

    return call


# By name: the file, whom it stands for, by way of whom, and which requests get
# its token.
KINDS = {
    "service_account": (lambda k, p: k.service_account(), DEPLOYER, None, ["/token"]),
    "authorized_user": (lambda k, p: k.authorized_user(), None, None, ["/token"]),
    "file": (lambda k, p: k.from_text(), None, AUDIENCE, ["/v1/token"]),
    "file_json": (lambda k, p: k.from_json(), None, AUDIENCE, ["/v1/token"]),
    "url": (lambda k, p: k.external_account(p.source()), None, AUDIENCE, ["/v1/token"]),
    "executable": (lambda k, p: k.from_executable(), None, AUDIENCE, ["/v1/token"]),
    "saml": (lambda k, p: k.from_executable(token_type=SAML), None, AUDIENCE, ["/v1/token"]),
    "external_impersonated": (
        lambda k, p: k.external_account(
            p.source(), service_account_impersonation_url=k.impersonation()
        ),
        ROBOT, AUDIENCE, ["/v1/token", f"/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"],
    ),
    "external_user": (lambda k, p: k.external_user(), None, WORKFORCE, ["/v1/oauthtoken"]),
    "impersonated": (
        lambda k, p: k.impersonated(), ROBOT, "authorized_user",
        ["/token", f"/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"],
    ),
    "impersonated_by_account": (
        lambda k, p: k.impersonated(k.service_account()), ROBOT, DEPLOYER,
        ["/token", f"/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"],
    ),
}


def requests_since(strict, before):
    return [entry["path"] for entry in strict.requests()[before:]]


@pytest.mark.parametrize("name", KINDS)
def test_a_token_is_had_and_accepted(name, kinds, provider, strict, ask):
    content, principal, via, paths = KINDS[name]
    content = content(kinds, provider)
    file = kinds.write("credentials.json", content)
    before = len(strict.requests())
    who = ask("whoami", file=file, env=ALLOWED)
    assert who["type"] == content["type"]
    assert (who["principal"], who.get("via")) == (principal, via)
    assert who["from"] == {"variable": "GOOGLE_APPLICATION_CREDENTIALS", "file": file}
    assert who["token"]["expires"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert requests_since(strict, before) == paths
    assert ask("list", "-vv", file=file, env=ALLOWED) == {"models": []}


@pytest.mark.parametrize("name", KINDS)
def test_so_does_googles_own_library(name, kinds, provider, strict, env):
    content, principal, _, paths = KINDS[name]
    file = kinds.write("credentials.json", content(kinds, provider))
    before = len(strict.requests())
    answer = google_auth(strict, env | ALLOWED | {"GOOGLE_APPLICATION_CREDENTIALS": file})
    assert answer["status"] == 200 and answer["token"].startswith("ya29.emulator-")
    assert answer["email"] == principal
    assert requests_since(strict, before) == [*paths, "/v1/projects/emulator/models"]


def google_auth(strict, env):
    script = TESTS / "support" / "google_auth.py"
    done = subprocess.run([python(3), script, strict.url], env=env, capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_metadata_server(strict, ask, env):
    host = strict.url.removeprefix("http://")
    who = ask("whoami", env={"GCE_METADATA_HOST": host})
    assert (who["type"], who["principal"]) == ("metadata_server", METADATA_EMAIL)
    assert who["from"] == {"variable": "GCE_METADATA_HOST", "host": host}
    assert ask("list", env={"GCE_METADATA_IP": host}) == {"models": []}
    google = google_auth(strict, env | {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host})
    assert (google["status"], google["email"]) == (200, METADATA_EMAIL)


def test_a_job_on_github_deploys(kinds, provider, strict, outcome, tmp_path, unique):
    """From the upload to a prediction; each tool asks for a token once."""
    status, _ = strict.call(
        "POST", "/storage/v1/b?project=emulator", {"name": unique}, {"Authorization": "Bearer x"}
    )
    assert status == 200
    file = kinds.write("gha-creds.json", kinds.external_account(
        provider.source(), service_account_impersonation_url=kinds.impersonation(),
        service_account_impersonation={"token_lifetime_seconds": 1800},
    ))
    local = LocalModel(tmp_path)
    pipeline = Pipeline(outcome, strict.env | local.env(unique, unique) | {
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": file, "GOOGLE_CLOUD_QUOTA_PROJECT": "billed",
    })
    before = len(strict.requests())
    document = pipeline.run()
    assert document["stages"]["version"]["state"] == "READY"
    assert pipeline.predict({"instances": [[1]]}) == {"predictions": [2.0]}
    entries = strict.requests()[before:]
    iam = [entry for entry in entries if entry["path"].endswith(":generateAccessToken")]
    assert len(iam) == len(provider.seen) == 4
    assert {entry["requestBody"]["lifetime"] for entry in iam} == {"1800s"}
    tokens = ("/v1/token", ":generateAccessToken")
    calls = [entry for entry in entries if not entry["path"].endswith(tokens)]
    assert {entry["requestHeaders"].get("x-goog-user-project") for entry in calls} == {"billed"}
    assert {entry["path"].split("/")[1] for entry in calls} >= {"storage", "upload", "v1"}


WRONG = {
    "service_account": lambda k: k.service_account("revoked@emulator.iam.gserviceaccount.com"),
    "authorized_user": lambda k: k.authorized_user("revoked-sesame"),
    "client_secret": lambda k: k.authorized_user(client_secret="revoked-sesame"),
    "subject": lambda k: k.from_text("sesame"),
    "expired_subject": lambda k: k.from_text(id_token(lifetime=-60)),
    "attribute_condition": lambda k: k.from_text(id_token("revoked")),
    "audience": lambda k: k.from_text() | {"audience": "//iam.googleapis.com/nowhere"},
    "external_user": lambda k: k.external_user("revoked-sesame"),
    "external_user_secret": lambda k: k.external_user(client_secret="revoked-sesame"),
    "target": lambda k: k.impersonated(email="revoked@emulator.iam.gserviceaccount.com"),
    "no_account": lambda k: k.impersonated(email="ana@example.com"),
    "source": lambda k: k.impersonated(k.authorized_user("revoked-sesame")),
    "external_target": lambda k: k.from_text(
        service_account_impersonation_url=k.impersonation("revoked@x.gserviceaccount.com")
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_google_refuses(name, kinds, ask, snapshot):
    """In its words, with the next step; tried once, and with no secret shown."""
    file = kinds.write("credentials.json", WRONG[name](kinds))
    text = ask("whoami", file=file, status=4).text()
    assert re.sub(r"issued at \d+", "issued at TIME", text) == snapshot
    ask("list", "-vv", file=file, status=4)


UNUSABLE = {
    "no_field": lambda k: {"type": "authorized_user", "client_id": "1", "refresh_token": "sesame"},
    "broken_key": lambda k: k.service_account() | {"private_key": "-----BEGIN sesame"},
    "aws": lambda k: k.external_account({
        "environment_id": "aws1", "region_url": "http://169.254.169.254/region",
        "url": "http://169.254.169.254/keys",
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?sesame",
    }),
    "certificate": lambda k: k.external_account({"certificate": {"use_default": True}}),
    "gdch": lambda k: {"type": "gdch_service_account", "private_key": "sesame"},
    "unknown": lambda k: {"type": "of_tomorrow", "secret": "sesame"},
    "nested": lambda k: k.impersonated({"type": "gdch_service_account", "private_key": "sesame"}),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used(name, kinds, strict, ask, snapshot):
    before = len(strict.requests())
    file = kinds.write("credentials.json", UNUSABLE[name](kinds))
    assert ask("whoami", file=file, status=4).text() == snapshot
    assert requests_since(strict, before) == []


def test_a_subject_that_is_not_there(kinds, provider, ask, snapshot):
    texts = []
    for source, status in (
        ({"file": str(kinds.directory / "not-there")}, 1),
        ({"file": kinds.write("empty", "")}, 1),
        ({"file": kinds.write("other.json", {"token": "sesame"}), "format":
            {"type": "json", "subject_token_field_name": "value"}}, 1),
        (provider.source("sesame-of-yesterday"), 4),
        ({"url": "http://127.0.0.1:9/token?sesame"}, 5),
    ):
        file = kinds.write("credentials.json", kinds.external_account(source))
        texts.append(ask("whoami", file=file, status=status).text())
    assert "\n\n".join(texts) == snapshot


# By what it does: how it is made, and the exit status.
EXECUTABLES = {
    "not_allowed": ({}, 4),
    "fails": ({"script": "echo sesame; echo sesame >&2; exit 3"}, 1),
    "is_slow": ({"script": "sleep 60", "timeout_millis": 300}, 5),
    "says_nothing": ({"script": "true"}, 1),
    "says_no": ({"answer": {
        "version": 1, "success": False, "code": "401", "message": "Caller not authorized.",
    }}, 4),
    "of_tomorrow": ({"answer": {"version": 2, "success": True, "id_token": "sesame"}}, 1),
}


@pytest.mark.parametrize("name", EXECUTABLES)
def test_an_executable(name, kinds, ask, snapshot):
    options, status = EXECUTABLES[name]
    file = kinds.write("credentials.json", kinds.from_executable(**options))
    allowed = {} if name == "not_allowed" else ALLOWED
    assert ask("whoami", file=file, env=allowed, status=status).text() == snapshot


def test_an_executable_keeps_its_answer(kinds, ask):
    """It runs once while the answer in its file is valid, and is told where that is."""
    kept, ran = kinds.directory / "kept.json", kinds.directory / "ran"
    script = (
        'env | grep ^GOOGLE_EXTERNAL_ACCOUNT_ >>"{0}"\n'
        'cat "{1}" >"$GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE"'
    ).format(ran, kinds.directory / "answer.json")
    content = kinds.from_executable(script=script, output_file=str(kept))
    content["service_account_impersonation_url"] = kinds.impersonation()
    file = kinds.write("credentials.json", content)
    for _ in range(2):
        ask("whoami", file=file, env=ALLOWED)
    told = ran.read_text().splitlines()
    assert sorted(told) == sorted([
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1",
        f"GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE={AUDIENCE}",
        f"GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL={ROBOT}",
        "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0",
        f"GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE={kept}",
        "GOOGLE_EXTERNAL_ACCOUNT_REVOKE=0",
        "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=urn:ietf:params:oauth:token-type:jwt",
    ])
    answer = json.loads(kept.read_text())
    kept.write_text(json.dumps(answer | {"expiration_time": 1}))
    ask("whoami", file=file, env=ALLOWED)
    assert len(ran.read_text().splitlines()) == 2 * len(told)


def test_services_that_are_not_well(kinds, faulty, ask, strict, snapshot):
    """Asked again, and exit status 5 if that does not help."""
    broken = faulty(503)
    texts = []
    for content in (
        kinds.service_account(token_uri=f"{broken.url}/token"),
        kinds.from_text() | {"token_url": f"{broken.url}/v1/token"},
        kinds.impersonated() | {
            "service_account_impersonation_url": f"{broken.url}/a@b:generateAccessToken"},
    ):
        file = kinds.write("credentials.json", content)
        done = ask("whoami", file=file, env={"AIP_MAX_RETRIES": "2"}, status=5)
        texts.append(done.text())
    assert len(broken.seen) == 9
    host = broken.url.removeprefix("http://")
    done = ask("whoami", env={"GCE_METADATA_HOST": host}, status=1)
    texts.append(done.text())
    done = ask("whoami", env={"GCE_METADATA_HOST": "127.0.0.1:9", "AIP_MAX_RETRIES": "0"}, status=5)
    texts.append(done.text())
    assert "\n\n".join(texts) == snapshot

    strict.call("POST", "/retry_test", {"everyone": True, "instructions": {
        "sts.token": ["return-503"],
        "iamcredentials.projects.serviceAccounts.generateAccessToken": ["return-503"],
    }})
    content = kinds.from_text(service_account_impersonation_url=kinds.impersonation())
    ask("whoami", file=kinds.write("credentials.json", content))


def test_a_dying_token_is_followed_by_another(kinds, strict, ask):
    """One with seconds left is not used, one that is refused is forgotten."""
    content = kinds.from_text(
        service_account_impersonation_url=kinds.impersonation(),
        service_account_impersonation={"token_lifetime_seconds": 20},
    )
    file = kinds.write("credentials.json", content)
    before = len(strict.requests())
    strict.call("POST", "/retry_test", {
        "everyone": True, "instructions": {"ml.projects.models.list": ["return-401"]},
    })
    ask("list", file=file)
    paths = [path.rsplit(":")[-1] for path in requests_since(strict, before)]
    once = ["/v1/token", "generateAccessToken", "/v1/projects/emulator/models"]
    assert paths == ["/retry_test", *once, *once]
    dead = kinds.write("token", "ya29.emulator-dead")
    done = ask("list", "--access-token-file", dead, status=4)
    assert "401 UNAUTHENTICATED: Request had invalid" in done.stderr
