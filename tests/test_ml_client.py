"""The article's own client, googleapiclient, doing all of AI Platform v1."""

import time

import pytest
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from support import predictor

PROJECT = "projects/emulator"

@pytest.fixture
def ml(emulator):
    return discovery.build(
        "ml",
        "v1",
        client_options={"api_endpoint": emulator.url},
        credentials=AnonymousCredentials(),
        static_discovery=True,
        cache_discovery=False,
    )


@pytest.fixture
def model(ml, unique):
    body = {"name": unique, "regions": ["us-central1"]}
    ml.projects().models().create(parent=PROJECT, body=body).execute()
    return f"{PROJECT}/models/{unique}"


@pytest.fixture
def source(emulator, bucket):
    return predictor.version(emulator, bucket)


def wait(ml, operation, timeout=120):
    deadline = time.monotonic() + timeout
    while not operation.get("done"):
        assert time.monotonic() < deadline, operation
        time.sleep(0.2)
        operation = ml.projects().operations().get(name=operation["name"]).execute()
    assert ("error" in operation) != ("response" in operation)
    return operation


def refused(request):
    with pytest.raises(HttpError) as error:
        request.execute()
    return error.value.status_code, error.value.reason


def create(ml, model, name, source, **fields):
    body = {"name": name} | source | fields
    operation = ml.projects().models().versions().create(parent=model, body=body).execute()
    assert operation["metadata"]["operationType"] == "CREATE_VERSION"
    return wait(ml, operation)


def test_models(ml, unique):
    models = ml.projects().models()
    body = {
        "name": unique, "regions": ["europe-west1"], "description": "iris", "labels": {"k": "v"},
        "onlinePredictionLogging": True,
    }
    made = models.create(parent=PROJECT, body=body).execute()
    assert made["name"] == f"{PROJECT}/models/{unique}"
    assert made["regions"] == ["europe-west1"] and made["onlinePredictionLogging"]
    status, reason = refused(models.create(parent=PROJECT, body=body))
    assert status == 409 and "A model with the same name already exists." in reason

    patch = {"description": "new", "labels": {"ignored": "yes"}}
    wait(ml, models.patch(name=made["name"], body=patch, updateMask="description").execute())
    found = models.get(name=made["name"]).execute()
    assert (found["description"], found["labels"]) == ("new", {"k": "v"})

    wait(ml, models.delete(name=made["name"]).execute())
    assert refused(models.get(name=made["name"]))[0] == 404
    assert refused(models.delete(name=made["name"]))[0] == 404


@pytest.mark.parametrize("name", ["1st", "with-hyphen", "", "ä"])
def test_names_that_the_service_refuses(ml, name):
    status, _ = refused(ml.projects().models().create(parent=PROJECT, body={"name": name}))
    assert status == 400


def test_lists_have_pages(ml, own_emulator):
    ml = discovery.build(
        "ml", "v1", client_options={"api_endpoint": own_emulator.url},
        credentials=AnonymousCredentials(), static_discovery=True, cache_discovery=False,
    )
    models = ml.projects().models()
    assert models.list(parent=PROJECT).execute() == {}
    names = [f"m{i:02}" for i in range(23)]
    for name in names:
        models.create(parent=PROJECT, body={"name": name}).execute()
    found, sizes, request = [], [], models.list(parent=PROJECT, pageSize=10)
    while request:
        page = request.execute()
        sizes.append(len(page["models"]))
        found += [model["name"].rsplit("/", 1)[1] for model in page["models"]]
        request = models.list_next(request, page)
    assert sorted(found) == names and sizes == [10, 10, 3]
    assert len(models.list(parent=PROJECT).execute()["models"]) == 20


def test_a_version_from_source_to_prediction(ml, model, source):
    """The article's whole way, and back."""
    versions = ml.projects().models().versions()
    done = create(ml, model, "v1", source, labels={"run": "abc"}, description="first")
    assert done["response"]["state"] == "READY" and done["response"]["isDefault"]
    create(ml, model, "v2", source)
    assert refused(versions.create(parent=model, body={"name": "v2"} | source))[0] == 409

    listed = versions.list(parent=model).execute()["versions"]
    assert sorted(v["name"].rsplit("/", 1)[1] for v in listed) == ["v1", "v2"]
    assert [v["name"][-2:] for v in listed if v.get("isDefault")] == ["v1"]
    found = versions.get(name=f"{model}/versions/v1").execute()
    assert found["labels"] == {"run": "abc"} and found["predictionClass"] == "predictor.Predictor"

    body = {"instances": [[5.1], {"é": "日本"}], "extra": 1}
    for name in (model, f"{model}/versions/v2"):
        answer = ml.projects().predict(name=name, body=body).execute()
        assert answer == {"predictions": [["rosé", [5.1], ["extra"]], ["rosé", {"é": "日本"}, ["extra"]]]}

    assert versions.setDefault(name=f"{model}/versions/v2", body={}).execute()["isDefault"]
    assert ml.projects().models().get(name=model).execute()["defaultVersion"]["name"].endswith("/v2")
    patch = {"description": "patched"}
    wait(ml, versions.patch(
        name=f"{model}/versions/v1", body=patch, updateMask="description").execute())
    assert versions.get(name=f"{model}/versions/v1").execute()["description"] == "patched"

    # The default version goes last, and a model only when it is empty.
    assert refused(versions.delete(name=f"{model}/versions/v2"))[0] == 400
    assert refused(ml.projects().models().delete(name=model))[0] == 400
    wait(ml, versions.delete(name=f"{model}/versions/v1").execute())
    wait(ml, versions.delete(name=f"{model}/versions/v2").execute())
    assert versions.list(parent=model).execute() == {}
    wait(ml, ml.projects().models().delete(name=model).execute())


def test_errors_of_a_predictor_are_answers(ml, model, source):
    create(ml, model, "v1", source)
    predict = ml.projects().predict
    assert predict(name=model, body={"instances": [1], "fail": True}).execute() == {
        "error": "Prediction failed: unknown error."
    }
    assert "error" in predict(name=model, body={"rows": [1]}).execute()
    assert predict(name=model, body={"instances": [1]}).execute()["predictions"]
    assert refused(predict(name=f"{model}/versions/none", body={"instances": []}))[0] == 404


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"predictionClass": "predictor.Broken"}, "no such weights"),
        ({"predictionClass": "predictor.Extra"}, "invalid signature"),
        ({"predictionClass": "predictor.Nope"}, "cannot be found"),
        ({"predictionClass": "nowhere.Predictor"}, "cannot be found"),
    ],
)
def test_a_version_that_does_not_load_fails(ml, model, source, fields, message):
    done = create(ml, model, "v1", source, **fields)
    assert message in done["error"]["message"]
    found = ml.projects().models().versions().get(name=f"{model}/versions/v1").execute()
    assert found["state"] == "FAILED" and message in found["errorMessage"]
    status, _ = refused(ml.projects().predict(name=f"{model}/versions/v1", body={"instances": [1]}))
    assert status in (400, 404, 503)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"framework": "SCIKIT_LEARN"}, "Exactly one of"),
        ({"machineType": "n1-standard-2"}, "machine"),
        ({"runtimeVersion": ""}, "runtime"),
        ({"name": "1.0"}, "name"),
        ({"deploymentUri": "gs://no-such-bucket-here/model/"}, "deployment_uri"),
        ({"packageUris": ["http://example.com/x.tar.gz"]}, "package"),
        ({"labels": {"Upper": "x"}}, "label"),
    ],
)
def test_versions_that_the_service_refuses(ml, model, source, fields, message):
    body = {"name": "v1"} | source | fields
    status, reason = refused(ml.projects().models().versions().create(parent=model, body=body))
    assert status == 400 and message.lower() in reason.lower()


def test_operations(ml, model, source):
    done = create(ml, model, "v1", source)
    operations = ml.projects().operations()
    listed = operations.list(name=PROJECT).execute()["operations"]
    assert done["name"] in [operation["name"] for operation in listed]
    assert refused(operations.get(name=f"{PROJECT}/operations/none"))[0] == 404
    assert operations.cancel(name=done["name"]).execute() == {}


def test_the_project_has_a_service_account(ml):
    assert "@" in ml.projects().getConfig(name=PROJECT).execute()["serviceAccount"]
