"""How a local deployment is asked, in lines to copy."""

from __future__ import annotations

import itertools
import json
import shlex
from pathlib import Path
from typing import Any, Optional

from mlflow.exceptions import MlflowException

from . import inputs

# The variable that leads the clients of each service elsewhere.
OVERRIDES = {
    "vertex": "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM",
    "ai-platform": "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML",
}

# Of the model's own example: how many instances are shown, and of what length.
INSTANCES, LENGTH = 2, 1000

TEXT = """
{model!r} answers as the service would, requests of at most {limit}, at
  {url}


  curl {quoted} -H 'Content-Type: application/json' \\
    -d {request}

  export {variable}={root}/
  aip-predict {flags} --instances FILE
  mlflow deployments predict -t '{uri}' --name {name} --input-path FILE

  os.environ["{variable}"] = "{root}/"
  mlflow.deployments.get_deploy_client("{uri}").predict({model!r}, inputs)
"""


def how(root: str, document: dict[str, Any]) -> str:
    spec = document["spec"]
    place = "/".join(spec[name] for name in ("project", "region") if spec.get(name))
    flags = [f"--{name}={spec[name]}" for name in ("target", "project", "region") if spec.get(name)]
    asked = url(root, document)
    return TEXT.format(
        model=spec["model"],
        name=shlex.quote(spec["model"]),
        url=asked,
        quoted=shlex.quote(asked),
        limit="10 MB" if is_dedicated(document) else "1.5 MB",
        request=shlex.quote(json.dumps(example(document), ensure_ascii=False)),
        variable=OVERRIDES[spec["target"]],
        root=root,
        flags=shlex.join([*flags, f"--model={spec['model']}"]),
        uri=f"aiplatform://{place}?target={spec['target']}",
    )


def url(root: str, document: dict[str, Any]) -> str:
    """Where predictions are asked for, with a POST."""
    version = document["stages"]["version"]
    if is_dedicated(document):
        # Its own domain, which the emulator gives this name.
        root = root.replace("127.0.0.1", "localhost")
    return f"{root}/v1/{version.get('endpoint') or version['name']}:predict"


def is_dedicated(document: dict[str, Any]) -> bool:
    endpoint = document["spec"].get("vertex", {}).get("endpoint") or {}
    return bool(endpoint.get("dedicatedEndpointEnabled"))


def example(document: dict[str, Any]) -> dict[str, Any]:
    """The beginning of the model's own input example, as a request."""
    fetched = document["stages"]["fetch"]
    known = fetched.get("inputExample") or {}
    for name in (known.get("servingPath"), known.get("path")):
        if name and (found := request(Path(fetched["directory"], name))):
            return found
    return {"instances": []}


def request(file: Path) -> Optional[dict[str, Any]]:
    try:
        made = inputs.read(file.read_text(encoding="utf-8"))
        found = {"instances": list(itertools.islice(made.instances, INSTANCES)), **made.beside}
    except (OSError, MlflowException):
        return None
    return found if len(json.dumps(found)) <= LENGTH else None
