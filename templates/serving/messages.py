"""Requests and answers: {"instances": […]} → {"predictions": […]}."""

import json
import logging
import sys
import traceback

from mlflow_aip_serving import logs

LOG = logging.getLogger("mlflow_aip_serving")

# What MLflow's own server takes, and this one does not.
MLFLOW_KEYS = ("inputs", "dataframe_split", "dataframe_records")

# A predictor's message may hold the whole of its input.
LONGEST = 2000


class BadRequest(Exception):
    """Nothing was predicted, and why."""


def answer(predictor, body, trace):
    """A status and the bytes to send with it; runs in a worker."""
    logs.trace.set(trace)
    try:
        instances, parameters = parse(body)
    except BadRequest as error:
        return 400, problem(str(error))
    try:
        predictions = predictor.predict(instances, **parameters)
    except BaseException as error:  # noqa: BLE001: sys.exit in a model ends no server
        return _failed(error)
    try:
        return 200, encode({"predictions": predictions})
    except BaseException as error:  # noqa: BLE001: the thread must go on
        LOG.error("the predictor answered with what is no JSON", exc_info=error)
        return 500, problem("the predictor answered with what is no JSON; the log says more")


def parse(body):
    """The instances and the parameters. Numbers are as they were sent: an
    integer of any length stays exact."""
    if not body.strip():
        raise BadRequest('the request is empty; send {"instances": […]}')
    try:
        request = _decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadRequest("the request is not UTF-8 at byte {}".format(error.start)) from None
    except RecursionError:
        raise BadRequest("the request is nested too deeply") from None
    except ValueError as error:
        raise BadRequest("the request is not JSON: {}".format(error)) from None
    except MemoryError:
        raise BadRequest("the request is larger than the memory") from None
    if not isinstance(request, dict) or "instances" not in request:
        raise BadRequest(_no_instances(request))
    instances, parameters = request["instances"], request.get("parameters")
    if not isinstance(instances, list):
        raise BadRequest("'instances' is not a list")
    if "params" in request:
        raise BadRequest("'params' is not known here; the name is 'parameters'")
    if not isinstance(parameters, (dict, type(None))):
        raise BadRequest("'parameters' is not an object")
    return instances, parameters or {}


def _no_instances(request):
    message = 'the request has no "instances"; send {"instances": […]}'
    known = [key for key in MLFLOW_KEYS if isinstance(request, dict) and key in request]
    return message + " instead of '{}'".format(known[0]) if known else message


def _unique(pairs):
    """Of two values under one name, neither is surely the one that was meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError("'{}' is there twice in one object".format(twice))
    return found


def _constant(name):
    raise ValueError("{} is no JSON number; null stands for a missing one".format(name))


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encode(value):
    text = _encode(value)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        # Half of a surrogate pair, which JSON can only escape.
        return json.dumps(value, allow_nan=False).encode("ascii")


def problem(message):
    return encode({"error": message})


def _failed(error):
    if not _is_input(error):
        LOG.error("the prediction failed", exc_info=error)
        message = "the prediction failed: {}; the log says more"
        return 500, problem(message.format(type(error).__name__))
    # Where, but not what: the message may quote the instances.
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = type(error).__name__, place.name, place.filename, place.lineno
    LOG.warning("the input was refused: %s in %s (%s:%d)", *where)
    message = str(error) or type(error).__name__
    return 400, problem(message if len(message) <= LONGEST else message[:LONGEST] + "…")


def _is_input(error):
    """Whether the instances are to blame, as far as an exception can tell."""
    mlflow = sys.modules.get("mlflow.exceptions")
    kinds = (ValueError, TypeError) + ((mlflow.MlflowException,) if mlflow else ())
    return isinstance(error, kinds)
