"""The log: one JSON object a line on stdout, as Cloud Logging's agent reads it."""

import contextvars
import datetime
import faulthandler
import io
import json
import logging
import os
import sys
import threading
import time

# An entry of Cloud Logging ends at 256 KiB.
LONGEST = 100_000

# The trace of the request that a thread works for: what is logged belongs to it.
trace = contextvars.ContextVar("trace", default=None)

_encode = json.JSONEncoder(default=str).encode


class JsonLines(logging.Handler):
    """Writes entries to a stream that nobody else has."""

    def __init__(self, stream):
        super().__init__()
        self._stream = stream

    def emit(self, record):
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        self.say(record.levelname, message, {"logger": record.name}, record.created)

    def say(self, severity, message, fields, seconds=None):
        moment = datetime.datetime.fromtimestamp(seconds or time.time(), datetime.timezone.utc)
        if len(message) > LONGEST:
            message = message[: LONGEST // 2] + "\n…\n" + message[-LONGEST // 2 :]
        entry = {"severity": severity, "message": message, "time": moment.isoformat()}
        line = _encode({**entry, **fields, **(trace.get() or {})}) + "\n"
        with self.lock:
            try:
                self._stream.write(line)
                self._stream.flush()
            except (OSError, ValueError):
                pass  # Nobody reads any more; there is no other place to say it.


class Lines(io.RawIOBase):
    """A stream, each line of which is logged: what print() and old libraries write."""

    def __init__(self, handler, severity, name, descriptor):
        super().__init__()
        self._handler, self._severity, self._name = handler, severity, name
        self._descriptor = descriptor
        self._rest, self._lock = b"", threading.Lock()

    def writable(self):
        return True

    def fileno(self):
        return self._descriptor

    def write(self, data):
        data = bytes(data)
        with self._lock:
            *lines, self._rest = (self._rest + data).split(b"\n")
            # Progress bars never end their line.
            if len(self._rest) > LONGEST:
                lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            # A carriage return takes back what a terminal shows.
            text = line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
            if text.strip():
                # Not by a logger: what others hang on those may write to this stream.
                self._handler.say(self._severity, text, {"logger": self._name})
        return len(data)


def set_up():
    """From here on, all that Python code says is JSON.

    What a library in C writes to the descriptors itself is not held up: Cloud
    Logging takes its lines as text. So does it with what Python says when it is
    killed by a fault.
    """
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    handler = JsonLines(stream)
    logging.root.handlers, logging.root.level = [handler], logging.INFO
    logging.captureWarnings(True)
    logging.raiseExceptions = False
    # MLflow's own handler would write plain lines to stderr.
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
    sys.stdout = _stream(Lines(handler, "INFO", "stdout", 1))
    sys.stderr = _stream(Lines(handler, "WARNING", "stderr", 2))
    faulthandler.enable(2)
    threading.excepthook = _thread_failed
    return handler


def _stream(lines):
    return io.TextIOWrapper(lines, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _thread_failed(args):
    found = (args.exc_type, args.exc_value, args.exc_traceback)
    logging.getLogger("threading").error("thread '%s' failed", args.thread.name, exc_info=found)


def access(handler, request, fields):
    """An entry of Cloud Logging's own form for requests; a record of logging's
    would cost more than starlette does."""
    status = request["status"]
    severity = "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO"
    message = "{requestMethod} {requestUrl} {status}".format(**request)
    handler.say(severity, message, {"httpRequest": request, **(fields or {})})


def trace_fields(headers, project):
    """What ties an entry to its request's trace, from W3C's header or Google's."""
    parent = headers.get(b"traceparent", b"").decode("latin-1").split("-")
    if len(parent) == 4 and len(parent[1]) == 32:
        trace_id, span, sampled = parent[1], parent[2], parent[3][-1:] in "13579bdf"
    else:
        # TRACE/SPAN;o=OPTIONS, the span in decimal.
        context = headers.get(b"x-cloud-trace-context", b"").decode("latin-1")
        trace_id, _, rest = context.partition("/")
        number, _, options = rest.partition(";")
        span = "{:016x}".format(int(number)) if number.isdecimal() else None
        sampled = options == "o=1"
    if not trace_id:
        return None
    path = "projects/{}/traces/{}".format(project, trace_id) if project else trace_id
    fields = {"logging.googleapis.com/trace": path, "logging.googleapis.com/trace_sampled": sampled}
    return {**fields, "logging.googleapis.com/spanId": span} if span else fields
