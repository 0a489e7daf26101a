"""How the plugin runs programs: these are shell scripts."""

import gc
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import warnings
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow_aip import tools

from support.plugin import SOURCE


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Writes a program where the plugin looks first."""
    monkeypatch.setenv("AIP_BIN", str(tmp_path))

    def write(script, name="tool"):
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        return name

    write.directory = tmp_path
    return write


def event(**fields):
    return f"echo {shlex.quote(json.dumps(fields))} >&2"


def alive(pid):
    """A zombie, which nobody here waits for, is not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def test_a_document_goes_in_and_out(program):
    large = b"x" * 3_000_000
    assert tools.run(program("cat"), document=large) == large
    assert tools.run(program("cat")) == b""
    assert tools.run(program('printf "%s" "$*"'), "a b", "--c=d") == b"a b --c=d --log-format=json"


def test_what_it_says_is_shown_as_it_comes(program, monkeypatch):
    """By sys.stderr as it is then: a notebook has its own there."""
    shown = []
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=shown.append, flush=lambda: None))
    script = "\n".join([
        event(tool="aip-x", severity="info", message="one\ntwo"),
        event(tool="aip-x", severity="warning", message="take care"),
        "echo 'words of another' >&2",
        "cat >/dev/null; while [ ! -e seen ]; do sleep 0.02; done",
    ])
    monkeypatch.chdir(program.directory)
    name = program(script)
    thread = threading.Thread(target=lambda: (
        until(lambda: "words" in "".join(shown)), (program.directory / "seen").touch()
    ))
    thread.start()
    tools.run(name, document=b"{}")
    thread.join()
    assert "".join(shown).splitlines() == [
        "aip-x: one", "aip-x: two", "aip-x: warning: take care", "words of another",
    ]


def broken(error):
    def write(text):
        raise error

    return SimpleNamespace(write=write, flush=lambda: None)


@pytest.mark.parametrize("stderr", [None, broken(BrokenPipeError()), broken(ValueError("closed file"))])
def test_what_nobody_hears_stops_nothing(program, monkeypatch, capfd, stderr):
    """Nor is it taken for what belongs on stdout."""
    noise = "for i in {1..20000}; do echo to nobody >&2; done; echo done"
    monkeypatch.setattr(sys, "stderr", stderr)
    assert tools.run(program(noise)) == b"done\n"
    assert list(tools.lines(program(noise), document=b"")) == [b"done\n"]
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("status", "http", "code"),
    [
        (1, None, "INTERNAL_ERROR"),
        (2, None, "INVALID_PARAMETER_VALUE"),
        (3, None, "INVALID_PARAMETER_VALUE"),
        (4, None, "BAD_REQUEST"),
        (4, 400, "INVALID_PARAMETER_VALUE"),
        (4, 401, "UNAUTHENTICATED"),
        (4, 403, "PERMISSION_DENIED"),
        (4, 404, "RESOURCE_DOES_NOT_EXIST"),
        (4, 409, "RESOURCE_ALREADY_EXISTS"),
        (4, 412, "RESOURCE_CONFLICT"),
        (5, None, "TEMPORARILY_UNAVAILABLE"),
        (5, 503, "TEMPORARILY_UNAVAILABLE"),
        (5, 429, "REQUEST_LIMIT_EXCEEDED"),
        (101, None, "INTERNAL_ERROR"),
    ],
)
def test_a_failure_is_an_exception_with_its_reason(program, capsys, status, http, code):
    fields = {"httpStatus": http} if http else {}
    script = event(
        tool="aip-x", severity="error", message="cannot do 'it'", causes=["this", "that"],
        hints=["try again"], **fields,
    )
    with pytest.raises(MlflowException) as raised:
        tools.run(program(f"{script}\nexit {status}"))
    assert raised.value.error_code == code
    assert raised.value.message == (
        "aip-x: cannot do 'it'\ncaused by: this\ncaused by: that\nhint: try again"
    )
    assert capsys.readouterr().err == ""


def test_flags_in_hints_are_named_as_the_config_has_them(program):
    hint = "replace it with --replace, or choose --version-name; --frobnicate is not ours"
    script = event(tool="aip-version", severity="error", message="no", hints=[hint])
    with pytest.raises(MlflowException) as raised:
        tools.run(program(f"{script}\nexit 4"))
    assert raised.value.message.splitlines()[-1] == (
        "hint: in the config of a deployment, -C NAME=VALUE, "
        "--replace is replace and --version-name is version_name"
    )


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'thread main panicked' >&2; exit 101", "'tool' ended with status 101\ncaused by: its last words: thread main panicked"),
        ("exit 1", "'tool' ended with status 1"),
        ("kill -9 $$", "'tool' ended by signal 9"),
    ],
)
def test_a_failure_without_a_reason(program, script, said):
    with pytest.raises(MlflowException) as raised:
        tools.run(program(script), document=b"x" * 1_000_000)
    assert raised.value.message == said


def test_a_program_that_is_not_there(program, monkeypatch):
    with pytest.raises(MlflowException, match="cannot find the program 'aip-nowhere'") as raised:
        tools.run("aip-nowhere")
    assert "pip install --force-reinstall mlflow-aip" in raised.value.message


def test_an_interrupted_program_interrupts(program, capsys):
    script = event(tool="aip-x", severity="error", message="interrupted", hints=["aip-x wait"])
    with pytest.raises(KeyboardInterrupt):
        tools.run(program(f"{script}\nexit 130"))
    assert capsys.readouterr().err == "aip-x: interrupted\nhint: aip-x wait\n"


CALL = "import sys; from mlflow_aip import tools; tools.run('tool', document=b'{}')"
# With a child of its own, which would outlive it.
SLOW = """
sleep 600 &
echo "$$ $!" >pids
echo ready >&2
trap 'cat said >&2; exit 130' TERM INT
while :; do sleep 0.05; done
"""


@pytest.fixture
def caller(program, env):
    """A Python that waits for a program; and the processes that it started."""
    said = dict(tool="aip-x", severity="error", message="interrupted", hints=["aip-x wait"])
    (program.directory / "said").write_text(json.dumps(said) + "\n")
    program(SLOW)
    environ = {**env, "PYTHONPATH": str(SOURCE), "AIP_BIN": str(program.directory)}
    popen = subprocess.Popen(
        [sys.executable, "-c", CALL], env=environ, cwd=program.directory,
        stderr=subprocess.PIPE, text=True,
    )
    assert popen.stderr.readline() == "ready\n"
    popen.started = [int(pid) for pid in (program.directory / "pids").read_text().split()]
    yield popen
    popen.kill()
    popen.communicate()
    for pid in filter(alive, popen.started):
        os.kill(pid, signal.SIGKILL)


def test_ctrl_c_ends_the_program_and_its_children(caller):
    assert os.getpgid(caller.started[0]) == caller.started[0] != os.getpgid(caller.pid)
    caller.send_signal(signal.SIGINT)
    _, said = caller.communicate(timeout=30)
    assert "aip-x: interrupted\nhint: aip-x wait\n" in said and "KeyboardInterrupt" in said
    assert not any(alive(pid) for pid in caller.started)


def test_two_threads_hear_their_own_programs(program):
    program("sleep 0.2; cat; echo one", "one")
    program("cat; echo two", "two")
    found = {}
    threads = [
        threading.Thread(target=lambda name=name: found.update({name: tools.run(name, document=b"")}))
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"one": b"one\n", "two": b"two\n"}


def test_nothing_stays_open(program):
    name = program("cat")
    tools.run(name)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(5):
            tools.run(name, document=b"x")
            assert [*tools.lines(name, document=b"x")] == [b"x"]
            unread = tools.lines(name, document=b"x\ny")
            next(unread)
            unread.close()
        gc.collect()
    assert [str(one.message) for one in left] == []
    assert len(os.listdir("/proc/self/fd")) == before
