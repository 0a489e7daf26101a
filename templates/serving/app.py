"""The routes: health and predict."""

import asyncio
import logging
import time

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from mlflow_aip_serving import logs, messages

LOG = logging.getLogger("mlflow_aip_serving")

# For the rest of a body, once its beginning has come.
BODY_SECONDS = 60


class TooLarge(Exception):
    """The body is over the limit."""


def make(settings, loader, workers):
    """Endpoints are ASGI applications themselves: starlette's wrapper for plain
    functions costs as much as all else here does."""
    predict = Predict(settings, loader, workers)
    routes = [
        Route(settings.health_route, Health(settings, loader), methods=["GET"]),
        Route(settings.predict_route, predict, methods=["POST"]),
        # Where a client goes by Vertex's invoke, its own path follows the prefix.
        Route("/invoke" + settings.predict_route, predict, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={404: _refuse, 405: _refuse})


def _refuse(request, error):
    message = "no {} {} here".format(request.method, request.url.path)
    return _json(error.status_code, messages.problem(message), error.headers)


def _json(status, body, headers=None):
    return Response(body, status, headers, media_type="application/json")


class Health:
    """Whether requests may come."""

    def __init__(self, settings, loader):
        self._loader, self._settings = loader, settings

    async def __call__(self, scope, receive, send):
        start = time.monotonic()
        ready = self._loader.predictor is not None
        status, body = (200, b'{"status":"ready"}') if ready else (503, _LOADING)
        if self._settings.access_log == "all":
            _access(self._settings, scope, status, body, start)
        await _json(status, body)(scope, receive, send)


_LOADING = messages.problem("the model is being loaded")


class Predict:
    """A request's way to the predictor and back. All but the moving of bytes is
    done by a worker: a large body is no matter of microseconds."""

    def __init__(self, settings, loader, workers):
        self._settings, self._loader, self._workers = settings, loader, workers

    async def __call__(self, scope, receive, send):
        start = time.monotonic()
        status, body = await self._answer(scope, receive)
        if self._settings.access_log != "none":
            _access(self._settings, scope, status, body, start)
        await _json(status, body)(scope, receive, send)

    async def _answer(self, scope, receive):
        headers = dict(scope["headers"])
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
        if encoding != "identity":
            message = "the content encoding '{}' is not understood; send plain JSON"
            return 415, messages.problem(message.format(encoding))
        try:
            body = await self._body(headers, receive)
        except TooLarge:
            message = "the request is larger than {} bytes".format(self._settings.max_body)
            return 413, messages.problem(message)
        except asyncio.TimeoutError:
            return 408, messages.problem("the rest of the request did not come")
        predictor = self._loader.predictor
        if predictor is None:
            return 503, _LOADING
        trace = logs.trace_fields(headers, self._settings.project)
        loop = asyncio.get_running_loop()
        return await self._workers.run(loop, messages.answer, predictor, body, trace)

    async def _body(self, headers, receive):
        length = headers.get(b"content-length", b"0")
        if int(length) > self._settings.max_body:
            raise TooLarge
        message = await receive()
        body = message.get("body", b"")
        if not message.get("more_body"):
            return body
        return await asyncio.wait_for(self._rest([body], receive), BODY_SECONDS)

    async def _rest(self, parts, receive):
        size, more = len(parts[0]), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise asyncio.TimeoutError
            parts.append(message.get("body", b""))
            more = message.get("more_body")
            size += len(parts[-1])
            if size > self._settings.max_body:
                raise TooLarge
        return b"".join(parts)


def _access(settings, scope, status, body, start):
    """An entry of Cloud Logging's own form for requests. Nothing of a body."""
    headers = dict(scope["headers"])
    request = {
        "requestMethod": scope["method"],
        "requestUrl": scope["path"],
        "status": status,
        "requestSize": headers.get(b"content-length", b"").decode("latin-1"),
        "responseSize": str(len(body)),
        "latency": "{:.6f}s".format(time.monotonic() - start),
        "userAgent": headers.get(b"user-agent", b"").decode("latin-1"),
        "protocol": "HTTP/" + scope["http_version"],
    }
    fields = {"httpRequest": request}
    fields.update(logs.trace_fields(headers, settings.project) or ())
    level = logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO
    text = "{} {} {}".format(scope["method"], scope["path"], status)
    LOG.log(level, "%s", text, extra={"cloud_logging": fields})
