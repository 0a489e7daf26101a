"""What went wrong, as MLflow says it."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    PERMISSION_DENIED,
    REQUEST_LIMIT_EXCEEDED,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_CONFLICT,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
    UNAUTHENTICATED,
)

# What a service's HTTP status says; its reason is in the text.
BY_HTTP_STATUS = {
    400: INVALID_PARAMETER_VALUE,
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: RESOURCE_DOES_NOT_EXIST,
    409: RESOURCE_ALREADY_EXISTS,
    412: RESOURCE_CONFLICT,
    429: REQUEST_LIMIT_EXCEEDED,
}

# What the tools' exit status says where there is no HTTP status.
BY_EXIT_STATUS = {
    2: INVALID_PARAMETER_VALUE,
    3: INVALID_PARAMETER_VALUE,
    4: BAD_REQUEST,
    5: TEMPORARILY_UNAVAILABLE,
}


def code(exit_status: int, http_status: int | None = None) -> int:
    """The code for a tool's end. Usage is our caller's, whatever a service said."""
    if http_status in BY_HTTP_STATUS and exit_status not in (2, 3):
        return int(BY_HTTP_STATUS[http_status])
    return int(BY_EXIT_STATUS.get(exit_status, INTERNAL_ERROR))


def text(message: str, causes: Sequence[str] = (), hints: Sequence[str] = ()) -> str:
    """In the tools' form: a sentence, its causes in order, the next steps."""
    lines = [message]
    lines += [f"caused by: {cause}" for cause in causes]
    lines += [f"hint: {hint}" for hint in hints]
    return "\n".join(lines)


def invalid(message: str, *hints: str) -> MlflowException:
    """The caller asked for what cannot be."""
    return MlflowException(text(message, hints=hints), error_code=INVALID_PARAMETER_VALUE)


def exists(message: str, *hints: str) -> MlflowException:
    return MlflowException(text(message, hints=hints), error_code=RESOURCE_ALREADY_EXISTS)


def missing(message: str, *hints: str) -> MlflowException:
    return MlflowException(text(message, hints=hints), error_code=RESOURCE_DOES_NOT_EXIST)
