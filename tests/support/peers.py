"""The same work as our tools do, as Python programs do it; for scripts/bench."""

import os
import subprocess
import sys
from pathlib import Path

SETUP = """
from setuptools import setup
setup(name="deploy_from_script", version="1", py_modules=["predictor"], scripts=["predictor.py"],
      install_requires=open("model/requirements.txt").read().split())
"""


def bucket():
    from google.cloud import storage

    return storage.Client(project="emulator").bucket(os.environ["production_bucket"])


def upload_each(directory, prefix="model"):
    there = bucket()
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            name = f"{prefix}/{path.relative_to(directory)}"
            there.blob(name).upload_from_filename(str(path), if_generation_match=0)


def upload_many(directory):
    from google.cloud.storage import transfer_manager

    names = [str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()]
    results = transfer_manager.upload_many_from_filenames(
        bucket(), names, source_directory=str(directory), worker_type="thread", max_workers=16,
        raise_exception=True,
    )
    assert len(results) == len(names)


def three_steps():
    """The article's way: MLflow's client, setuptools, google-cloud-storage."""
    import mlflow

    mlflow.set_tracking_uri(os.environ["tracking_uri"])
    model = mlflow.artifacts.download_artifacts(
        f"runs:/{os.environ['run_id']}/model", dst_path=os.getcwd()
    )
    if Path(model).name != "model":
        model = Path(model, "model")
    Path("setup.py").write_text(SETUP)
    Path("predictor.py").write_text("class Predictor: pass\n")
    subprocess.run(
        [sys.executable, "setup.py", "-q", "sdist", "--formats=gztar"],
        stdout=subprocess.DEVNULL, check=True,
    )
    upload_each(Path(model))
    upload_each(Path("dist"), "dist")


if __name__ == "__main__":
    way = sys.argv[1]
    if way == "three-steps":
        three_steps()
    else:
        {"upload-each": upload_each, "upload-many": upload_many}[way](Path(sys.argv[2]))
