"""What target URIs, config and environment come to."""

import json
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow_aip import coerce, keys, settings
from mlflow_aip.target import Target, parse

HERE = Target("acme", "europe-west1", "vertex")


def refused(call, *args, **options):
    with pytest.raises(MlflowException) as raised:
        call(*args, **options)
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
    return raised.value.message


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("aiplatform", {}),
        ("aiplatform:", {}),
        ("aiplatform:/acme", {"project": "acme"}),
        ("aiplatform:/acme/europe-west1", {"project": "acme", "region": "europe-west1"}),
        ("aiplatform:/acme/europe-west1/", {"project": "acme", "region": "europe-west1"}),
        ("aiplatform://acme/europe-west1", {"project": "acme", "region": "europe-west1"}),
        ("aiplatform://acme?region=europe-west1", {"project": "acme", "region": "europe-west1"}),
        (
            "aiplatform://acme/europe-west1?target=ai-platform",
            {"project": "acme", "region": "europe-west1", "target": "ai-platform"},
        ),
        ("aiplatform:?target=vertex", {"target": "vertex"}),
        ("aiplatform://domain.com:acme/us-central1", {"project": "domain.com:acme", "region": "us-central1"}),
    ],
)
def test_target_uris(uri, expected):
    assert parse(uri).spec() == expected


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sagemaker:/us-east-1", "not a target URI of this plugin"),
        ("aiplatform:/a/b/c", "more than a project and a region"),
        ("aiplatform://[a", "is no URI"),
        ("aiplatform:/a/b#c", "not a target URI"),
        ("aiplatform:/a/b?taget=vertex", "did you mean 'target'?"),
        ("aiplatform:/a/b?project=c", "gives the project twice"),
        ("aiplatform:/a/b?target=vertex&target=vertex", "gives the target twice"),
        ("aiplatform:/a/b?target=", "'target' in 'aiplatform:/a/b?target=' is empty"),
        ("aiplatform:/a/b?target=sagemaker", "it takes vertex or ai-platform"),
    ],
)
def test_other_uris_are_refused(uri, said):
    assert said in refused(lambda: settings.read(parse(uri), None, {}))


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        *(("boolean", value, True) for value in ("true", "True", " TRUE ", "1", "yes", "on", True, 1)),
        *(("boolean", value, False) for value in ("false", "False", "0", "no", "off", False, 0)),
        *(("integer", value, 10) for value in ("10", "+10", " 10 ", 10)),
        ("integer", "-1", -1),
        *(("number", value, 0.5) for value in ("0.5", ".5", "5e-1", 0.5)),
        ("number", 1, 1.0),
        ("string", "a=b", "a=b"),
        ("string", Path("/x/y"), "/x/y"),
        ("string", 3, "3"),
        ("object", '{"a": {"b": 1.5}}', {"a": {"b": 1.5}}),
        ("object", {"a": (1, 2)}, {"a": [1, 2]}),
        ("array", "one", ["one"]),
        ("array", "team=flowers", ["team=flowers"]),
        ("array", '["one", "two"]', ["one", "two"]),
        ("array", ("one", 2), ["one", "2"]),
        ("array", {"team": "flowers", "n": 2}, ["team=flowers", "n=2"]),
        ("array", '{"team": "flowers"}', ["team=flowers"]),
    ],
)
def test_values(kind, given, expected):
    assert coerce.to("x", kind, given) == expected
    assert type(coerce.to("x", kind, given)) is type(expected)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *(("boolean", value) for value in ("", "maybe", "2", 2, 1.0, None, [])),
        *(("integer", value) for value in ("", "1.0", "1e3", "ten", "१०", "1_0", 1.0, True)),
        *(("number", value) for value in ("", "nan", "inf", "much", True, [], float("nan"))),
        # A version 2.10 would become 2.1.
        *(("string", value) for value in ("", "  ", 2.10, True, ["a"], b"bytes")),
        *(("object", value) for value in ("", "[1]", "1", "{", '{"a": NaN}', ["a"], {"a": {1, 2}})),
        *(("array", value) for value in ("", "[", '["a", 1.5]', [None], 1.5)),
    ],
)
def test_values_that_cannot_be(kind, given):
    assert "config key 'x' is not a" in refused(coerce.to, "config key 'x'", kind, given)


def test_names_are_unambiguous():
    """However they are spelled, and each names something."""
    folded = [keys.folded(name) for name in keys.names()]
    assert len(folded) == len(set(folded))
    assert {key.name for key in keys.names().values()} == {*keys.fields(), *keys.flags()}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        # The document's, the article's, a flag's, anybody's.
        *((name, "modelUri") for name in ("modelUri", "model_uri", "run_id", "model-uri")),
        *((name, "bucket") for name in ("bucket", "production_bucket", "PRODUCTION_BUCKET")),
        *((name, "version") for name in ("version", "version_name", "versionName")),
        *((name, "workDir") for name in ("workDir", "tmp_dir", "work_dir")),
        *((name, "vertex.baseImage") for name in ("base_image", "vertex.baseImage", "baseImage")),
        *((name, "machine-type") for name in ("machine_type", "machineType", "machine-type")),
        *((name, "vertex.deployedModel") for name in ("vertex.deployedModel", "deployed_model")),
        ("vertex.model", "vertex.model"),
        ("model", "model"),
    ],
)
def test_keys_go_by_many_names(name, found):
    assert keys.find(name, {}).name == found


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("machine_typ", "machine_type"),
        ("productionbukket", "production_bucket"),
        ("max_replica", "max_replicas"),
        ("projectid", None),
        ("canry", "canary"),
        ("vertex.baseImg", "vertex.base_image"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest(name, near):
    if near is None:
        assert keys.find(name, {}).name == "project"
        return
    assert f"did you mean '{near}'?" in refused(settings.read, HERE, {name: "x"}, {})


def test_a_wrong_key_that_is_like_nothing():
    message = refused(settings.read, HERE, {"zzzz": "x"}, {})
    assert message.startswith("config key 'zzzz' is unknown") and "did you mean" not in message


def test_order_of_precedence(tmp_path):
    document = {
        "apiVersion": "mlflow-aip/v1", "kind": "Deployment", "mine": 1,
        "spec": {name: "document" for name in ("project", "bucket", "route", "version")},
    }
    (tmp_path / "d.json").write_text(json.dumps(document))
    environ = {
        "project_id": "environment", "production_bucket": "environment", "setup_file": "environment",
        "production_route": "environment", "GOOGLE_CLOUD_PROJECT": "other", "tmp_dir": "",
    }
    config = {"document": str(tmp_path / "d.json"), "route": "config", "version": "config", "model": "x"}
    found = settings.read(HERE, config, environ, model="argument", modelUri=None)
    assert found.spec == {
        "model": "argument", "route": "config", "version": "config", "project": "acme",
        "region": "europe-west1", "target": "vertex", "bucket": "document",
        "setupFile": "environment",
    }
    assert json.loads(found.document()) == {**document, "spec": found.spec}


def test_an_argument_that_overrides_another_wish_says_so(capsys):
    settings.read(HERE, {"version_name": "v2"}, {"model_name": "other"}, model="iris", version="v1")
    said = capsys.readouterr().err
    assert "environment variable 'model_name' is 'other', but the call says 'iris'" in said
    assert "config key 'version' is 'v2', but the call says 'v1'" in said
    settings.read(HERE, {}, {"model_name": "iris", "run_id": "0"}, model="iris", modelUri="runs:/0/m")
    assert capsys.readouterr().err == ""


def test_nested_settings_are_joined_and_checked():
    config = {
        "vertex": '{"deployedModel": {"serviceAccount": "a@b"}, "baseImage": "x"}',
        "endpoint_id": "7",
        "ai_platform": {"regionalEndpoint": "true"},
    }
    spec = settings.read(HERE, config, {"AIP_IMAGE_REPOSITORY": "host/models"}).spec
    assert spec["vertex"] == {
        "deployedModel": {"serviceAccount": "a@b"}, "baseImage": "x", "endpointId": "7",
        "imageRepository": "host/models",
    }
    assert spec["aiPlatform"] == {"regionalEndpoint": True}
    assert "did you mean 'baseImage'?" in refused(settings.read, HERE, {"vertex": {"baseImg": "x"}}, {})
    message = refused(settings.read, HERE, {"aiPlatform": {"regionalEndpoint": "perhaps"}}, {})
    assert "field 'regionalEndpoint' of 'aiPlatform' is not a boolean" in message


def test_the_same_setting_by_two_names_is_refused():
    message = refused(settings.read, HERE, {"bucket": "a", "production_bucket": "b"}, {})
    assert message == "config keys 'bucket' and 'production_bucket' are the same setting"


def test_flags_go_to_their_tools():
    config = {
        "machine_type": "n1-standard-4", "max_replicas": "3", "no_wait": "true", "spot": False,
        "label": {"team": "flowers", "n": "1"}, "embed_model": 1, "access_token_file": "t",
    }
    found = settings.read(HERE, config, {})
    token = ["--access-token-file=t"]
    assert found.options("bundle") == [*token, "--embed-model"]
    assert found.options("model") == [*token, "--label=team=flowers", "--label=n=1"]
    assert found.options("version") == [
        *token, "--machine-type=n1-standard-4", "--max-replicas=3", "--no-wait",
        "--label=team=flowers", "--label=n=1",
    ]
    assert found.options("fetch") == token


@pytest.mark.parametrize(
    ("uri", "config", "said"),
    [
        ("aiplatform", {"nodes": 2}, "'nodes' is for target 'ai-platform', and this one is 'vertex'"),
        ("aiplatform:?target=ai-platform", {"canary": 2}, "'canary' is for target 'vertex'"),
    ],
)
def test_the_other_services_flags_are_refused_at_once(uri, config, said):
    assert said in refused(settings.read, parse(uri), config, {})


def test_what_is_not_given_does_not_count():
    assert settings.read(Target(), {"bucket": None, "canary": None}, {}).spec == {}


def test_a_login_in_a_variable_stays_there():
    environ = {"MLFLOW_TRACKING_URI": "https://me:sesame@mlflow.example.com"}
    assert b"sesame" not in settings.read(HERE, {}, environ).document()


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:sesame@mlflow.example.com",
        "https://sesame@mlflow.example.com",
        "postgresql://me:sesame@db/mlflow",
    ],
)
def test_a_login_in_the_config_is_refused(uri):
    """Without being told to everybody."""
    for given in ({"config": {"tracking_uri": uri}}, {"config": None, "modelUri": uri}):
        config = given.pop("config")
        message = refused(settings.read, HERE, config, {}, **given)
        assert "has a login in it" in message and "sesame" not in message
        assert "MLFLOW_TRACKING_PASSWORD" in message


@pytest.mark.parametrize("uri", ["models:/m@champion", "gs://bucket/a@b:c", "https://host/a@b"])
def test_what_looks_like_a_login_is_none(uri):
    assert settings.read(HERE, {}, {"model_uri": uri}).spec["modelUri"] == uri
    assert settings.read(HERE, None, {}, modelUri=uri).spec["modelUri"] == uri


@pytest.mark.parametrize("text", ["", "[]", "{", '{"spec": 1}'])
def test_documents_that_are_none(tmp_path, text):
    (tmp_path / "d.json").write_text(text)
    assert "d.json'" in refused(settings.read, HERE, {"document": tmp_path / "d.json"}, {})


def test_what_a_name_means():
    environ = {"version_name": "exported"}
    endpoint = settings.subject(HERE, "iris", None, environ)
    assert endpoint.spec["model"] == "iris" and "version" not in endpoint.spec
    version = settings.subject(HERE, "v2", "iris", {})
    assert (version.spec["model"], version.spec["version"]) == ("iris", "v2")
    live = settings.subject(HERE, None, "iris", environ)
    assert live.spec["model"] == "iris" and "version" not in live.spec
