"""Kills and stops real workers, and counts messages: ``python -m benchmarks.bench_faults``, or ``make bench-faults``.

20,000 messages with 200 `kill -9`, 100 SIGTERM under load, and three workers on shared stores: on SQLite, and on
PostgreSQL with its own queue and with Redis. Prints one JSON line per figure. Exit status 1: a guarantee was broken.
Requires PostgreSQL and Redis on this machine (BENCH_POSTGRES, BENCH_REDIS), unless --database limits it.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.faults.stores import laboratory
from benchmarks.figures import report

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.faults.lab import Lab

STORES = [("sqlite", "sqlite"), ("postgres", "postgres"), ("postgres", "redis")]
LIMIT = 1500.0  # seconds per experiment, far more than it needs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", choices=("sqlite", "postgres"), help="only this one")
    parser.add_argument("--queue", choices=("sqlite", "postgres", "redis"), help="only this one")
    parser.add_argument("--only", choices=sorted(EXPERIMENTS), help="only this experiment")
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--stops", type=int, default=100)
    options = parser.parse_args()
    if options.database and options.queue and options.only:
        with laboratory(database=options.database, queue=options.queue) as lab:
            faults = EXPERIMENTS[options.only](lab, options)
        sys.stderr.writelines(f"DOES NOT HOLD ({options.only}): {fault}\n" for fault in faults)
        sys.exit(1 if faults else 0)
    # Each in a process of its own, because Django is set up once.
    sizes = ["--mails", str(options.mails), "--kills", str(options.kills), "--stops", str(options.stops)]
    commands = [
        ["--database", database, "--queue", queue, "--only", name, *sizes]
        for database, queue in STORES
        for name in EXPERIMENTS
        if options.database in (None, database) and options.queue in (None, queue) and options.only in (None, name)
    ]
    program = [sys.executable, "-m", "benchmarks.bench_faults"]
    sys.exit(max(subprocess.run([*program, *command], check=False).returncode for command in commands))


def kills(lab: Lab, options: argparse.Namespace) -> list[str]:
    """Kill workers, print the figures and return the broken guarantees."""
    killing = importlib.import_module("benchmarks.faults.killing")
    found = killing.run(lab, mails=options.mails, kills=options.kills, limit=LIMIT)
    about = {**stores(options), "mails": found.mails, "kills": len(found.kills)}
    windows = [kill.unrecorded for kill in found.kills]
    report("faults", "kill -9: lost", found.lost, "messages", **about)
    report("faults", "kill -9: extra copies", found.extra, "messages", in_the_window=found.window, **about)
    report("faults", "kill -9: in the window at one kill, at most", max(windows), "messages", **about)
    report("faults", "kill -9: noticed after the lease, at worst", max(found.late, 0), "s", **about)
    report("faults", "kill -9: all sent after", found.seconds, "s", **about)
    return list(found.faults())


def stops(lab: Lab, options: argparse.Namespace) -> list[str]:
    """Stop workers under load, print the figures and return the broken guarantees."""
    stopping = importlib.import_module("benchmarks.faults.stopping")
    found = stopping.run(lab, stops=options.stops, limit=LIMIT)
    about = {**stores(options), "mails": found.mails, "stops": len(found.seconds)}
    report("faults", "SIGTERM: lost", found.lost, "messages", **about)
    report("faults", "SIGTERM: sent twice", found.extra, "messages", **about)
    report("faults", "SIGTERM: median stop", statistics.median(found.seconds), "s", **about)
    report("faults", "SIGTERM: longest stop", max(found.seconds), "s", **about)
    return list(found.faults())


def sharing(lab: Lab, options: argparse.Namespace) -> list[str]:
    """Run three workers on shared stores, print the figures and return the broken guarantees."""
    found = importlib.import_module("benchmarks.faults.sharing").run(lab, mails=options.mails, limit=LIMIT)
    about = {**stores(options), "mails": found.mails, "shares": found.shares}
    report("faults", "three workers: lost", found.lost, "messages", **about)
    report("faults", "three workers: sent twice", found.extra, "messages", **about)
    report("faults", "three workers: woken after", statistics.median(found.woken) * 1000, "ms", **about)
    return list(found.faults())


def stores(options: argparse.Namespace) -> dict[str, str]:
    return {"database": options.database, "queue": options.queue}


# Their modules are imported late, because they need Django to be set up.
EXPERIMENTS: dict[str, Callable[[Lab, argparse.Namespace], list[str]]] = {
    "kills": kills,
    "stops": stops,
    "sharing": sharing,
}

if __name__ == "__main__":
    main()
