"""The server in the image: a predictor behind Vertex AI's container contract.

`python3 …/app/mlflow_aip_serving` starts it. It stands beside the predictor it
serves, with nothing but starlette and uvicorn, on Python 3.7 or later.
"""
