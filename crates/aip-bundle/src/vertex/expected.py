"""Asks a predictor as the server of the image would, in a tree laid out like it."""

import sys

root, model, prediction_class, request, answer = sys.argv[1:]
sys.path.insert(0, root + "/app")

from mlflow_aip_serving import loader, messages, paths  # noqa: E402

paths.add_site()
predictor = loader.find_class(prediction_class).from_path(model)
with open(request, "rb") as file:
    instances, parameters = messages.parse(file.read())
predictions = predictor.predict(instances, **parameters)
with open(answer, "wb") as file:
    file.write(messages.encode({"predictions": predictions}))
