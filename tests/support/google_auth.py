"""Google's own library gets a token and asks for the models with it.

    python google_auth.py EMULATOR

The credentials are found as google-auth finds them. Two addresses are fixed in
the library, whatever the file says: they are pointed at the emulator here.
"""

import json
import sys

import google.auth
import google.auth.iam
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


def local(credentials, emulator):
    """A person's token comes from this emulator."""
    if isinstance(credentials, Credentials):
        return credentials.with_token_uri(f"{emulator}/token")
    source = getattr(credentials, "_source_credentials", None)
    if isinstance(source, Credentials):
        credentials._source_credentials = local(source, emulator)
    return credentials


def main(emulator):
    google.auth.iam._IAM_ENDPOINT = (
        emulator + "/v1/projects/-/serviceAccounts/{}:generateAccessToken"
    )
    # With scopes, it would ask the real Resource Manager for the project.
    credentials, _ = google.auth.default()
    credentials = local(credentials, emulator)
    if getattr(credentials, "requires_scopes", False):
        credentials = credentials.with_scopes(SCOPES)
    request = Request()
    credentials.refresh(request)
    headers = {"Authorization": f"Bearer {credentials.token}"}
    answer = request(f"{emulator}/v1/projects/emulator/models", headers=headers)
    email = getattr(credentials, "service_account_email", None)
    print(json.dumps({"status": answer.status, "email": email, "token": credentials.token}))


if __name__ == "__main__":
    main(sys.argv[1])
