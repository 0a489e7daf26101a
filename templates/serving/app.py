"""The routes: health and predict."""

import asyncio
import time

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from mlflow_aip_serving import logs, messages

# For the rest of a body, once its beginning has come.
BODY_SECONDS = 60

LOADING = messages.problem("the model is being loaded")


class TooLarge(Exception):
    """The body is over the limit."""


class TooSlow(Exception):
    """The rest of the body did not come."""


def make(settings, log, loader, workers):
    """Endpoints are ASGI applications themselves: starlette's wrapper for plain
    functions costs as much as all else here does."""
    predict = Predict(settings, log, loader, workers)
    routes = [
        Route(settings.health_route, Health(settings, log, loader), methods=["GET"]),
        Route(settings.predict_route, predict, methods=["POST"]),
        # Where a client comes by Vertex's invoke, its own path follows the prefix.
        Route("/invoke" + settings.predict_route, predict, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={404: _refuse, 405: _refuse})


def _refuse(request, error):
    message = "no {} {} here".format(request.method, request.url.path)
    return _json(error.status_code, messages.problem(message), error.headers)


def _json(status, body, headers=None):
    return Response(body, status, headers, media_type="application/json")


class Endpoint:
    """Answers with JSON, and logs the requests that are to be logged."""

    def __init__(self, settings, log, loader, least):
        self._settings, self._log, self._loader = settings, log, loader
        # The lowest status that is logged.
        self._least = least.get(settings.access_log, 1000)

    async def __call__(self, scope, receive, send):
        start = time.monotonic()
        headers = dict(scope["headers"])
        trace = logs.trace_fields(headers, self._settings.project)
        status, body = await self.answer(headers, receive, trace)
        if status >= self._least:
            seconds = time.monotonic() - start
            logs.access(self._log, _summary(scope, headers, status, body, seconds), trace)
        await _json(status, body)(scope, receive, send)


class Health(Endpoint):
    """Whether requests may come."""

    def __init__(self, settings, log, loader):
        super().__init__(settings, log, loader, least={"all": 0})

    async def answer(self, headers, receive, trace):
        ready = self._loader.predictor is not None
        return (200, b'{"status":"ready"}') if ready else (503, LOADING)


class Predict(Endpoint):
    """A request's way to the predictor and back. All but the moving of bytes is
    done by a worker: a large body is no matter of microseconds."""

    def __init__(self, settings, log, loader, workers):
        super().__init__(settings, log, loader, least={"all": 0, "predict": 0, "errors": 400})
        self._workers = workers

    async def answer(self, headers, receive, trace):
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
        if encoding != "identity":
            message = "the content encoding '{}' is not understood; send plain JSON"
            return 415, messages.problem(message.format(encoding))
        try:
            body = await self._body(headers, receive)
        except TooLarge:
            message = "the request is larger than {} bytes"
            return 413, messages.problem(message.format(self._settings.max_body))
        except (TooSlow, asyncio.TimeoutError):
            return 408, messages.problem("the rest of the request did not come")
        predictor = self._loader.predictor
        if predictor is None:
            return 503, LOADING
        loop = asyncio.get_running_loop()
        try:
            return await self._workers.run(loop, messages.answer, predictor, body, trace)
        except asyncio.CancelledError:
            # The server ends, and has waited long enough.
            return 503, messages.problem("the server has ended")

    async def _body(self, headers, receive):
        # A chunked body does not say beforehand how long it is.
        self._check(int(headers.get(b"content-length", b"0")))
        first = await receive()
        self._check(len(first.get("body", b"")))
        if not first.get("more_body"):
            return first.get("body", b"")
        return await asyncio.wait_for(self._rest(first["body"], receive), BODY_SECONDS)

    async def _rest(self, first, receive):
        parts, size, more = [first], len(first), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise TooSlow
            parts.append(message.get("body", b""))
            more = message.get("more_body")
            size += len(parts[-1])
            self._check(size)
        return b"".join(parts)

    def _check(self, size):
        if size > self._settings.max_body:
            raise TooLarge


def _summary(scope, headers, status, body, seconds):
    """Cloud Logging's HttpRequest. Nothing of a body, and no query."""
    return {
        "requestMethod": scope["method"],
        "requestUrl": scope["path"],
        "status": status,
        "requestSize": headers.get(b"content-length", b"").decode("latin-1"),
        "responseSize": str(len(body)),
        "latency": "{:.6f}s".format(seconds),
        "userAgent": headers.get(b"user-agent", b"").decode("latin-1"),
        "protocol": "HTTP/" + scope["http_version"],
    }
