"""Image layouts that none of our tools made, and documents about them."""

from .layout import Layout, digest, layer


def make_layout(directory, layers, architecture="amd64"):
    """An image of these layers, each of one file (name: content); its digest."""
    archives = [layer({name: content}) for name, content in layers.items()]
    return digest(Layout(directory, {"Env": ["A=1"]}, archives, architecture).manifest)


def document(directory, **image):
    """A document about a bundle with this image in it, and no bucket."""
    return {
        "apiVersion": "mlflow-aip/v1",
        "kind": "Deployment",
        "spec": {"target": "vertex", "project": "acme", "model": "Iris", "version": "v3"},
        "stages": {
            "fetch": {"modelUri": "x", "directory": str(directory), "digest": "", "files": []},
            "bundle": {
                "directory": str(directory), "digest": "", "modelDirectory": str(directory),
                "package": {"name": "x", "version": "1"}, "sdist": {"path": "x", "size": 0},
                "predictionClass": "predictor.Predictor", "pythonVersion": "3.11",
                "requirements": [], "image": {"embedsModel": True, **image},
            },
        },
    }


def layout_document(directory, layers):
    """The same with a layout in it."""
    made = make_layout(directory / "image", layers)
    return document(directory, builder="oci", layout="image", digest=made), made
