"""A measured process: sets itself up, prints "ready", waits for "go", runs one step, prints its result.

Only the step is timed, not the start of Python and Django. The result is one line of JSON. Imports only the standard
library, because the peers' scripts run in their own environment.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable

Result = dict[str, object]
Step = Callable[[int], Result]


def run(steps: dict[str, Step]) -> None:
    """Run the step given on the command line: ``STEP NUMBER``. Exits silently if the benchmark ends before "go"."""
    step, number = sys.argv[1:]
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    begin, before, machine = time.time(), processor_seconds(), machine_seconds()
    result = steps[step](int(number))
    end = time.time()
    spent = {"cpu": processor_seconds() - before, "machine": machine_seconds() - machine}
    print(json.dumps({"begin": begin, "end": end, **spent, "peak_mb": peak_megabytes(), **result}), flush=True)


def milliseconds(work: Callable[[int], object], count: int) -> list[float]:
    """Return the times of `count` calls of `work`, after ten to warm up."""
    found = []
    for number in range(-10, count):
        start = time.perf_counter()
        work(abs(number))
        found.append((time.perf_counter() - start) * 1000)
    return found[10:]


def processor_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended, excluding servers."""
    return sum(os.times()[:4])


def machine_seconds() -> float:
    """Return the CPU time of everything on this machine: all that proc_stat(5) does not count as idle."""
    with open("/proc/stat") as file:  # noqa: PTH123  (in the peers' environment, too)
        user, nice, system, _idle, _waiting, *interrupts = map(int, file.readline().split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def peak_megabytes() -> float:
    """Return the largest resident memory of this process or of one of its children so far."""
    users = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(user).ru_maxrss for user in users) * 1024 / 1e6
