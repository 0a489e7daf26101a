"""The judge itself: a contract test that cannot fail proves nothing.

The requests and answers of all other tests are judged when their emulators end
(conftest.py)."""

import json

import pytest

from support.discovery import DOCUMENTS, closure, entry_problems, find
from support.places import ROOT

VERTEX = "/v1/projects/p/locations/l"
OBJECT = {"kind": "storage#object", "name": "n", "size": "3", "generation": "1"}


def entry(verb, path, status=200, query="", request=None, answer=None, agent="mlflow-aip/0.1.0"):
    return {
        "method": verb, "path": path, "query": query, "status": status,
        "requestHeaders": {"user-agent": agent}, "requestBody": request, "responseBody": answer,
    }


@pytest.mark.parametrize(
    ("verb", "path", "method"),
    [
        ("POST", "/v1/projects/p/models", "ml.projects.models.create"),
        ("GET", "/v1/projects/p/models/m/versions/v", "ml.projects.models.versions.get"),
        ("POST", "/v1/projects/p/models/m:predict", "ml.projects.predict"),
        ("POST", "/v1/projects/p/models/m/versions/v:setDefault",
         "ml.projects.models.versions.setDefault"),
        ("GET", "/v1/projects/p/operations/o", "ml.projects.operations.get"),
        ("POST", "/v1/projects/p/locations/l/models:upload",
         "aiplatform.projects.locations.models.upload"),
        ("DELETE", "/v1/projects/p/locations/l/models/m@1:deleteVersion",
         "aiplatform.projects.locations.models.deleteVersion"),
        ("GET", "/ui/projects/p/locations/l/models/m/operations/1",
         "aiplatform.projects.locations.models.operations.get"),
        ("GET", "/v1beta1/projects/p/locations/l/operations/1",
         "aiplatform.projects.locations.operations.get"),
        ("POST", "/v1/projects/p/locations/l/endpoints/e:predict",
         "aiplatform.projects.locations.endpoints.predict"),
        ("POST", "/v1/projects/p/locations/l/endpoints/e/deployedModels/1/invoke/a/b",
         "aiplatform.projects.locations.endpoints.deployedModels.invoke.invoke"),
        ("POST", "/v2/entries:list", "logging.entries.list"),
        ("GET", "/storage/v1/b/b/o/a%2Fb", "storage.objects.get"),
        ("GET", "/download/storage/v1/b/b/o/a%2Fb", "storage.objects.get"),
        ("POST", "/upload/storage/v1/b/b/o", "storage.objects.insert"),
        ("POST", "/resumable/upload/storage/v1/b/b/o", "storage.objects.insert"),
        ("POST", "/storage/v1/b/b/o/x/compose", "storage.objects.compose"),
        ("GET", "/v1/projects/p/locations/l/models/m@v1",
         "aiplatform.projects.locations.models.get"),
        ("GET", "/v1/projects/p/locations/l/models/m:listVersions",
         "aiplatform.projects.locations.models.listVersions"),
    ],
)
def test_methods_are_found_by_verb_and_path(verb, path, method):
    assert find(verb, path)[1].id == method


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        (entry("GET", "/storage/v1/b/b/o/n", answer=OBJECT), None),
        (entry("GET", "/storage/v1/b/b/o/n", answer=OBJECT | {"size": 3}), "is not of type 'string'"),
        (entry("GET", "/storage/v1/b/b/o/n", answer=OBJECT | {"new": 1}), "'new' was unexpected"),
        (entry("GET", "/storage/v1/b/b/o/n", answer=OBJECT | {"updated": "today"}), "'today'"),
        (entry("GET", "/storage/v1/b/b/o", query="prefx=a", answer={}), "parameter 'prefx'"),
        (entry("GET", "/storage/v1/b/b/o", query="maxResults=x", answer={}), "is no integer"),
        (entry("GET", "/storage/v1/b/b/o", query="projection=half", answer={}), "is not one of"),
        (entry("GET", "/v1/projects/p/models", answer=None), "no GoogleCloudMlV1__ListModels"),
        (entry("GET", "/v1/nothing", answer={}), "no such method"),
        (entry("POST", "/v1/projects/p/models", request={"nme": "m"}, answer={}), "'nme'"),
        (entry("POST", "/v1/projects/p/models/m/versions", request={"createTime": "x"}, answer={}),
         "'createTime' was unexpected"),
        (entry("POST", "/v1/projects/p/models/m/versions", request={"state": "READY", "isDefault": 1},
               answer={}), "isDefault"),
        (entry("POST", "/v1/projects/p/models/m/versions", request={"framework": "TORCH"}, answer={}),
         "'TORCH' is not one of"),
        (entry("POST", "/v1/projects/p/models/m:predict", request={"any": 1}, answer=[1]), None),
        (entry("GET", "/v1/projects/p/models/m", 404, answer={"error": {"code": 404, "message": "no"}}),
         None),
        (entry("GET", "/v1/projects/p/models/m", 404, answer={"error": "no"}), "is not of type"),
        (entry("GET", "/v1/projects/p/models/m", 404, answer={"error": {"code": 400, "message": "no"}}),
         "status 404 but code 400"),
        (entry("GET", "/v1/projects/p/operations/o", answer={"done": True, "response": {
            "@type": "type.googleapis.com/google.cloud.ml.v1.Version", "sate": "READY"}}), "'sate'"),
        (entry("POST", f"{VERTEX}/endpoints", query="endpointId=e", request={"displayName": "e"},
               answer={"name": "o"}), None),
        (entry("POST", f"{VERTEX}/endpoints", query="endpoint=e", request={}, answer={}), "'endpoint'"),
        (entry("POST", f"{VERTEX}/endpoints", request={"createTime": "now"}, answer={}), "createTime"),
        (entry("PATCH", f"{VERTEX}/endpoints/e", request={"createTime": "2026-01-01T00:00:00Z"},
               answer={"name": "e"}), None),
        (entry("GET", f"{VERTEX}/endpoints/e", answer={"trafficSplit": {"1": "100"}}), "'100'"),
        (entry("GET", f"{VERTEX}/operations/o", answer={"done": True, "response": {
            "@type": "type.googleapis.com/google.cloud.aiplatform.v1.Model", "nme": "m"}}), "'nme'"),
        (entry("POST", f"{VERTEX}/endpoints/e:rawPredict", request=[1], answer="any"), None),
        (entry("POST", f"{VERTEX}/endpoints/e:predict", request={"instances": 1}, answer={}),
         "is not of type 'array'"),
        (entry("POST", "/v2/entries:list", request={"filter": "a=b"}, answer={"entries": [{"txt": 1}]}),
         "'txt'"),
        (entry("PUT", "/v2/a/manifests/v1", request={"any": 1}, answer=None), None),
        # Others may send what is wrong, if they are told so; ours may not.
        (entry("GET", "/storage/v1/b/b/o", 400, "prefx=a", agent="curl",
               answer={"error": {"code": 400, "message": "no"}}), None),
        (entry("GET", "/storage/v1/b/b/o", 400, "prefx=a",
               answer={"error": {"code": 400, "message": "no"}}), "parameter 'prefx'"),
        (entry("PUT", "/upload/storage/v1/b/b/o", 308, "uploadType=resumable&upload_id=x"), None),
        (entry("PUT", "/upload/storage/v1/b/b/o", 200, "uploadType=resumable&upload_id=x",
               answer=OBJECT | {"new": 1}), "'new'"),
    ],
)
def test_what_is_wrong_is_found(seen, problem):
    found = list(entry_problems(seen))
    if problem is None:
        assert found == []
    else:
        assert problem in "\n".join(found)


PREFIX = "GoogleCloudAiplatformV1"

# What the requests that the emulator reads are made of.
REQUESTS = [
    "BatchPredictionJob", "CancelBatchPredictionJobRequest", "DeployModelRequest", "Endpoint",
    "ExplainRequest", "MergeVersionAliasesRequest", "MutateDeployedModelRequest", "PredictRequest",
    "UndeployModelRequest", "UpdateEndpointLongRunningRequest", "UploadModelRequest",
]


def described(node):
    """A field as the emulator describes it."""
    if node.get("readOnly"):
        return "output"
    if "$ref" in node:
        return node["$ref"].removeprefix(PREFIX)
    if node["type"] == "array":
        return [described(node["items"])]
    if node["type"] == "object":
        return {"*": described(node["additionalProperties"])}
    if "enum" in node:
        return {"enum": node["enum"]}
    return node.get("format") or node["type"]


def test_the_emulator_reads_requests_by_the_document():
    schemas = json.loads((DOCUMENTS / "aiplatform.v1.json").read_text())["schemas"]
    inputs = {name: writable(schema) for name, schema in schemas.items()}
    names = set().union(*(closure(inputs, PREFIX + name) for name in REQUESTS))
    expected = {
        name.removeprefix(PREFIX): {
            field: described(node) for field, node in schemas[name].get("properties", {}).items()
        }
        for name in names
    }
    messages = ROOT / "crates/aip-emulator/src/vertex/schema/messages.json"
    assert json.loads(messages.read_text()) == expected


def writable(schema):
    properties = schema.get("properties", {}).items()
    return {name: node for name, node in properties if not node.get("readOnly")}
