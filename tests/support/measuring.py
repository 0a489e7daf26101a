"""What a command takes, beside others that do the same work; for scripts/bench*."""

import os
import statistics
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

ROUNDS = int(os.environ.get("ROUNDS", 3))


class Run(NamedTuple):
    seconds: float
    memory: float  # peak MiB of the largest process
    cpu: float  # seconds, of it and what it waited for


def measure(args, env, directory, stdin=None, stdout=None):
    """What one run takes."""
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
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    peak = memory.peak()
    if status:
        raise SystemExit(f"{args} failed:\n{(directory / 'stderr').read_text()}")
    return Run(seconds, peak, usage.ru_utime + usage.ru_stime)


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
    seconds, memory, cpu = zip(*runs, strict=True)
    return Run(sum(seconds), max(memory), sum(cpu))


def compare(title, ways, rounds=ROUNDS):
    """Ways in turns, so that a busy moment hits all of them. The first is ours."""
    results = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            results[name].append(way())
    report(title, results)


def report(title, results):
    """Medians; the first is what the others are compared with."""
    middle = {
        name: Run(*(statistics.median(column) for column in zip(*runs, strict=True)))
        for name, runs in results.items()
    }
    ours = next(iter(middle.values()))
    print(f"\n{title}")
    for name, run in middle.items():
        memory = max(one.memory for one in results[name])
        print(
            f"  {name:<34}{run.seconds:>9.3f} s{run.seconds / ours.seconds:>7.2f} x"
            f"{run.cpu:>10.2f} CPU s{run.cpu / max(ours.cpu, 0.001):>7.2f} x{memory:>7.0f} MiB",
            flush=True,
        )
