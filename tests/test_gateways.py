"""mlf-fetch from a real MLflow behind what companies put before it."""

import json

import pytest

from support.gateway import Authority, Gateway

NO_SYSTEM_TRUST = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", "SSL_CERT_FILE": "/nowhere"}


@pytest.fixture(scope="module")
def logged_once(mlflow_server):
    return mlflow_server(3).uri, mlflow_server(3).log("bare")["bare"]["run_id"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture
def gateway(logged_once, authority):
    """Makes gateways whose certificate the authority signed."""
    gateways = []

    def make(**options):
        gateways.append(Gateway(logged_once[0], authority.identity("server"), **options))
        return gateways[-1]

    yield make
    for one in gateways:
        one.end()


@pytest.fixture
def fetch(outcome, logged_once, tmp_path):
    def call(gateway, *args, **env):
        place = {"MLFLOW_TRACKING_URI": gateway.url, "tmp_dir": str(tmp_path)}
        env = NO_SYSTEM_TRUST | place | env
        uri = f"runs:/{logged_once[1]}/model"
        return outcome("mlf-fetch", uri, "--no-cache", *args, env=env)

    return call


def works(done):
    assert done.status == 0, done.stderr
    assert {"MLmodel", "requirements.txt"} <= {
        file["path"] for file in json.loads(done.stdout)["stages"]["fetch"]["files"]
    }


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE"])
def test_an_authority_of_ones_own(name, gateway, fetch, authority):
    works(fetch(gateway(), **{name: str(authority.path)}))


def test_a_stranger_is_not_trusted_unless_all_are(gateway, fetch, tmp_path):
    done = fetch(gateway())
    assert (done.status, done.stdout) == (5, "")
    assert "invalid peer certificate" in done.stderr
    assert "hint: name the authority that signed" in done.stderr
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in done.stderr
    other = Authority(tmp_path, "other")
    done = fetch(gateway(), MLFLOW_TRACKING_SERVER_CERT_PATH=str(other.path))
    assert done.status == 5 and "invalid peer certificate" in done.stderr
    done = fetch(gateway(), MLFLOW_TRACKING_INSECURE_TLS="true")
    works(done)
    assert "warning: the tracking server's certificate is not checked" in done.stderr
    done = fetch(
        gateway(),
        MLFLOW_TRACKING_INSECURE_TLS="true",
        MLFLOW_TRACKING_SERVER_CERT_PATH=str(other.path),
    )
    assert done.status == 2 and "are both set" in done.stderr


def test_a_certificate_of_ones_own(gateway, fetch, authority, tmp_path):
    strict = gateway(clients=authority)
    trust = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(authority.path)}
    done = fetch(strict, **trust)
    assert done.status == 5 and "MLFLOW_TRACKING_CLIENT_CERT_PATH" in done.stderr, done.stderr
    identity = authority.identity("ana")
    works(fetch(strict, **trust, MLFLOW_TRACKING_CLIENT_CERT_PATH=str(identity)))
    # Somebody else's key is found before anything is sent.
    mixed = tmp_path / "mixed.pem"
    bob, eve = (authority.identity(name).read_text() for name in ("bob", "eve"))
    key = "-----BEGIN PRIVATE"
    mixed.write_text(bob[: bob.index(key)] + eve[eve.index(key) :])
    done = fetch(strict, **trust, MLFLOW_TRACKING_CLIENT_CERT_PATH=str(mixed))
    assert done.status == 2 and "is no client certificate" in done.stderr, done.stderr


def test_logins_and_headers(gateway, fetch, authority):
    guarded = gateway(wants={"Authorization": "Bearer s3cret", "X-Api-Key": "k3y"})
    trust = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(authority.path)}
    done = fetch(guarded, **trust)
    assert done.status == 4 and "the server wants a login" in done.stderr
    flags = ("--header", "X-Api-Key: k3y", "--token-command", "echo s3cret", "-vv")
    done = fetch(guarded, *flags, **trust)
    works(done)
    assert "s3cret" not in done.stderr + done.stdout and "k3y" not in done.stderr + done.stdout
    headers = ("--header", "X-Api-Key: k3y", "--header", "Authorization: Bearer s3cret")
    works(fetch(guarded, *headers, **trust))
