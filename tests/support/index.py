"""A directory of packages that uv takes for all there are."""

import base64
import hashlib
import io
import tarfile
import zipfile


class Index:
    """Stand-ins for what an image needs, and one package of sources alone."""

    def __init__(self, directory):
        self.directory = directory / "index"
        self.directory.mkdir()
        self.config = directory / "uv.toml"
        self.config.write_text(f'no-index = true\nfind-links = ["{self.directory}"]\n')
        for name in ("httptools", "mlflow_skinny", "numpy", "pandas", "starlette", "uvicorn"):
            self.wheel(name, "1.0")
        self.sources("from_sources", "1.0")

    def env(self):
        return {"UV_CONFIG_FILE": str(self.config)}

    def wheel(self, name, version):
        info = f"{name}-{version}.dist-info"
        files = {
            f"{name}/__init__.py": f"__version__ = '{version}'\n",
            f"{info}/METADATA": metadata(name, version),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            # A script, which begins with the path of a Python.
            f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        }
        record = [f"{path},{digest(text)},{len(text)}" for path, text in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,\n"])
        with zipfile.ZipFile(self.directory / f"{name}-{version}-py3-none-any.whl", "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)

    def sources(self, name, version):
        root = f"{name}-{version}"
        with tarfile.open(self.directory / f"{root}.tar.gz", "w:gz") as archive:
            for path, text in {
                "PKG-INFO": metadata(name, version),
                "pyproject.toml": "[build-system]\nrequires = ['setuptools']\n",
            }.items():
                entry = tarfile.TarInfo(f"{root}/{path}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))


def metadata(name, version):
    return f"Metadata-Version: 2.2\nName: {name.replace('_', '-')}\nVersion: {version}\n"


def digest(text):
    hashed = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
