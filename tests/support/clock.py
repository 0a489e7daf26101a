"""A clock that a test sets forward under a tool that runs: what it does after half
a minute is seen at once."""

import subprocess

SOURCE = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    const char *later = getenv("LATER");

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && clock == CLOCK_MONOTONIC && later && !access(later, F_OK))
        now->tv_sec += 60;
    return failed;
}
"""


class Clock:
    """`env` is for the tool; `forward` adds a minute to its clock."""

    def __init__(self, directory):
        library, self.later = directory / "clock.so", directory / "later"
        # What links Rust programs compiles this.
        args = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), "-ldl"]
        subprocess.run(args, input=SOURCE, text=True, check=True)
        self.env = {"LD_PRELOAD": str(library), "LATER": str(self.later)}

    def forward(self):
        self.later.touch()
