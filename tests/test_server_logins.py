"""MLflow's own login, the basic-auth app, at servers of both majors."""

import base64
import json
import urllib.request

import pytest

from support.artifacts import MLMODEL
from support.between import Between
from support.fetched import fetched
from support.mlflow_server import MlflowServer

ADMIN = ("admin", "adm1n-passw0rd")
ANA = ("ana", "ana-passw0rd-1")
BOB = ("bob", "bob-passw0rd-2")


def login(user, password):
    return {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}


# The newer app has roles, and grants of one's own among them.
GRANT = {
    2: ("2.0/mlflow/experiments/permissions/create", lambda id: {"experiment_id": id}),
    3: ("3.0/mlflow/users/permissions/grant",
        lambda id: {"resource_type": "experiment", "resource_id": id}),
}


def call(server, route, **body):
    """One of the app's own calls, by its administrator."""
    basic = base64.b64encode(":".join(ADMIN).encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
    url = f"{server.uri}/api/{route}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    urllib.request.urlopen(request, timeout=60).close()


@pytest.fixture(scope="module", params=[2, 3])
def guarded(request, session_dir, env, tmp_path_factory):
    """A server, its model, and what it is asked: Ana may read, Bob may not."""
    directory = session_dir / f"guarded{request.param}"
    settings = tmp_path_factory.mktemp("auth") / "auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{settings.parent}/auth.db\n"
        f"admin_username = {ADMIN[0]}\nadmin_password = {ADMIN[1]}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    server = MlflowServer(
        request.param, directory,
        env | {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "key"},
        options=["--app-name", "basic-auth"],
    )
    try:
        uri = prepared(server, directory / "model")
        with Between(server.uri) as between:
            yield between, uri
    finally:
        server.end()


def prepared(server, directory):
    directory.mkdir()
    (directory / "MLmodel").write_bytes(MLMODEL)
    (directory / "x.txt").write_text("x")
    said = server.run("logged_directory.py", directory, env=login(*ADMIN))
    for name, password in (ANA, BOB):
        call(server, "2.0/mlflow/users/create", username=name, password=password)
    grant, whereon = GRANT[server.major]
    call(server, grant, username=ANA[0], permission="READ", **whereon(said["experiment"]))
    return f"runs:/{said['run']}/model"


@pytest.fixture
def fetch(guarded, outcome, tmp_path):
    between, uri = guarded

    def run(*args, **more):
        between.requests.clear()
        env = {"MLFLOW_TRACKING_URI": between.url, "tmp_dir": str(tmp_path / "work"),
               "HOME": str(tmp_path)}
        return outcome("mlf-fetch", uri, "--no-cache", *args, env=env | more)

    return run


def test_a_login_by_each_way(guarded, fetch, tmp_path):
    fetched(fetch(**login(*ANA)))
    userinfo = guarded[0].url.replace("//", "//{}:{}@".format(*ANA))
    fetched(fetch(MLFLOW_TRACKING_URI=userinfo))
    (tmp_path / ".mlflow").mkdir()
    file = tmp_path / ".mlflow/credentials"
    names = ("mlflow_tracking_username = {}", "mlflow_tracking_password = {}")
    file.write_text("\n".join(["[mlflow]", *names]).format(*ANA))
    file.chmod(0o600)
    fetched(fetch())
    # Each value of the environment's goes before the file's.
    assert fetch(MLFLOW_TRACKING_PASSWORD=BOB[1]).status == 4


def test_what_is_refused(guarded, fetch, snapshot):
    cases = {
        "nobody": {},
        "a wrong password": login(ANA[0], "s0mething-else"),
        "a token, which this app does not know": {"MLFLOW_TRACKING_TOKEN": "s0mething-else"},
        "somebody who may not": login(*BOB),
    }
    for who, env in cases.items():
        done = fetch(**env)
        assert (done.status, done.stdout) == (4, ""), who
        assert len(guarded[0].requests) == 1, "asking again would change nothing"
        assert "s0mething-else" not in done.stderr and BOB[1] not in done.stderr
        assert done.text() == snapshot(name=who)
