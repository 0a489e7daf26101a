"""What the tests are given."""

import base64
import json

import google_crc32c
import pytest

from support import discovery
from support.emulator import Emulator
from support.faulty import FaultyService
from support.installed import Installed
from support.local import LocalModel
from support.mlflow_server import MlflowServer
from support.models import KINDS
from support.outcome import run
from support.pipeline import Pipeline
from support.places import base_env, tool
from support.s3 import S3
from support.story import Story


@pytest.fixture(scope="session")
def session_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("session")


@pytest.fixture(scope="session")
def env(session_dir):
    home = session_dir / "home"
    home.mkdir()
    return base_env(home)


@pytest.fixture(scope="session")
def start_emulator():
    """Starts emulators. When they end, all that they were asked and answered is
    held against Google's discovery documents."""
    started = []

    def start(directory, env, *options):
        started.append(Emulator(directory, env, *options))
        return started[-1]

    yield start
    for emulator in started:
        if emulator.process.popen.poll() is None:
            emulator.end()
    found = [problem for emulator in started for problem in discovery.problems(emulator.requests())]
    assert not found, "\n".join(sorted(set(found)))


@pytest.fixture(scope="session")
def emulator(session_dir, env, start_emulator):
    """One for all tests that keep to buckets and models of their own."""
    return start_emulator(session_dir / "emulator", env)


@pytest.fixture
def own_emulator(tmp_path, env, start_emulator):
    """One for this test alone."""
    emulator = start_emulator(tmp_path / "emulator", env)
    yield emulator
    if emulator.process.popen.poll() is None:
        emulator.end()


@pytest.fixture
def unique(request):
    """A name that no other test uses, good for buckets and models."""
    letters = "".join(c if c.isalnum() else "_" for c in request.node.name.lower())
    return f"{letters[:40]}_{abs(hash(request.node.nodeid)) % 10**8}"


@pytest.fixture
def bucket(emulator, unique):
    return emulator.make_bucket(unique)


@pytest.fixture(scope="session")
def mlflow_server(session_dir, env, emulator):
    """Servers by (major, proxied), each started once, when first asked for. They
    have a login for the emulator's buckets."""
    servers = {}

    def get(major, proxied=True):
        if (major, proxied) not in servers:
            directory = session_dir / f"mlflow{major}-{'proxied' if proxied else 'direct'}"
            servers[major, proxied] = MlflowServer(
                major, directory, env | emulator.env, proxied=proxied
            )
        return servers[major, proxied]

    yield get
    for server in servers.values():
        server.end()


@pytest.fixture(scope="session")
def s3(session_dir, env):
    store = S3(session_dir / "s3", env)
    yield store
    store.end()


@pytest.fixture(scope="session")
def logged(mlflow_server):
    """Models of every kind by MLflow's major, logged once."""
    cache = {}

    def get(major):
        if major not in cache:
            cache[major] = mlflow_server(major).log(*KINDS)
        return cache[major]

    return get


@pytest.fixture(scope="session")
def installed(session_dir, env):
    """The plugin's environments by MLflow's major."""
    started = {}

    def get(major):
        if major not in started:
            started[major] = Installed(major, env, session_dir / f"installed{major}")
        return started[major]

    yield get
    for one in started.values():
        one.end()


@pytest.fixture
def story(installed, env, emulator, unique, tmp_path):
    """Begins one beside this MLflow, against this service."""

    def begin(major, target):
        between = "_" if target == "ai-platform" else "-"
        name = between.join(["iris", str(major), unique.rsplit("_", 1)[-1]])
        directory = tmp_path / f"{target}{major}"
        return Story(installed(major), env, emulator, directory, target, name)

    return begin


@pytest.fixture
def faulty():
    """Makes services that are not well."""
    services = []

    def make(how, answers=None):
        services.append(FaultyService(how, answers))
        return services[-1]

    yield make
    for service in services:
        service.end()


@pytest.fixture
def outcome(tmp_path, session_dir, env):
    """Runs one of our tools, by its name, in a directory of the test's own."""

    def call(name, *args, stdin="", **options):
        extra = options.pop("env", {})
        places = {str(tmp_path): "TMP", str(session_dir): "SESSION"}
        if not isinstance(stdin, (str, bytes)):
            stdin = json.dumps(stdin)
        return run(
            [tool(name), *args], env=env | extra, cwd=tmp_path, stdin=stdin, places=places, **options
        )

    call.directory = tmp_path
    return call


@pytest.fixture
def local(tmp_path):
    """A model in a directory, deployed in a second or two."""
    return LocalModel(tmp_path)


@pytest.fixture
def pipeline(outcome, emulator, bucket, local, unique):
    """The stages over that model and the shared emulator."""
    return Pipeline(outcome, emulator.env | local.env(bucket, unique))


@pytest.fixture
def crc32c():
    """A file's sum, as Cloud Storage spells it."""

    def sum_of(path):
        return base64.b64encode(google_crc32c.Checksum(path.read_bytes()).digest()).decode()

    return sum_of
