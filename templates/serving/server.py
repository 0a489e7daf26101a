"""The process: binds first, loads behind, ends when asked to."""

import logging
import os
import signal
import socket
import sys

from mlflow_aip_serving import logs, paths, settings

LOG = logging.getLogger("mlflow_aip_serving")

# Longer than the load balancers before it keep a connection (600 seconds): who
# closes first must be the one that sends requests.
KEEP_ALIVE = 620


def main():
    """Serves until it is told to end; the exit status."""
    log = logs.set_up()
    for number in (signal.SIGTERM, signal.SIGINT):
        # As process 1, Python would not hear them without a handler.
        signal.signal(number, lambda number, frame: sys.exit(0))
    try:
        options = settings.read()
        listener = _bind(options)
        return _serve(options, log, listener)
    except settings.BadSetting as error:
        LOG.critical("%s", error)
    except Exception as error:  # noqa: BLE001: a traceback is one entry of the log, too
        LOG.critical("the server cannot run: %s", error, exc_info=error)
    return 1


def _bind(options):
    """The port is open before anything heavy is imported: that is what the
    platform calls alive."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # Of a socket that does not say it is TCP, asyncio does not turn off Nagle's
    # algorithm, and each answer would wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((options.host, options.port))
    listener.listen(2048)
    LOG.info("listening on %s:%d", *listener.getsockname()[:2])
    return listener


def _serve(options, log, listener):
    paths.make_home()
    paths.add_site()
    # Only now is it known where they are.
    import uvicorn

    from mlflow_aip_serving import app, loader, worker

    def stop(*_):
        server.should_exit = True

    model = loader.Loader(options, on_failure=stop)
    workers = worker.Workers(options.threads)
    server = uvicorn.Server(
        uvicorn.Config(
            app.make(options, log, model, workers),
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=options.grace,
        )
    )
    # uvicorn takes the signals over, and when it is done raises what it caught
    # once more: these handlers make that harmless.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    # A process that a model forks ends by its signal like any other.
    os.register_at_fork(after_in_child=_forget_signals)
    model.start()
    server.run(sockets=[listener])
    return _end(model, workers)


def _forget_signals():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(model, workers):
    model.clean_up()
    status = 0
    if model.failed:
        status = 1  # The reason is the last that the log says.
    elif workers.busy():
        LOG.warning("the server has ended in the midst of a prediction")
        status = 1
    else:
        LOG.info("the server has ended")
    sys.stdout.flush()
    sys.stderr.flush()
    if workers.busy() or model.busy():
        # Python's own end, under threads that still run, may crash.
        os._exit(status)
    return status
