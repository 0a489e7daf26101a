"""What the environment asks for: Vertex AI's AIP_ variables, and our own."""

import os
from collections import namedtuple

# Vertex takes 10 MB at most; whoever calls the container directly may send more.
MAX_BODY = 100 << 20
# How long running requests are waited for. Kubernetes kills after 30 seconds.
GRACE = 25

# Which requests get an entry of their own: predictions that failed, all of them, or
# health checks too. At a thousand predictions a second, Cloud Logging bills for 40 GB
# a day; Vertex AI leaves its own access log out as well, unless it is asked for.
ACCESS_LOG = ("errors", "predict", "all", "none")

Settings = namedtuple(
    "Settings",
    "host port health_route predict_route storage_uri prediction_class "
    "threads max_body grace access_log project",
)


class BadSetting(Exception):
    """A variable's value is of no use."""


def read(environ=os.environ):
    """An empty variable counts as unset: Vertex sets AIP_STORAGE_URI to nothing
    where a model has no artifacts."""
    value = {name: text for name, text in environ.items() if text}.get
    return Settings(
        host=value("MLFLOW_AIP_HOST", "0.0.0.0"),
        port=_number(value, "AIP_HTTP_PORT", 8080, most=65535),
        health_route=_route(value, "AIP_HEALTH_ROUTE", "/health"),
        predict_route=_route(value, "AIP_PREDICT_ROUTE", "/predict"),
        storage_uri=value("AIP_STORAGE_URI"),
        prediction_class=value("MLFLOW_AIP_PREDICTION_CLASS", "predictor.Predictor"),
        threads=_number(value, "MLFLOW_AIP_THREADS", 1, least=1),
        max_body=_number(value, "MLFLOW_AIP_MAX_BODY", MAX_BODY, least=1),
        grace=_number(value, "MLFLOW_AIP_GRACE", GRACE),
        access_log=_choice(value, "MLFLOW_AIP_ACCESS_LOG", ACCESS_LOG),
        project=value("GOOGLE_CLOUD_PROJECT") or value("AIP_PROJECT_NUMBER"),
    )


def _number(value, name, default, least=0, most=1 << 62):
    text = value(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise BadSetting("{} is '{}', not a number from {}".format(name, text, least))
    return int(text)


def _route(value, name, default):
    route = value(name, default)
    if not route.startswith("/"):
        raise BadSetting("{} is '{}', which does not begin with '/'".format(name, route))
    return route


def _choice(value, name, choices):
    text = value(name, choices[0])
    if text not in choices:
        raise BadSetting("{} is '{}', not one of {}".format(name, text, ", ".join(choices)))
    return text
