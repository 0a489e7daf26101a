"""Google's own clients doing all of Vertex AI against the emulator."""

import json
import time
from collections import Counter

import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform, storage
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from support.vertex import CONTAINER, push_image

PLACE = "projects/emulator/locations/us-central1"
# The contract is Google's: whatever comes back has the project's number.
ROUTES = {f"serving_container_{name}": value for name, value in CONTAINER.items()}


@pytest.fixture
def sdk(emulator, bucket, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "emulator")
    aiplatform.init(
        project="emulator", location="us-central1", api_endpoint=emulator.url,
        api_transport="rest", credentials=AnonymousCredentials(), staging_bucket=f"gs://{bucket}",
    )
    return aiplatform


@pytest.fixture
def api(emulator):
    return discovery.build(
        "aiplatform",
        "v1",
        client_options={"api_endpoint": emulator.url},
        credentials=AnonymousCredentials(),
        static_discovery=True,
        cache_discovery=False,
    ).projects().locations()


@pytest.fixture
def image(emulator):
    return push_image(emulator)


def name_of(unique):
    return unique.replace("_", "-")[:60].strip("-")


def test_a_model_from_upload_to_prediction(sdk, emulator, image, bucket, unique, tmp_path):
    """Model.upload from a directory, versions, aliases, deploy with traffic,
    predict, undeploy, delete."""
    (tmp_path / "weights.txt").write_text("3")
    options = ROUTES | {"serving_container_image_uri": image, "artifact_uri": str(tmp_path)}
    first = sdk.Model.upload(
        model_id=name_of(unique), display_name="iris", version_aliases=["champion"],
        version_description="first", labels={"run": "1"}, **options,
    )
    assert first.name == name_of(unique) and first.version_id == "1"
    assert sorted(first.version_aliases) == ["champion", "default"]
    (tmp_path / "weights.txt").write_text("5")
    second = sdk.Model.upload(
        parent_model=first.resource_name, display_name="iris", is_default_version=False,
        version_aliases=["challenger"], **options,
    )
    assert second.version_id == "2"
    registry = first.versioning_registry
    assert [v.version_id for v in registry.list_versions()] in (["1", "2"], ["2", "1"])
    registry.add_version_aliases(["golden"], version="2")
    registry.remove_version_aliases(["challenger"], version="2")
    assert registry.get_version_info("golden").version_id == "2"
    assert sdk.Model(f"{first.resource_name}@golden").version_id == "2"

    endpoint = sdk.Endpoint.create(display_name=f"{unique}-ep", labels={"a": "b"})
    machine = {"machine_type": "n1-standard-2", "min_replica_count": 1, "sync": True}
    first.deploy(endpoint, deployed_model_display_name="v1", traffic_percentage=100, **machine)
    second.deploy(endpoint, deployed_model_display_name="v2", traffic_percentage=25, **machine)
    ids = {model.display_name: model.id for model in endpoint.list_models()}
    assert endpoint.traffic_split == {ids["v1"]: 75, ids["v2"]: 25}
    served = Counter(endpoint.predict([2]).deployed_model_id for _ in range(40))
    assert served == {ids["v1"]: 30, ids["v2"]: 10}
    answers = {tuple(endpoint.predict([2], parameters={}).predictions) for _ in range(4)}
    assert answers == {(6.0,), (10.0,)}

    endpoint.update(display_name="renamed", traffic_split={ids["v1"]: 0, ids["v2"]: 100})
    assert sdk.Endpoint(endpoint.resource_name).display_name == "renamed"
    with pytest.raises(BadRequest, match="deployed"):
        registry.delete_version("golden")
    endpoint.undeploy(ids["v1"])
    registry.add_version_aliases(["default"], version="2")
    registry.delete_version("1")
    with pytest.raises(BadRequest, match="DeployedModel"):
        endpoint.delete()
    endpoint.undeploy_all()
    endpoint.delete()
    first.delete()
    with pytest.raises(NotFound):
        sdk.Model(first.resource_name)


def test_lists_and_updates(sdk, image, unique):
    options = ROUTES | {"serving_container_image_uri": image}
    models = [
        sdk.Model.upload(display_name=f"{unique}-{n}", labels={"n": str(n), "of": unique}, **options)
        for n in range(3)
    ]
    mine = f'labels.of="{unique}"'
    found = sdk.Model.list(filter=mine, order_by="display_name desc")
    assert [model.display_name for model in found] == [f"{unique}-{n}" for n in (2, 1, 0)]
    assert [m.name for m in sdk.Model.list(filter=f'display_name="{unique}-1"')] == [models[1].name]
    models[0].update(description="what it does", labels={"of": "nobody"})
    assert len(sdk.Model.list(filter=mine)) == 2
    assert sdk.Model(models[0].name).description == "what it does"


def test_a_deployment_that_fails_says_why(sdk, emulator, image, unique):
    model = sdk.Model.upload(
        display_name=unique, serving_container_image_uri=image,
        serving_container_environment_variables={"CRASH": "1"}, **ROUTES,
    )
    endpoint = sdk.Endpoint.create(display_name=unique)
    with pytest.raises(GoogleAPICallError, match="Model server exited unexpectedly") as error:
        model.deploy(endpoint, machine_type="n1-standard-2")
    assert error.value.code == 400
    body = {
        "resourceNames": ["projects/emulator"],
        "filter": 'resource.type="aiplatform.googleapis.com/Endpoint" '
        f'resource.labels.endpoint_id="{endpoint.name}"',
    }
    status, logs = emulator.call("POST", "/v2/entries:list", body)
    assert status == 200
    assert "No module named 'nothing'" in json.dumps(logs)


def test_batch_prediction(sdk, emulator, image, bucket, unique):
    client = storage.Client(project="emulator", client_options={"api_endpoint": emulator.url})
    lines = "\n".join(json.dumps(n) for n in range(10))
    client.bucket(bucket).blob("in.jsonl").upload_from_string(lines)
    model = sdk.Model.upload(
        display_name="my model", serving_container_image_uri=image,
        serving_container_environment_variables={"WEIGHTS": "2"}, **ROUTES,
    )
    job = model.batch_predict(
        job_display_name=unique, gcs_source=f"gs://{bucket}/in.jsonl", machine_type="n1-standard-2",
        gcs_destination_prefix=f"gs://{bucket}/out", sync=False, batch_size=4,
    )
    job.wait_for_resource_creation()
    deadline = time.monotonic() + 60
    while not job.done():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert job.state.name == "JOB_STATE_SUCCEEDED", job.error
    assert job.completion_stats.successful_count == 10
    assert f"gs://{bucket}/out/prediction-my model-" in job.output_info.gcs_output_directory
    files = [blob.name.rsplit("/", 1)[1] for blob in job.iter_outputs()]
    assert sorted(files) == [
        "prediction.errors_stats-00000-of-00001", "prediction.results-00000-of-00001",
    ]
    results = next(blob for blob in job.iter_outputs() if "results" in blob.name)
    predictions = [json.loads(line) for line in results.download_as_text().splitlines()]
    assert predictions == [{"instance": n, "prediction": 2.0 * n} for n in range(10)]


def wait(api, operation):
    """By the operation's own name, as generated clients do."""
    methods = api.operations() if "/endpoints/" not in operation["name"] else api.endpoints().operations()
    if "/models/" in operation["name"]:
        methods = api.models().operations()
    deadline = time.monotonic() + 60
    while not operation.get("done"):
        assert time.monotonic() < deadline, operation
        operation = methods.wait(name=operation["name"], timeout="5s").execute()
    return operation


def refused(request):
    with pytest.raises(HttpError) as error:
        request.execute()
    return error.value.status_code, error.value.reason


def test_the_generated_client(api, image, unique):
    """Every method once, by the discovery document that both sides are held to."""
    name = name_of(unique)
    container = {
        "imageUri": image, "predictRoute": "/predict", "healthRoute": "/health",
        "ports": [{"containerPort": 8080}], "env": [{"name": "WEIGHTS", "value": "2"}],
    }
    body = {"model": {"displayName": name, "containerSpec": container}, "modelId": name}
    done = wait(api, api.models().upload(parent=PLACE, body=body).execute())
    model = done["response"]["model"]
    assert model.split("/")[1].isdigit() and done["response"]["modelVersionId"] == "1"
    found = api.models().get(name=f"{PLACE}/models/{name}").execute()
    assert found["name"] == model and found["supportedDeploymentResourcesTypes"] == ["DEDICATED_RESOURCES"]

    endpoint = {
        "displayName": name, "dedicatedEndpointEnabled": False,
        "predictRequestResponseLoggingConfig": {
            "enabled": True, "samplingRate": 0.5,
            "bigqueryDestination": {"outputUri": "bq://emulator.logs.requests"},
        },
    }
    create = api.endpoints().create(parent=PLACE, endpointId=name, body=endpoint)
    done = wait(api, create.execute())
    name = done["response"]["name"]
    assert refused(create)[0] == 409
    connection = {"endpoint": {"clientConnectionConfig": {"inferenceTimeout": "30s"}}}
    wait(api, api.endpoints().update(name=name, body=connection).execute())

    deployed = {
        "id": "77", "model": f"{model}@1", "displayName": "v1",
        "dedicatedResources": {
            "machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1,
            "autoscalingMetricSpecs": [{
                "metricName": "aiplatform.googleapis.com/prediction/online/cpu/utilization",
                "target": 70,
            }],
        },
    }
    body = {"deployedModel": deployed, "trafficSplit": {"0": 100}}
    done = wait(api, api.endpoints().deployModel(endpoint=name, body=body).execute())
    assert done["metadata"]["deploymentStage"] == "SUCCESSFULLY_DEPLOYED"
    assert refused(api.endpoints().deployModel(endpoint=name, body=body))[0] == 409
    answer = api.endpoints().predict(endpoint=name, body={"instances": [21]}).execute()
    assert answer["predictions"] == [42] and answer["deployedModelId"] == "77"
    status, reason = refused(api.endpoints().explain(endpoint=name, body={"instances": [1]}))
    assert status == 400 and "explanation_spec" in reason
    raw = api.endpoints().rawPredict(endpoint=name, body={"instances": [2**53 + 1]})
    assert raw.execute()["predictions"] == [2.0 * (2**53 + 1)]

    body = {
        "deployedModel": {"id": "77", "dedicatedResources": {"minReplicaCount": 1, "maxReplicaCount": 3}},
        "updateMask": "dedicatedResources.maxReplicaCount",
    }
    wait(api, api.endpoints().mutateDeployedModel(endpoint=name, body=body).execute())
    shown = api.endpoints().get(name=name).execute()
    assert shown["deployedModels"][0]["dedicatedResources"]["maxReplicaCount"] == 3
    patch = {"description": "new", "etag": shown["etag"]}
    patched = api.endpoints().patch(name=name, updateMask="description", body=patch).execute()
    assert patched["description"] == "new"
    assert refused(api.endpoints().patch(name=name, updateMask="description", body=patch))[0] == 409
    body = {"deployedModelId": "77", "trafficSplit": {}}
    wait(api, api.endpoints().undeployModel(endpoint=name, body=body).execute())
    listed = api.endpoints().operations().list(name=name).execute()["operations"]
    assert len(listed) == 5
    wait(api, api.endpoints().delete(name=name).execute())
    wait(api, api.models().delete(name=model).execute())
    assert refused(api.models().get(name=model))[0] == 404


def test_lists_have_pages(api, own_emulator, image):
    api = discovery.build(
        "aiplatform", "v1", client_options={"api_endpoint": own_emulator.url},
        credentials=AnonymousCredentials(), static_discovery=True, cache_discovery=False,
    ).projects().locations()
    assert api.endpoints().list(parent=PLACE).execute() == {}
    for n in range(5):
        wait(api, api.endpoints().create(parent=PLACE, body={"displayName": f"e{n}"}).execute())
    names, request = [], api.endpoints().list(parent=PLACE, pageSize=2, orderBy="display_name")
    while request:
        page = request.execute()
        names += [endpoint["displayName"] for endpoint in page["endpoints"]]
        request = api.endpoints().list_next(request, page)
    assert names == [f"e{n}" for n in range(5)]
