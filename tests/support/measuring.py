"""What a command takes, beside others that do the same work; for scripts/bench*."""

import os
import statistics
import subprocess
import threading
import time
from pathlib import Path

ROUNDS = int(os.environ.get("ROUNDS", 3))


def measure(args, env, directory, stdin=None, stdout=None):
    """Seconds and peak MiB of one run."""
    with (
        open(stdin or os.devnull, "rb") as source,
        open(stdout or os.devnull, "wb") as target,
        open(directory / "stderr", "wb") as stderr,
    ):
        start = time.monotonic()
        process = subprocess.Popen(
            args, env=env, cwd=directory, stdin=source, stdout=target, stderr=stderr
        )
        memory = Memory(process.pid)
        status = process.wait()
        seconds = time.monotonic() - start
    if status:
        memory.peak()
        raise SystemExit(f"{args} failed:\n{(directory / 'stderr').read_text()}")
    return seconds, memory.peak()


class Memory:
    """The largest process below one, looked at until it ends. The kernel's own
    figure for a child is no use: it begins with the memory of its parent."""

    def __init__(self, pid):
        self.most, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, args=[pid])
        self.thread.start()

    def watch(self, pid):
        while not self.over.wait(0.002):
            rest = [pid]
            while rest:
                one = rest.pop()
                try:
                    status = Path(f"/proc/{one}/status").read_text()
                    rest += Path(f"/proc/{one}/task/{one}/children").read_text().split()
                except OSError:
                    continue
                if "VmHWM:" in status:
                    self.most = max(self.most, int(status.split("VmHWM:")[1].split()[0]))

    def peak(self):
        self.over.set()
        self.thread.join()
        return self.most / 1024


def after_each_other(*runs):
    """Several runs as one."""
    return sum(seconds for seconds, _ in runs), max(memory for _, memory in runs)


def compare(title, ways, rounds=ROUNDS):
    """Ways in turns, so that a busy moment hits all of them. The first is ours."""
    results = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            results[name].append(way())
    report(title, results)


def report(title, results):
    """Medians; the first is what the others are compared with."""
    best = statistics.median(seconds for seconds, _ in next(iter(results.values())))
    print(f"\n{title}")
    for name, runs in results.items():
        seconds = statistics.median(seconds for seconds, _ in runs)
        memory = max(memory for _, memory in runs)
        print(f"  {name:<34}{seconds:>10.3f} s{seconds / best:>9.1f} x{memory:>8.0f} MiB", flush=True)
