"""The judge itself: a contract test that cannot fail proves nothing.

The requests and answers of all other tests are judged when their emulators end
(conftest.py)."""

import pytest

from support.discovery import entry_problems, find

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
        ("GET", "/storage/v1/b/b/o/a%2Fb", "storage.objects.get"),
        ("GET", "/download/storage/v1/b/b/o/a%2Fb", "storage.objects.get"),
        ("POST", "/upload/storage/v1/b/b/o", "storage.objects.insert"),
        ("POST", "/resumable/upload/storage/v1/b/b/o", "storage.objects.insert"),
        ("POST", "/storage/v1/b/b/o/x/compose", "storage.objects.compose"),
        ("GET", "/v1/projects/p/locations/l/models/m@v1",
         "aiplatform.projects.locations.models.get"),
        ("GET", "/v1/projects/p/locations/l/models/m:listVersions",
         "aiplatform.projects.locations.models.listVersions"),
        ("POST", "/v1/projects/p/locations/l/endpoints/e:predict",
         "aiplatform.projects.locations.endpoints.predict"),
        ("POST", "/v1/projects/p/locations/l/endpoints/e/deployedModels/7/invoke/a/b",
         "aiplatform.projects.locations.endpoints.deployedModels.invoke.invoke"),
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
