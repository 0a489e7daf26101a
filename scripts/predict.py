#!/usr/bin/env python3
"""Asks a deployed version with Google's own client, as in the article.

    scripts/predict.py projects/P/models/M[/versions/V] INSTANCES.json
"""

import json
import os
import sys

from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery


def predict(name, instances):
    endpoint = os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_ML")
    service = discovery.build(
        "ml",
        "v1",
        static_discovery=True,
        client_options={"api_endpoint": endpoint.rstrip("/")} if endpoint else None,
        # Only an endpoint of one's own goes without credentials.
        credentials=AnonymousCredentials() if endpoint else None,
    )
    response = service.projects().predict(name=name, body={"instances": instances}).execute()
    if "error" in response:
        raise RuntimeError(response["error"])
    return response["predictions"]


if __name__ == "__main__":
    name, path = sys.argv[1:]
    with open(path) as file:
        print(json.dumps(predict(name, json.load(file)["instances"])))
