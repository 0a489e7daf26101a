"""Calls methods of MLflow's deployment client; runs in the plugin's environment.

    calls.py TARGET_URI CALLS.json    with [[METHOD, {ARGUMENT: VALUE}], …]

Prints JSON: for each call its answer, or the error's code and message.
"""

import json
import sys

from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException


def call(client, method, arguments):
    try:
        answer = getattr(client, method)(**arguments)
    except MlflowException as error:
        return {"error": error.error_code, "message": error.message}
    except NotImplementedError:
        return {"error": "NotImplementedError"}
    return {"answer": list(answer) if method == "predict_stream" else answer}


def main():
    uri, path = sys.argv[1:]
    client = get_deploy_client(uri)
    with open(path) as file:
        calls = json.load(file)
    json.dump([call(client, method, arguments) for method, arguments in calls], sys.stdout)


if __name__ == "__main__":
    main()
