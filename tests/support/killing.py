"""Tools that are killed at any moment, and run again."""

import os
import random
import signal
import subprocess


def killed(start, seed, stdin=None, then=lambda: None):
    """Runs what `start` starts until it gets through, and kills it before; what
    it wrote, and how often it was killed. Its stdout and stderr are pipes, and it
    leads a process group."""
    generator, kills = random.Random(seed), 0
    while True:
        process = start()
        try:
            # Later each time, or a machine that is busy would never get through.
            patience = generator.uniform(0.02, 0.3) * (1 + kills / 8)
            stdout, stderr = process.communicate(stdin, timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            then()
        else:
            assert process.returncode == 0, stderr.decode()
            return stdout, kills
