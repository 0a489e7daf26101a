#!/usr/bin/env python3
"""Deploys a model of MLflow and asks it for predictions, from Python:

    export tracking_uri=http://localhost:5000 run_id=… model_name=iris version_name=v1
    export project_id=… production_bucket=… production_route=iris
    scripts/deploy.py [INSTANCES.json]

In an environment that has the plugin (make install-plugin), which reads these
variables itself. scripts/deploy does the same in the shell.
"""

import os
import sys
from pathlib import Path

from mlflow.deployments import get_deploy_client


def deploy(name, model_uri, instances=None):
    client = get_deploy_client("aiplatform")
    deployment = client.create_deployment(name, model_uri)
    print(f"version {deployment['version']} of {name} is deployed", file=sys.stderr)
    if instances:
        print(client.predict(name, Path(instances).read_text()).to_json())


if __name__ == "__main__":
    deploy(os.environ["model_name"], os.environ["run_id"], *sys.argv[1:])
