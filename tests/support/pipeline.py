"""The six stages, one after the other."""

import json

STAGES = [
    ("mlf-fetch",),
    ("aip-bundle",),
    ("aip-upload",),
    ("aip-model", "create"),
    ("aip-version", "create"),
]
NAMES = ["fetch", "bundle", "upload", "model", "version"]


class Pipeline:
    """Runs stages in one environment and keeps their documents."""

    def __init__(self, outcome, env):
        self.outcome, self.env, self.documents = outcome, env, {}

    def run(self, *args, first="fetch", last="version", between=lambda text: text, flags=None):
        """From `first` to `last`; the documents as JSON. `args` go to mlf-fetch,
        `flags` by stage to the others, `between` edits what passes."""
        start, end = NAMES.index(first), NAMES.index(last)
        text = self.documents.get(NAMES[start - 1], "") if start else ""
        for name, command in list(zip(NAMES, STAGES, strict=True))[start : end + 1]:
            more = args if name == "fetch" else (flags or {}).get(name, ())
            done = self.outcome(*command, *more, stdin=between(text), env=self.env, timeout=600)
            assert done.status == 0, f"{command}: {done.stderr}"
            text = self.documents[name] = done.stdout
        return json.loads(text)

    def predict(self, request, *args):
        """The answer to a request, by the last document."""
        last = next(self.documents[name] for name in reversed(NAMES) if name in self.documents)
        path = self.outcome.directory / "request.json"
        path.write_text(json.dumps(request))
        done = self.outcome(
            "aip-predict", "--document", "-", "--instances", str(path), *args,
            stdin=last, env=self.env,
        )
        assert done.status == 0, done.stderr
        return json.loads(done.stdout)
