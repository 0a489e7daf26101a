"""Who the tools say they are, to an emulator that asks for a token."""

import subprocess

import pytest

from support.credentials import Kinds
from support.pipeline import Pipeline

ELSEWHERE = "http://192.0.2.1:9"
IMPATIENT = {"AIP_MAX_RETRIES": "0", "AIP_HTTP_TIMEOUT": "2"}


@pytest.fixture(scope="module")
def strict(session_dir, env, start_emulator):
    return start_emulator(session_dir / "strict", env, "--require-token")


@pytest.fixture
def protected(strict, outcome, local, unique):
    """The stages over it, with no credentials yet."""
    pipeline = Pipeline(outcome, strict.env | local.env(unique, unique))
    status, body = strict.call(
        "POST", "/storage/v1/b?project=emulator", {"name": unique}, {"Authorization": "Bearer x"}
    )
    assert status == 200, body
    return pipeline


@pytest.fixture
def key(tmp_path):
    """Writes a service account's key file, as Google gives them."""
    kinds = Kinds(tmp_path, "")
    return lambda token_uri: {
        "GOOGLE_APPLICATION_CREDENTIALS":
            kinds.write("key.json", kinds.service_account(token_uri=token_uri))
    }


def token_file(tmp_path, content="sesame-file\n"):
    path = tmp_path / "token"
    path.write_text(content)
    return str(path)


def deploy(pipeline):
    document = pipeline.run()
    assert document["stages"]["version"]["state"] == "READY"
    assert pipeline.predict({"instances": [[1]]}) == {"predictions": [2.0]}


def test_a_service_accounts_key(protected, strict, key):
    """Each tool gets a token for it, once."""
    protected.env |= key(f"{strict.url}/token")
    before = len(strict.requests())
    deploy(protected)
    asked = [entry for entry in strict.requests()[before:] if entry["path"] == "/token"]
    assert len(asked) == 4 and {entry["status"] for entry in asked} == {200}


# No bucket may have Google's name in its own.
@pytest.mark.parametrize(
    "name", ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"], ids=["oauth", "gcloud"]
)
def test_a_token_in_the_environment(protected, name):
    protected.env[name] = "sesame"
    deploy(protected)


def test_a_token_in_a_file(protected, tmp_path):
    flags = ("--access-token-file", token_file(tmp_path))
    named = dict.fromkeys(("upload", "model", "version"), flags)
    protected.run(flags=named)
    assert protected.predict({"instances": [[1]]}, *flags) == {"predictions": [2.0]}


def test_a_pipe_is_a_file(protected, env):
    """As in `--access-token-file <(gcloud auth print-access-token)`."""
    script = 'aip-model list --access-token-file <(echo sesame)'
    done = subprocess.run(
        ["bash", "-c", script], env=env | protected.env, capture_output=True, text=True,
        timeout=60, check=False,
    )
    assert done.returncode == 0, done.stderr


def test_without_credentials_it_is_refused(protected, outcome, snapshot):
    done = outcome("aip-model", "list", env=protected.env)
    assert (done.status, done.stdout) == (4, "")
    assert done.text() == snapshot


@pytest.mark.parametrize(
    "content", ["", "two words", '{"type": "authorized_user", "refresh_token": "sesame"}'],
    ids=["empty", "no token", "user"],
)
def test_what_is_no_credential(protected, outcome, tmp_path, snapshot, content):
    path = token_file(tmp_path, content)
    texts = []
    for flags, env in (
        (("--access-token-file", path), {}),
        ((), {"GOOGLE_APPLICATION_CREDENTIALS": path}),
        (("--access-token-file", path + "-not-there"), {}),
    ):
        done = outcome("aip-model", "list", *flags, env=protected.env | env)
        assert done.status in (1, 4) and done.stdout == "" and "sesame" not in done.stderr
        texts.append(done.text())
    assert "\n\n".join(texts) == snapshot


@pytest.mark.parametrize("how", ["file", "environment", "key"])
def test_no_credential_goes_in_clear_text_elsewhere(
    how, protected, outcome, faulty, key, tmp_path, snapshot
):
    """Not one request, not even by way of a proxy."""
    proxy = faulty(500)
    flags, env = {
        "file": (("--access-token-file", token_file(tmp_path)), {}),
        "environment": ((), {"GOOGLE_OAUTH_ACCESS_TOKEN": "sesame-env"}),
        "key": ((), key(f"{ELSEWHERE}/token")),
    }[how]
    protected.run(last="bundle")
    elsewhere = protected.env | IMPATIENT | {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML": f"{ELSEWHERE}/", "STORAGE_EMULATOR_HOST": ELSEWHERE,
        "http_proxy": proxy.url, "HTTP_PROXY": proxy.url,
    }
    commands = [
        (("aip-model", "list"), ""),
        (("aip-upload",), protected.documents["bundle"]),
    ]
    texts = []
    for command, stdin in commands:
        done = outcome(*command, *flags, stdin=stdin, env=elsewhere | env, timeout=20)
        assert (done.status, done.stdout) == (4, ""), done.stderr
        assert "sesame" not in done.stderr
        texts.append(done.text())
    assert proxy.seen == []
    assert "\n\n".join(texts).replace(protected.env["production_bucket"], "BUCKET") == snapshot
    # Without credentials, there is nothing to keep.
    for command, stdin in commands:
        nobody = {"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
        assert outcome(*command, stdin=stdin, env=elsewhere | nobody, timeout=20).status == 5
    assert len(proxy.seen) == 2


def test_a_key_of_the_real_cloud_is_not_used_for_an_emulator(protected, outcome, emulator, key):
    """Nor is a token fetched for it."""
    done = outcome("aip-model", "list", env=protected.env | emulator.env | key("https://192.0.2.1/token"))
    assert done.status == 0, done.stderr
    assert "authorization" not in emulator.requests("GET")[-1]["requestHeaders"]
