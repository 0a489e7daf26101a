"""Serves one version of a model to the emulator, as AI Platform's own server did.

    worker.py MODEL_DIR LIB    (environment: create_version_request)

Frames go both ways over the pipes that are stdin and stdout at the start: a
line with an id and a length, then that many bytes. Frame 0 from here says
that the model is loaded, or why it is not. A request is answered by two frames
of its id: an empty one when the model gets it, and the HTTP response's body.
"""

import base64
import inspect
import json
import os
import pydoc
import queue
import signal
import sys
import threading
import traceback

# What went wrong and its number, as the service counted.
FAILED_TO_LOAD = ("Failed to load model", 0)
INVALID_USER_CODE = ("There was a problem processing the user code", 4)

# The named parameters of predict; **kwargs may follow, nothing else.
PREDICT_SIGNATURE = ["self", "instances"]

REQUEST_FORMAT = (
    "The service expects the request to be a valid JSON object with a "
    "list-valued attribute called `instances`, i.e. `{\"instances\": [...]}`."
)


class LoadError(Exception):
    """Why a version cannot be served."""

    def __init__(self, kind, detail):
        super().__init__("%s: %s (Error code: %d)" % (kind[0], detail, kind[1]))


def take_pipes():
    """Moves the protocol to private descriptors.

    What user code reads from stdin is then empty, and what it prints, from
    Python or from C, goes to stderr instead of between two frames. Neither
    descriptor is inherited by what user code starts.
    """
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def read_frame(source):
    """The next (id, body), or None when the emulator is gone."""
    head = source.readline().split()
    if len(head) != 2:
        return None
    length = int(head[1])
    body = source.read(length)
    return (int(head[0]), body) if len(body) == length else None


def write_frame(sink, number, answer):
    body = answer.encode("utf-8")
    sink.write(b"%d %d\n" % (number, len(body)) + body)
    sink.flush()


def end_with_the_emulator():
    """Leaves nothing behind, not even what the user's code started."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(0)


def collect(source, frames):
    """Reads requests while the model is busy, so that the emulator's end is
    noticed even then."""
    while True:
        frame = read_frame(source)
        if frame is None:
            end_with_the_emulator()
        frames.put(frame)


def find_class(request):
    """The class that the version names, if it keeps the contract."""
    name = request["prediction_class"]
    found = pydoc.locate(name)
    if not found:
        raise LoadError(
            INVALID_USER_CODE,
            "%s cannot be found. Please make sure (1) prediction_class is the fully "
            "qualified function name, and (2) it uses the correct package name as "
            "provided by the package_uris: %s" % (name, request["package_uris"]),
        )
    short = getattr(found, "__name__", name)
    if not hasattr(found, "from_path"):
        raise LoadError(
            INVALID_USER_CODE,
            "User provided model class %s must implement the from_path method." % short,
        )
    if not hasattr(found, "predict"):
        raise LoadError(
            INVALID_USER_CODE,
            "The provided model class, %s, is missing the required predict method." % short,
        )
    signature = inspect.getfullargspec(found.predict).args
    if len(signature) != len(PREDICT_SIGNATURE):
        raise LoadError(
            INVALID_USER_CODE,
            "The provided model class, %s, has a predict method with an invalid "
            "signature. Expected signature: %s User signature: %s"
            % (short, PREDICT_SIGNATURE, signature),
        )
    return found


def load(model_dir):
    """The user's model, or a LoadError."""
    request = json.loads(os.environ["create_version_request"])["version"]
    try:
        return find_class(request).from_path(model_dir)
    except LoadError:
        raise
    except Exception as error:
        traceback.print_exc()
        raise LoadError(FAILED_TO_LOAD, "Unexpected error when loading the model: %s" % error)


def decode_base64(data):
    """Bytes for every {"b64": "..."}, at any depth."""
    if isinstance(data, list):
        return [decode_base64(item) for item in data]
    if isinstance(data, dict):
        if set(data) == {"b64"}:
            return base64.b64decode(data["b64"])
        return {key: decode_base64(value) for key, value in data.items()}
    return data


def failure(message):
    print(message, file=sys.stderr, flush=True)
    return json.dumps({"error": message})


def answer(model, body):
    """The body of the response, whatever the request and the user's code do."""
    text = body.decode("utf-8", "replace")
    try:
        request = json.loads(text)
    except ValueError:
        if not text.strip():
            return failure("Empty request body. " + REQUEST_FORMAT)
        return failure(
            "The request did not contain valid JSON. %s The received request was:\n%s"
            % (REQUEST_FORMAT, text)
        )
    if not isinstance(request, dict) or "instances" not in request:
        return failure(
            "Invalid request. %s The received request was:\n%s" % (REQUEST_FORMAT, text)
        )
    instances = request.pop("instances")
    try:
        instances = decode_base64(instances)
    except TypeError as error:
        return failure("Base64 decode failed: %s" % error)
    except Exception:
        return failure("Base64 decode failed.")
    try:
        predictions = model.predict(instances, **request)
    except Exception:
        traceback.print_exc()
        return failure("Prediction failed: unknown error.")
    try:
        return json.dumps({"predictions": predictions})
    except Exception as error:
        return failure(
            "Failed to json encode the prediction response: %s If your output is not text, "
            "did you forget to suffix the alias of your output tensor with _bytes?" % error
        )


def main():
    model_dir, lib = sys.argv[1:]
    source, sink = take_pipes()
    frames = queue.Queue()
    threading.Thread(target=collect, args=(source, frames), daemon=True).start()
    # The service put the packages last, and only their library directory: a
    # module that setup.py lists under `scripts` is found in `bin` as well.
    sys.path += [lib, os.path.join(lib, "bin")]
    try:
        model = load(model_dir)
    except LoadError as error:
        write_frame(sink, 0, json.dumps({"error": str(error)}))
        return
    write_frame(sink, 0, json.dumps({"ready": True}))
    while True:
        number, body = frames.get()
        write_frame(sink, number, "")
        write_frame(sink, number, answer(model, body))


if __name__ == "__main__":
    main()
