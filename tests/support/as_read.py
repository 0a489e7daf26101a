"""What the plugin makes of files that MLflow's CLI reads; runs beside either
MLflow. From a list of JSON texts on stdin, a list of requests, or of why not."""

import io
import json
import sys

import pandas
from mlflow_aip import inputs


def request(text):
    try:
        frame = pandas.read_json(io.StringIO(text))
    except ValueError as error:
        return {"pandas": str(error)}
    try:
        found = inputs.read(frame)
        return {"instances": list(found.instances), **found.beside}
    except Exception as error:
        return {"error": str(error)}


if __name__ == "__main__":
    json.dump([request(text) for text in json.load(sys.stdin)], sys.stdout)
