"""The whole outcome of a command, as one text that snapshots compare."""

import re
import subprocess
from dataclasses import dataclass

# What differs between two runs that are alike, in this order.
NOISE = [
    (r"(127\.0\.0\.1|localhost):\d+", r"\1:PORT"),
    (r"\bm-[0-9a-f]{32}\b", "m-ID"),
    (r"\b[0-9a-f]{64}\b", "SHA256"),
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),
    (r"(create|delete)_(\w+)-\d{13}\b", r"\1_\2-MILLIS"),
    (r"\b\d+(\.\d+)? (s|ms|seconds)\b", "DURATION"),
    (r"\(os error \d+\)", "(os error)"),
]


@dataclass
class Outcome:
    args: list
    status: int
    stdout: str
    stderr: str
    places: dict

    def text(self):
        """For a snapshot: without ports, directories, digests and times."""
        sections = [f"$ {' '.join(self.args)}", f"status: {self.status}"]
        for name in ("stdout", "stderr"):
            if content := getattr(self, name).rstrip("\n"):
                sections.append(f"{name}:\n" + "\n".join(f"  {line}" for line in content.split("\n")))
        text = "\n".join(sections)
        for place, name in self.places.items():
            text = text.replace(place, name)
        for pattern, replacement in NOISE:
            text = re.sub(pattern, replacement, text)
        return text


def run(args, *, env, cwd, stdin="", timeout=120, places=None, stdout=subprocess.PIPE):
    """Runs a command to its end. `stdin` is text or bytes."""
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    done = subprocess.run(
        [str(arg) for arg in args],
        input=data,
        env=env,
        cwd=cwd,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=timeout,
        check=False,
    )
    return Outcome(
        args=[str(arg).rsplit("/", 1)[-1] if i == 0 else str(arg) for i, arg in enumerate(args)],
        status=done.returncode,
        stdout=(done.stdout or b"").decode(),
        stderr=done.stderr.decode(),
        places=places or {},
    )
