"""Credentials of every kind, as Google's tools write them, for an emulator."""

import base64
import functools
import json
import stat
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci"
AUDIENCE = f"{POOL}/providers/github"
WORKFORCE = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/azure"
ROBOT = "robot@emulator.iam.gserviceaccount.com"
DEPLOYER = "deployer@emulator.iam.gserviceaccount.com"
JWT = "urn:ietf:params:oauth:token-type:jwt"
SAML = "urn:ietf:params:oauth:token-type:saml2"
JSON_FORMAT = {"type": "json", "subject_token_field_name": "value"}


@functools.cache
def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def id_token(subject="repo:acme/iris", lifetime=300):
    """As an identity provider signs them; nobody here checks the signature."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    now = int(time.time())
    claims = {
        "iss": "https://token.actions.githubusercontent.com", "sub": subject,
        "aud": f"https:{AUDIENCE}", "iat": now, "exp": now + lifetime,
    }
    header = {"alg": "RS256", "kid": "sesame", "typ": "JWT"}
    return f"{part(header)}.{part(claims)}.{part('sesame')}"


class Kinds:
    """Files in `directory` whose tokens come from the service at `url`."""

    def __init__(self, directory, url):
        self.directory, self.url = directory, url

    def write(self, name, content):
        path = self.directory / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def impersonation(self, email=ROBOT):
        return f"{self.url}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"

    def service_account(self, email=DEPLOYER, token_uri=None):
        return {
            "type": "service_account", "project_id": "emulator", "private_key_id": "1",
            "private_key": private_key(), "client_email": email,
            "client_id": "1", "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri or f"{self.url}/token",
        }

    def authorized_user(self, refresh_token="sesame-refresh", client_secret="sesame-secret"):
        return {
            "type": "authorized_user", "account": "", "universe_domain": "googleapis.com",
            "client_id": "1.apps.googleusercontent.com", "client_secret": client_secret,
            "refresh_token": refresh_token, "token_uri": f"{self.url}/token",
        }

    def external_account(self, source, token_type=JWT, **fields):
        return {
            "type": "external_account", "audience": AUDIENCE, "subject_token_type": token_type,
            "token_url": f"{self.url}/v1/token", "credential_source": source, **fields,
        }

    def from_text(self, token=None, **fields):
        path = self.write("subject.txt", token or id_token())
        return self.external_account({"file": path}, **fields)

    def from_json(self):
        path = self.write("subject.json", {"value": id_token()})
        return self.external_account({"file": path, "format": JSON_FORMAT})

    def from_executable(self, answer=None, script=None, token_type=JWT, **options):
        answer = answer or {
            "version": 1, "success": True, "token_type": token_type,
            "expiration_time": int(time.time()) + 600,
            "saml_response" if token_type == SAML else "id_token": id_token(),
        }
        printed = self.write("answer.json", answer)
        script = script or f'cat "{printed}"'
        program = self.directory / "get token"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        command = f"'{program}' --for \"two words\""
        source = {"executable": {"command": command, "timeout_millis": 5000, **options}}
        return self.external_account(source, token_type)

    def external_user(self, refresh_token="sesame-refresh", client_secret="sesame-secret"):
        return {
            "type": "external_account_authorized_user", "audience": WORKFORCE, "client_id": "1",
            "client_secret": client_secret, "refresh_token": refresh_token,
            "token_url": f"{self.url}/v1/oauthtoken",
        }

    def impersonated(self, source=None, email=ROBOT, **fields):
        return {
            "type": "impersonated_service_account", "delegates": [],
            "service_account_impersonation_url": self.impersonation(email),
            "source_credentials": source or self.authorized_user(), **fields,
        }


class IdentityProvider:
    """Gives tokens to a job, as GitHub Actions does."""

    def __init__(self):
        self.seen = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                url = urlsplit(self.path)
                provider.seen.append(self.path)
                audience = parse_qs(url.query).get("audience")
                authorized = self.headers["Authorization"] == "Bearer sesame-request"
                status = 200 if audience == [f"https:{AUDIENCE}"] and authorized else 401
                body = {"value": id_token()} if status == 200 else {"message": "No."}
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def source(self, token="sesame-request"):
        """What google-github-actions/auth writes."""
        return {
            "url": f"{self.url}?api-version=2.0&audience=https%3A{AUDIENCE.replace('/', '%2F')}",
            "headers": {"Authorization": f"Bearer {token}"},
            "format": JSON_FORMAT,
        }

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
