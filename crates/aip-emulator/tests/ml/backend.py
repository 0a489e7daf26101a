"""A build backend that needs nothing but the standard library."""

import os
import zipfile


def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "package-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.write("predictor.py")
        info = "package-1.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: package\nVersion: 1\n")
        wheel.writestr(
            info + "WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(info + "RECORD", "")
    return name
