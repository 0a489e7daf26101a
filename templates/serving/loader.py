"""From the environment to a predictor that answers, in the background."""

import gc
import importlib
import logging
import os
import shutil
import sys
import threading
import time
from urllib.parse import unquote, urlsplit

from mlflow_aip_serving import paths, storage

LOG = logging.getLogger("mlflow_aip_serving")


class CannotLoad(Exception):
    """What is asked for is not there."""


class Loader:
    """Loads in a thread of its own; `predictor` is None until that is done."""

    def __init__(self, settings, on_failure):
        self.predictor, self.failed = None, False
        self._settings, self._on_failure = settings, on_failure
        self._downloads = []
        self._thread = threading.Thread(target=self._load, name="load", daemon=True)

    def start(self):
        self._thread.start()

    def busy(self):
        return self._thread.is_alive()

    def clean_up(self):
        for directory in self._downloads:
            shutil.rmtree(directory, ignore_errors=True)

    def _load(self):
        start = time.monotonic()
        try:
            directory = self._model()
            predictor = find_class(self._settings.prediction_class).from_path(directory)
        except BaseException as error:  # noqa: BLE001: whatever it is, the platform must see it
            LOG.critical("the model cannot be loaded: %s", error, exc_info=error)
            self.failed = True
            self._on_failure()
            return
        # What is there now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        self.predictor = predictor
        LOG.info("the model is loaded after %.1f s", time.monotonic() - start)

    def _model(self):
        """The directory of the model: the one that is asked for, else the image's."""
        uri = self._settings.storage_uri
        if uri is None:
            if not os.path.isdir(paths.MODEL):
                message = "there is no model: AIP_STORAGE_URI is not set and {} does not exist"
                raise CannotLoad(message.format(paths.MODEL))
            return paths.MODEL
        parts = urlsplit(uri)
        if parts.scheme == "gs":
            directory = storage.new_directory()
            self._downloads.append(directory)
            storage.download(uri, directory)
            return directory
        if parts.scheme not in ("", "file"):
            raise CannotLoad("AIP_STORAGE_URI '{}' is neither gs:// nor a path".format(uri))
        path = unquote(parts.path) if parts.scheme else uri
        if not os.path.isdir(path):
            raise CannotLoad("AIP_STORAGE_URI '{}' is no directory".format(uri))
        return path


def find_class(name):
    """The class by its dotted name, from the modules beside this package."""
    module, _, attribute = name.rpartition(".")
    if not module:
        raise CannotLoad("the prediction class '{}' is not of the form module.Class".format(name))
    found = getattr(importlib.import_module(module), attribute, None)
    if found is None:
        raise CannotLoad("{} has no class '{}'".format(sys.modules[module].__file__, attribute))
    for method in ("from_path", "predict"):
        if not callable(getattr(found, method, None)):
            raise CannotLoad("the prediction class '{}' has no method {}".format(name, method))
    return found
