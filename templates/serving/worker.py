"""Threads that predict, so that health is answered meanwhile."""

import queue
import threading


class Workers:
    """Does what the event loop hands over, one thing after another by default:
    few models may be asked by two threads at once.

    concurrent.futures would do the same for a third more CPU per request.
    """

    def __init__(self, count):
        self._jobs = queue.SimpleQueue()
        self._running = set()
        for number in range(count):
            name = "predict-{}".format(number)
            # Daemons, for the process is not to wait for a prediction without end.
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def run(self, loop, function, *args):
        """A future of the loop; `function` must not raise."""
        future = loop.create_future()
        self._jobs.put((loop, future, function, args))
        return future

    def busy(self):
        return bool(self._running)

    def _work(self):
        while True:
            loop, future, function, args = self._jobs.get()
            # Whoever asked may be gone by now.
            if not future.cancelled():
                self._running.add(future)
                _tell(loop, future, function(*args))
                self._running.discard(future)
            # Nothing of a request is kept until the next one comes.
            del future, args


def _tell(loop, future, result):
    try:
        loop.call_soon_threadsafe(_settle, future, result)
    except RuntimeError:
        pass  # The server has ended; nobody waits.


def _settle(future, result):
    if not future.done():
        future.set_result(result)
