"""The emulator's token endpoints, asked by nobody's client."""

import json
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest

from support.credentials import AUDIENCE, JWT, ROBOT, id_token

EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": AUDIENCE,
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "scope": "https://www.googleapis.com/auth/cloud-platform", "subject_token_type": JWT,
}
IAM = f"/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"
SCOPE = {"scope": ["https://www.googleapis.com/auth/cloud-platform"]}


def form(emulator, path, fields):
    request = urllib.request.Request(emulator.url + path, urlencode(fields).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def exchanged(emulator):
    status, answer = form(emulator, "/v1/token", EXCHANGE | {"subject_token": id_token()})
    assert status == 200, answer
    return answer


def test_the_security_token_service_reads_forms_and_json(emulator):
    answer = exchanged(emulator)
    assert answer["issued_token_type"] == EXCHANGE["requested_token_type"]
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3599)

    def camel(name):
        first, *rest = name.split("_")
        return first + "".join(word.capitalize() for word in rest)

    fields = EXCHANGE | {"subject_token": id_token()}
    body = {camel(name): value for name, value in fields.items()}
    status, again = emulator.call("POST", "/v1/token", body)
    assert status == 200 and again["access_token"] != answer["access_token"]


@pytest.mark.parametrize("field", [*EXCHANGE, "subject_token"])
def test_it_wants_all_fields(emulator, field):
    fields = EXCHANGE | {"subject_token": id_token()}
    del fields[field]
    status, answer = form(emulator, "/v1/token", fields)
    assert (status, answer["error"]) == (400, "invalid_request")
    assert answer["error_description"].endswith(field)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "client_id": "1", "client_secret": "s"}, "invalid_request"),
    ],
    ids=["nothing", "password", "no client", "no token"],
)
def test_the_oauth_endpoint_refuses(emulator, fields, error):
    status, answer = form(emulator, "/token", fields)
    assert (status, answer["error"]) == (400, error)


def test_iam_wants_one_of_our_tokens(emulator):
    for headers in ({}, {"Authorization": "Bearer sesame"}, {"Authorization": "Basic c2VzYW1l"}):
        status, answer = emulator.call("POST", IAM, SCOPE, headers)
        assert (status, answer["error"]["status"]) == (401, "UNAUTHENTICATED")
    headers = {"Authorization": f"Bearer {exchanged(emulator)['access_token']}"}
    status, answer = emulator.call("POST", IAM, SCOPE, headers)
    assert status == 200 and sorted(answer) == ["accessToken", "expireTime"]
    # The next in the chain.
    chain = {"delegates": [f"projects/-/serviceAccounts/{ROBOT}"], "lifetime": "60s"}
    headers = {"Authorization": f"Bearer {answer['accessToken']}"}
    assert emulator.call("POST", IAM, SCOPE | chain, headers)[0] == 200
    for path, body in [
        (IAM, {}), (IAM, SCOPE | {"lifetime": "3601s"}), (IAM, SCOPE | {"lifetime": 60}),
        (IAM, SCOPE | {"delegates": [ROBOT]}), (IAM, SCOPE | {"secret": 1}),
        (IAM.replace("/-/", "/emulator/"), SCOPE),
    ]:
        status, answer = emulator.call("POST", path, body, headers)
        assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT"), (path, body)


def test_the_metadata_server_wants_its_header(emulator):
    def get(path, **headers):
        request = urllib.request.Request(f"{emulator.url}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers["Metadata-Flavor"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Metadata-Flavor"], error.read().decode()

    google = {"Metadata-Flavor": "Google"}
    root = "/computeMetadata/v1"
    account = f"{root}/instance/service-accounts"
    assert get("/", **google)[:2] == (200, "Google")
    assert get("/")[:2] == (404, None)
    for path, content in [
        (f"{root}/project/project-id", "emulator"),
        (f"{root}/universe/universe-domain", "googleapis.com"),
        (f"{account}/default/email", "emulator@emulator.iam.gserviceaccount.com"),
    ]:
        assert get(path, **google) == (200, "Google", content)
        assert get(path)[0] == get(path, **google, **{"X-Forwarded-For": "192.0.2.1"})[0] == 403
    token = json.loads(get(f"{account}/default/token?scopes=x", **google)[2])
    assert token["token_type"] == "Bearer" and token["access_token"].startswith("ya29.")
    about = json.loads(get(f"{account}/default/?recursive=true", **google)[2])
    assert about["email"] in get(f"{account}/", **google)[2]
    assert get(f"{account}/ana@example.com/token", **google)[0] == 404
