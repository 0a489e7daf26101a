"""Asks what is deployed, with aip-predict."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import errors, inputs, tools

if TYPE_CHECKING:
    from mlflow.deployments import PredictionsResponse

    from .settings import Settings

PROGRAM = "aip-predict"

# A stream is asked for in requests of so many instances: of as many as fit, the
# first prediction would come with the last.
AT_A_TIME = 64


def predict(settings: Settings, given: Any) -> PredictionsResponse:
    """All predictions, and which version gave how many answers."""
    from mlflow.deployments import PredictionsResponse

    return PredictionsResponse(answer(settings, given))


def explain(settings: Settings, given: Any) -> Any:
    """Predictions with their explanations, of a model that was deployed with a
    specification of them; else what the service says about that."""
    return answer(settings, given, "--explain")


def stream(settings: Settings, given: Any) -> Iterator[dict[str, Any]]:
    """A response for each prediction, as they come. The service answers whole
    requests; it is asked in small ones, a few at the same time."""
    many = ("--output-format=jsonl", f"--max-instances={AT_A_TIME}")
    with question(settings, given) as args:
        lines = tools.lines(PROGRAM, *args, *many, document=settings.document())
        with contextlib.closing(lines):
            for line in lines:
                yield {"predictions": [json.loads(line)]}


def answer(settings: Settings, given: Any, *more: str) -> dict[str, Any]:
    with question(settings, given) as args:
        document = settings.document()
        said = tools.run(PROGRAM, *args, *more, "--output-format=json", document=document)
    found = json.loads(said)
    assert isinstance(found, dict)
    return found


@contextlib.contextmanager
def question(settings: Settings, given: Any) -> Iterator[list[str]]:
    """What aip-predict is told: whom to ask about which instances."""
    args = ["--document=-", *settings.credentials()]
    if "version" not in settings.spec:
        # Nor that of the environment: whichever is live is meant.
        args.append("--default-version")
    with tempfile.TemporaryDirectory(prefix="mlflow-aip-") as directory:
        try:
            place = written(inputs.read(given), Path(directory))
        except RecursionError:
            raise errors.invalid("the inputs are nested too deeply, or within themselves") from None
        yield [*args, f"--instances={place}"]


def written(request: inputs.Request, directory: Path) -> Path:
    """Instances one a line, so that neither program holds all of them as text.
    There, they have no room for anything beside them."""
    if not request.beside:
        place = directory / "instances.jsonl"
        with place.open("w", encoding="utf-8") as file:
            file.writelines(text(instance) + "\n" for instance in request.instances)
        if place.stat().st_size:
            return place
    place = directory / "instances.json"
    whole = {"instances": [*request.instances], **request.beside}
    place.write_text(text(whole), encoding="utf-8")
    return place


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
