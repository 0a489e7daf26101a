"""What lies around the server: the layers of the image.

    ROOT/app/mlflow_aip_serving/    this package, beside predictor.py
    ROOT/site/                      what the model requires
    ROOT/model/                     the model, where the image has one
"""

import os
import site
import sys
import tempfile

APP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(APP)
SITE = os.path.join(ROOT, "site")
MODEL = os.path.join(ROOT, "model")


def add_site():
    """Makes the dependencies importable, before those that the base brought.

    PYTHONPATH would do, were it not for packages that come with .pth files. The
    standard library stays in front, as it is for any installed package.
    """
    before = list(sys.path)
    site.addsitedir(SITE)
    added = [path for path in sys.path if path not in before]
    foreign = (i for i, path in enumerate(before) if path.endswith(("-packages", "-packages/")))
    place = next(foreign, len(before))
    sys.path[:] = before[:place] + added + before[place:]


def make_home():
    """Libraries keep caches below HOME; the image's user may have none."""
    if not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["HOME"] = tempfile.gettempdir()
