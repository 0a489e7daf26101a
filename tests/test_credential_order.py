"""Which credentials are used where there are several, and for which service."""

import json

import pytest

from support.credentials import Kinds

ADC = "application_default_credentials.json"
REAL = "https://ml.example.com/"


@pytest.fixture
def machine(tmp_path, strict_emulator, outcome):
    return Machine(tmp_path, strict_emulator, outcome)


@pytest.fixture(scope="module")
def strict_emulator(session_dir, env, start_emulator):
    return start_emulator(session_dir / "strict-order", env, "--require-token")


class Machine:
    """Somebody's, with credentials in every place."""

    def __init__(self, directory, emulator, outcome):
        self.emulator, self.outcome, self.directory = emulator, outcome, directory
        self.kinds = Kinds(directory, emulator.url)
        for name in ("bin", "config", "home/.config/gcloud"):
            (directory / name).mkdir(parents=True)
        gcloud = directory / "bin/gcloud"
        gcloud.write_text(
            f'#!/bin/sh\necho "$*" >>"{directory}/gcloud.log"\n'
            'case "$*" in *account*) echo ana@example.com;; *) echo sesame;; esac\n'
        )
        gcloud.chmod(0o755)
        host = emulator.url.removeprefix("http://")
        self.env = {
            "GOOGLE_OAUTH_ACCESS_TOKEN": "sesame",
            "GOOGLE_APPLICATION_CREDENTIALS": self.account("first"),
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": self.account("second"),
            "CLOUDSDK_CONFIG": str(directory / "config"),
            "GCE_METADATA_HOST": host,
            "HOME": str(directory / "home"),
            "PATH": f"{directory}/bin",
        }
        self.account("third", f"config/{ADC}")
        self.account("fourth", f"home/.config/gcloud/{ADC}")

    def account(self, name, path=None, **options):
        email = f"{name}@emulator.iam.gserviceaccount.com"
        content = self.kinds.service_account(email, **options)
        return self.kinds.write(path or f"{name}.json", content)

    def whoami(self, env, service=REAL, **options):
        env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_ML": service} | env
        done = self.outcome("aip-model", "whoami", "--target", "ai-platform", env=env, **options)
        assert "sesame" not in done.stdout + done.stderr
        return json.loads(done.stdout) if done.status == 0 else done


def test_one_after_the_other(machine):
    env = dict(machine.env)
    for variable, kind, who in [
        ("GOOGLE_OAUTH_ACCESS_TOKEN", "access_token", None),
        ("GOOGLE_APPLICATION_CREDENTIALS", "service_account", "first@"),
        ("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "service_account", "second@"),
        ("CLOUDSDK_CONFIG", "service_account", "third@"),
        ("HOME", "service_account", "fourth@"),
        ("GCE_METADATA_HOST", "metadata_server", "emulator@"),
    ]:
        found = machine.whoami(env)
        assert found["type"] == kind, variable
        assert (found["principal"] or "").startswith(who or ""), variable
        assert found["from"].get("variable") in (variable, None)
        # An empty variable is as good as none.
        env[variable] = ""
    found = machine.whoami(env | {"NO_GCE_CHECK": "true"})
    assert found == {
        "service": REAL, "principal": "ana@example.com", "type": "gcloud",
        "from": {"command": "gcloud auth print-access-token"}, "quotaProject": None,
        "token": {"expires": None},
    }
    nowhere = env | {"NO_GCE_CHECK": "true", "PATH": str(machine.directory)}
    done = machine.whoami(nowhere)
    assert done.status == 4 and "caused by: no credentials were found" in done.stderr
    nobody = machine.whoami(machine.env | {
        "GOOGLE_OAUTH_ACCESS_TOKEN": "", "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
    })
    assert (nobody["type"], nobody["token"]) == ("none", None)


def test_a_service_on_this_machine_is_asked_by_nobody_real(machine, outcome):
    """No token of the real cloud is fetched for it, by whatever way."""
    elsewhere = "https://192.0.2.1/token"
    env = machine.env | {"GOOGLE_OAUTH_ACCESS_TOKEN": "", "GCE_METADATA_HOST": "192.0.2.1"}
    for name, path in [
        ("first", None), ("second", None), ("third", f"config/{ADC}"),
        ("fourth", f"home/.config/gcloud/{ADC}"),
    ]:
        machine.account(name, path, token_uri=elsewhere)
    found = machine.whoami(env, machine.emulator.url)
    assert (found["type"], found["token"]) == ("none", None)
    assert found["from"] == {"reason": "the service is on this machine"}
    # Half of the way is too far: its first token would be real.
    real = machine.kinds.service_account(token_uri=elsewhere)
    machine.kinds.write("first.json", machine.kinds.impersonated(real))
    assert machine.whoami(env, machine.emulator.url)["type"] == "none"
    # What gcloud left for others is no reason to fail.
    machine.kinds.write(f"config/{ADC}", {"type": "gdch_service_account"})
    assert machine.whoami(env, machine.emulator.url)["type"] == "none"
    assert not (machine.directory / "gcloud.log").exists()


def test_what_gcloud_says(machine):
    env = machine.env | {name: "" for name in machine.env if name.startswith(("GOOGLE", "CLOUDSDK"))}
    env |= {"NO_GCE_CHECK": "true", "GCE_METADATA_HOST": "", "HOME": str(machine.directory)}
    gcloud = machine.directory / "bin/gcloud"
    gcloud.write_text(
        "#!/bin/sh\necho sesame\n"
        "echo 'ERROR: (gcloud.auth.print-access-token) You do not have an account.' >&2\n"
        "echo 'Please run:' >&2\nexit 1\n"
    )
    done = machine.whoami(env)
    assert done.status == 4
    assert "ERROR: (gcloud.auth.print-access-token) You do not have an account.\n" in done.stderr
    assert "hint: run 'gcloud auth login'\n" in done.stderr


def test_whose_quota_is_used(machine):
    """The environment's, then the file's."""
    file = machine.kinds.write(
        "quota.json", machine.kinds.authorized_user() | {"quota_project_id": "of-the-file"}
    )
    env = {"GOOGLE_APPLICATION_CREDENTIALS": file, "GCE_METADATA_HOST": ""}
    for more, project in [
        ({}, "of-the-file"),
        ({"CLOUDSDK_BILLING_QUOTA_PROJECT": "LEGACY"}, "of-the-file"),
        ({"CLOUDSDK_BILLING_QUOTA_PROJECT": "of-gcloud"}, "of-gcloud"),
        ({"CLOUDSDK_BILLING_QUOTA_PROJECT": "of-gcloud",
          "GOOGLE_CLOUD_QUOTA_PROJECT": "of-google"}, "of-google"),
    ]:
        assert machine.whoami(env | more)["quotaProject"] == project
        before = len(machine.emulator.requests())
        done = machine.outcome(
            "aip-model", "list", "--target", "ai-platform", env=machine.emulator.env | env | more
        )
        assert done.status == 0, done.stderr
        last = machine.emulator.requests()[before:][-1]
        assert last["requestHeaders"]["x-goog-user-project"] == project


def test_it_is_said_with_v(machine):
    env = machine.env | machine.emulator.env | {"GOOGLE_OAUTH_ACCESS_TOKEN": ""}
    done = machine.outcome("aip-model", "list", "--target", "ai-platform", "-v", env=env)
    lines = [line for line in done.stderr.splitlines() if "credentials for" in line]
    assert lines == [
        f"aip-model: credentials for '{machine.emulator.url}/v1/projects/emulator/models': "
        "'first@emulator.iam.gserviceaccount.com', service_account from "
        f"'{machine.env['GOOGLE_APPLICATION_CREDENTIALS']}' (GOOGLE_APPLICATION_CREDENTIALS)"
    ]
