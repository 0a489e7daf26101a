"""A disk that is soon full: a tmpfs that only the processes started on it see.

It is in a user and mount namespace of its own, which needs no rights.
"""

import subprocess

import pytest


class SmallDisk:
    def __init__(self, path, megabytes):
        path.mkdir()
        self.path = path
        self.holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
             f'mount -t tmpfs -o size={megabytes}m tmpfs "$1" && echo made && read _', "-", path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if self.holder.stdout.readline() != "made\n":
            # The kernel may not let users have namespaces.
            pytest.skip(f"no disk of one's own: {self.holder.communicate()[1].strip()}")

    def on(self, *args):
        """The command that sees it."""
        holder = str(self.holder.pid)
        return ["nsenter", "--target", holder, "--user", "--mount", "--preserve-credentials",
                "--wd=" + str(self.path.parent), "--", *map(str, args)]

    def run(self, *args, **options):
        return subprocess.run(
            self.on(*args), capture_output=True, text=True, timeout=120, check=False, **options
        )

    def grow(self, megabytes):
        done = self.run("mount", "-o", f"remount,size={megabytes}m", self.path)
        assert done.returncode == 0, done.stderr

    @property
    def seen(self):
        """The directory, as who is outside sees it."""
        return type(self.path)(f"/proc/{self.holder.pid}/root{self.path}")

    def end(self):
        self.holder.communicate("\n")
