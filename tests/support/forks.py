"""Runs commands in forks of a process that has imported MLflow already.

Reads lines of JSON: args (mlflow and its arguments, or a script and its own),
env, cwd, and files for stdout and stderr. Answers each with its exit status.
"""

import json
import os
import runpy
import sys

import mlflow.cli
import mlflow.deployments.cli
import pandas


def become(request):
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for number, name in enumerate(["stdout", "stderr"], start=1):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(file, number)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.argv = request["args"]


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        become(json.loads(line))
        break
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status, flush=True)
else:
    sys.exit()

# Only a fork comes here; how it ends is the interpreter's own business.
if sys.argv[0] == "mlflow":
    mlflow.cli.cli()
else:
    runpy.run_path(sys.argv[0], run_name="__main__")
